package multus

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome"
)

// findings is what a careful colleague would say about this build.
func (b *build) findings() []multihome.Finding {
	var out []multihome.Finding
	add := func(severity multihome.Severity, code, path, message, remedy, source string) {
		out = append(out, multihome.Finding{Code: code, Severity: severity, Path: path, Message: message, Remedy: remedy, Source: source})
	}
	if b.release.version == "v4.0.0" && b.config.Image == "" {
		add(multihome.SeverityWarning, "multus/image-unpublished", "version",
			"the image of v4.0.0 may never have been published: its push workflow was broken", "use v4.0.2", "multus-cni commits of 2023-04-15")
	}
	if b.config.PinDigest {
		add(multihome.SeverityInfo, "multus/digest-unverified", "pinDigest",
			"the digest was taken from another project's history and not compared with the registry", "",
			"kubevirt/cluster-network-addons-operator "+b.release.digestCommit)
	}
	running := b.release
	for _, own := range b.ownImages() {
		parsed := parseImage(own.image)
		if parsed.moves() {
			add(multihome.SeverityWarning, "multus/image-moves", own.path,
				own.image+" can be another release tomorrow, on one node before the other", "name a release's tag or a digest", "multus-cni #1153, #1170")
		}
		if version := parsed.release(); version != "" && version != b.release.version {
			running.version = version
			add(multihome.SeverityWarning, "multus/image-version", own.path,
				"the image is "+version+", but manifest, fixes and checks are those of "+b.release.version, remedyForVersion(version), "multus-cni #1357, #1422")
		}
	}
	cni, known := findPrimaryCNI(b.config.Platform.PrimaryCNI)
	if running.losesDelConfig() && (!known || cni.leaks) && b.config.Platform.primaryConfig() != "" {
		add(multihome.SeverityWarning, "multus/ip-leak", "version",
			running.version+" loses plugin fields when it deletes a pod of a conflist primary CNI, so that its address may never be freed",
			"use v4.2.0 or older, or v4.3.1 and newer, with "+cmp.Or(b.config.Platform.PrimaryCNI, "this primary CNI"), "multus-cni #1521")
	}
	return append(out, b.config.Daemon.findings(b.daemonContainer().VolumeMounts)...)
}

// ownImage is an image that is not the official one of the release, and the
// field of Config that says so.
type ownImage struct{ path, image string }

func (b *build) ownImages() []ownImage {
	var out []ownImage
	if slices.Contains(b.config.Skip, imagePinFix.Name) {
		out = append(out, ownImage{"skip", b.daemonContainer().Image})
	}
	if b.config.Image != "" {
		out = append(out, ownImage{"image", b.config.Image})
	}
	for _, arch := range slices.Sorted(maps.Keys(b.config.ArchImages)) {
		out = append(out, ownImage{"archImages[" + arch + "]", b.config.ArchImages[arch]})
	}
	return out
}

func remedyForVersion(version string) string {
	if _, known := findRelease(version); known {
		return "set version to " + version
	}
	return "compare upstream's manifest of " + version + " with the one rendered"
}

// findings explains the keys that work and surprise.
func (d DaemonConfig) findings(mounts []corev1.VolumeMount) []multihome.Finding {
	var out []multihome.Finding
	warn := func(holds bool, code, key, message, remedy, source string) {
		if holds {
			out = append(out, multihome.Finding{
				Code: "multus/" + code, Severity: multihome.SeverityWarning, Path: "daemon." + key,
				Message: message, Remedy: remedy, Source: source,
			})
		}
	}
	warn(d.MetricsPort != 0, "metrics-exposed", "metricsPort",
		"metrics are served on every address of every node, without authentication", "keep the port closed to the outside", "multus-cni docs/configuration.md")
	warn(d.GlobalNamespaces != "" && !slices.Contains(strings.Split(strings.ReplaceAll(d.GlobalNamespaces, " ", ""), ","), "default"), "default-not-global", "globalNamespaces",
		"namespace default is no longer global", "list default too if its networks are shared", "multus-cni docs/configuration.md")
	warn(d.ReadinessIndicatorFile != "", "readiness-exit", "readinessindicatorfile",
		"when this file goes away, the daemon removes 00-multus.conf and exits; pods started meanwhile lack their networks", "name a file that outlives restarts of the primary CNI", "multus-cni pkg/server/config/manager.go")
	warn(d.PerNodeCertificate != nil && d.PerNodeCertificate.Enabled, "needs-cert-approver", "perNodeCertificate",
		"the daemon waits for its certificate until something approves it", "run Multus' cert-approver and bind RBAC to the group system:multus", "multus-cni cmd/cert-approver")
	warn(d.Kubeconfig != "", "kubeconfig-unneeded", "kubeconfig",
		"the thick daemon uses its service account", "leave it empty", "multus-cni docs/configuration.md")
	warn(d.BinDir != "" && path.Clean(d.BinDir) != "/opt/cni/bin", "path-not-mounted", "binDir",
		"the directory must be mounted at the same path in the pod, and upstream's manifest mounts /opt/cni/bin", "add the volume with a Patch", "multus-cni docs/thick-plugin.md")
	for _, p := range d.paths() {
		warn(p.value != "" && p.key != "binDir" && !mounted(p.value, mounts), "path-not-mounted", p.key,
			p.value+" is in no directory of the node that the manifest mounts into the pod", "choose one that is mounted, or add the volume with a Patch", "multus-cni #1362")
	}
	return out
}

// mounted reports whether a path inside the pod lies on a volume.
func mounted(name string, mounts []corev1.VolumeMount) bool {
	return slices.ContainsFunc(mounts, func(m corev1.VolumeMount) bool {
		return strings.HasPrefix(path.Clean(name)+"/", path.Clean(m.MountPath)+"/")
	})
}
