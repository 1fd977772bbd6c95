package multus

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// talosPlugins are the CNI plugins of Talos since v1.8.0.
var talosPlugins = []string{"bridge", "firewall", "flannel", "host-local", "loopback", "portmap"}

// referencePlugins are those of containernetworking/plugins v1.9.1.
var referencePlugins = []string{
	"bandwidth", "bridge", "dhcp", "dummy", "firewall", "host-device", "host-local", "ipvlan", "loopback",
	"macvlan", "portmap", "ptp", "sbr", "static", "tap", "tuning", "vlan", "vrf",
}

// pluginsOf returns the plugins that a DaemonSet brings to its nodes, if that
// is known of it.
func pluginsOf(ds *appsv1.DaemonSet) (plugins []string, known bool) {
	primary, _ := primaryOf(ds)
	switch {
	case primary.cni == "cilium":
		return []string{"cilium-cni", "loopback"}, true
	case primary.cni == "flannel":
		return []string{"flannel"}, true
	case isMultus(ds):
		return append([]string{"multus-shim"}, copiedBy(&ds.Spec.Template.Spec)...), true
	}
	return nil, false
}

// copiedBy returns the plugins that the init container of the fix
// reference-plugins copies.
func copiedBy(spec *corev1.PodSpec) []string {
	i := slices.IndexFunc(spec.InitContainers, func(c corev1.Container) bool { return c.Name == referencePluginsContainer })
	if i < 0 {
		return nil
	}
	for _, env := range spec.InitContainers[i].Env {
		if env.Name == "PLUGINS" {
			return strings.Fields(env.Value)
		}
	}
	return referencePlugins
}

// writesPlugins reports whether a pod can write to the directory of CNI plugins.
func writesPlugins(spec *corev1.PodSpec) bool {
	const dir = "/opt/cni/bin/"
	for _, volume := range spec.Volumes {
		if volume.HostPath == nil || !strings.HasPrefix(dir, strings.TrimSuffix(volume.HostPath.Path, "/")+"/") {
			continue
		}
		for _, c := range containersOf(spec) {
			if slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume.Name && !m.ReadOnly }) {
				return true
			}
		}
	}
	return false
}
