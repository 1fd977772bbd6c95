package multus

// releaseAnnotation records on the DaemonSet which release it was rendered
// from, for images whose tag does not tell.
const releaseAnnotation = "multihome.github.io/release"

// imagePinFix gives both containers one image: the official one of the chosen
// release, or Config.Image. Every upstream manifest says snapshot-thick, a tag
// that moves: two nodes can run two releases, and a shim newer than its daemon
// makes every pod of the node wait 60 s and fail (seen in the field on
// 2026-09-09 with v4.3.1's shim and an older daemon).
var imagePinFix = fix{
	Fix: Fix{
		Name:   "image-pin",
		Reason: "upstream's manifests name a moving image; a shim and a daemon of different releases stop every new pod of a node",
		Source: "multus-cni #1153, #1170, #1422; keiretsu-labs/kubernetes-manifests #2903, #2905",
	},
	applies: always,
	apply: func(b *build) {
		image := b.image()
		b.daemonContainer().Image = image
		b.installContainer().Image = image
		setAnnotation(&b.daemonSet().ObjectMeta, releaseAnnotation, b.release.version)
	},
}

// image is what the containers of Multus itself run, before the registry
// rewrite.
func (b *build) image() string {
	switch {
	case b.config.Image != "":
		return b.config.Image
	case b.config.PinDigest:
		return b.release.image() + "@" + b.release.digest
	default:
		return b.release.image()
	}
}
