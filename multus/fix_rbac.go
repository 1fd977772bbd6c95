package multus

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// rbacFix lets an image since v4.1.0 run with a manifest before it. The daemon
// lists and watches pods from then on, and answers every request with an error
// while it may not; it watches the pods of the whole cluster unless it knows
// its node; and it looks plugins up outside of its chroot, where the older
// manifest mounts none. The image's release is read from its tag; an image
// that does not tell, like upstream's moving one, gets all three.
var rbacFix = fix{
	Fix: Fix{
		Name:   "rbac",
		Reason: "images since v4.1.0 list and watch the pods of their node and look for plugins in /opt/cni/bin, for which the manifests before it lack RBAC, environment and mount",
		Source: "multus-cni #1185, #1186, #1357, #1161",
	},
	applies: func(b *build) bool { return !b.release.informers() && slices.ContainsFunc(b.images(), needsInformers) },
	apply: func(b *build) {
		for i := range b.bundle.ClusterRole.Rules {
			if rule := &b.bundle.ClusterRole.Rules[i]; slices.Contains(rule.Resources, "pods") {
				rule.Verbs = append(rule.Verbs, "list", "watch")
				slices.Sort(rule.Verbs)
			}
		}
		daemon := b.daemonContainer()
		daemon.Env = append(daemon.Env, corev1.EnvVar{
			Name:      "MULTUS_NODE_NAME",
			ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}},
		})
		daemon.VolumeMounts = append(daemon.VolumeMounts, corev1.VolumeMount{Name: "cnibin", MountPath: "/opt/cni/bin"})
	},
}

// images are what runs Multus itself on some node.
func (b *build) images() []string {
	return append(slices.Sorted(maps.Values(b.config.ArchImages)), b.daemonContainer().Image)
}

func needsInformers(image string) bool {
	release := imageRelease(image)
	return release == "" || versionAtLeast(release, "v4.1.0")
}
