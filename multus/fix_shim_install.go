package multus

// shimInstallFix installs the shim by rename. Manifests before v4.2.3 copy it
// with cp, which fails with "Text file busy" while the runtime executes the
// old shim; after a reboot that old shim waits for a daemon that cannot start,
// and the node is stuck. install_multus is in every thick image of Multus 4;
// since v4.2.1 it brings the passthru plugin too.
var shimInstallFix = fix{
	Fix: Fix{
		Name:   "shim-install",
		Reason: "releases before v4.2.3 overwrite the running shim and can leave a rebooted node without pods (Text file busy)",
		Source: "multus-cni #1221, #1445; Talos docs PR #10582",
	},
	applies: func(b *build) bool { return !b.release.atomicInstall() },
	apply: func(b *build) {
		install := b.installContainer()
		install.Command = []string{"/usr/src/multus-cni/bin/install_multus", "-d", "/host/opt/cni/bin", "-t", "thick"}
		install.Args = nil
	},
}
