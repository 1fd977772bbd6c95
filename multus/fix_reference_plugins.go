package multus

import (
	_ "embed"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// defaultPlugins is the image with the reference plugins, and where they lie
// in it.
const (
	defaultPluginsImage = "ghcr.io/home-operations/cni-plugins:1.9.1"
	defaultPluginsDir   = "/plugins"
)

// referencePluginsContainer is the name of the init container.
const referencePluginsContainer = "install-reference-plugins"

// installPluginsScript is the POSIX shell program of the init container.
//
//go:embed install-plugins.sh
var installPluginsScript string

// referencePluginsFix copies the reference CNI plugins that a node lacks. Talos
// since v1.8.0 ships bridge, firewall, flannel, host-local, loopback and
// portmap only, whatever the primary CNI; Talos' own example of a macvlan
// network fails on a stock node. Talos before v1.8.0 ships none: there the
// bundled Flannel brings the full set and another CNI, such as Cilium, its own
// plugins alone. So the fix is made on every Talos; where a plugin lies
// already, nothing is copied.
//
// The image. siderolabs/install-cni, which the Talos guide names, ended with
// Talos v1.9, gets no security updates since, and overwrites the plugins of a
// newer Talos for good, because /opt/cni/bin is an overlay that survives
// upgrades. The plugins are static binaries that run on every Talos version,
// so one image serves all: ghcr.io/home-operations/cni-plugins, which holds
// the release of containernetworking/plugins that its tag names, for amd64 and
// arm64, on Alpine; it is what Talos home clusters use. Tag 1.9.1 is the
// version that Talos v1.13 and v1.14 build their own six from.
// ReferencePlugins.Image replaces it. The image could not be pulled where this
// was written: its Dockerfile was read, and the script is tested with a shell.
//
// The copying. A plugin that is there already and was not put there by this
// fix is left alone, whatever its age: it is the OS' or another owner's. A
// plugin is replaced by rename, never in place. A plugin that cannot be copied
// is reported in the container's termination message and does not keep Multus
// from starting: a node without macvlan is better off than one without
// Multus. The container writes one directory as root and needs no
// privilege for it: all capabilities are dropped, the root file system is
// read-only. Its SELinux type is spc_t, as nothing less may write to a host
// path where SELinux enforces.
var referencePluginsFix = fix{
	Fix: Fix{
		Name:   "reference-plugins",
		Reason: "Talos lacks macvlan, ipvlan, vlan, static, tuning and more, and Cilium brings none",
		Source: "siderolabs/talos #10411, #10549, release notes of v1.8.0; Talos Multus guide",
	},
	applies: func(b *build) bool { return b.config.Platform.Talos != "" || b.config.ReferencePlugins.Install },
	apply: func(b *build) {
		wanted := b.config.ReferencePlugins
		image, dir := wanted.Image, wanted.Dir
		if image == "" {
			image = defaultPluginsImage
		}
		if dir == "" {
			dir = defaultPluginsDir
		}
		env := []corev1.EnvVar{{Name: "SOURCE", Value: dir}, {Name: "TARGET", Value: "/host/opt/cni/bin"}}
		if len(wanted.Plugins) > 0 {
			env = append(env, corev1.EnvVar{Name: "PLUGINS", Value: strings.Join(wanted.Plugins, " ")})
		}
		spec := b.podSpec()
		spec.InitContainers = append(spec.InitContainers, corev1.Container{
			Name:                     referencePluginsContainer,
			Image:                    image,
			Command:                  []string{"/bin/sh", "-c", installPluginsScript},
			Env:                      env,
			Resources:                b.config.Resources.Init.or(defaultResources.Init).requirements(),
			SecurityContext:          rootOnHostPath(),
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
			VolumeMounts:             []corev1.VolumeMount{{Name: "cnibin", MountPath: "/host/opt/cni/bin"}},
		})
	},
}
