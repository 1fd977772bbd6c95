package multus

// primaryCNIFix names the primary CNI's conflist. Left alone the daemon takes
// the first file by name that it finds at its start, once: after a reboot that
// can be the leftover of another CNI. When the named file is not there yet the
// daemon exits and is restarted until it is.
var primaryCNIFix = fix{
	Fix: Fix{
		Name:   "primary-cni",
		Reason: "the daemon otherwise delegates to the first conflist by name at its start, which may belong to another CNI",
		Source: "multus-cni #1499, #1224",
	},
	applies: func(b *build) bool { return b.config.Platform.primaryConfig() != "" },
	apply:   func(b *build) { b.daemon["multusMasterCNI"] = b.config.Platform.primaryConfig() },
}
