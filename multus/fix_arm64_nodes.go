package multus

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// arm64Fix gives the nodes of an architecture an image of their own. Official
// thick images are amd64 alone before v4.1.0; since then they are built for
// arm64 too, and read correct in the sources. Where one is not, or is not
// wanted, Config.ArchImages names another for that architecture: its nodes get
// a DaemonSet of their own and leave the first one. An arm64 node with a
// release before v4.1.0 and no image for it is refused by Config.Validate.
var arm64Fix = fix{
	Fix: Fix{
		Name:   "arm64",
		Reason: "official images before v4.1.0 are amd64 only, so arm64 nodes need an image of their own",
		Source: "multus-cni #1297, #1251, #974; Talos Multus guide",
	},
	applies: func(b *build) bool { return len(b.config.ArchImages) > 0 },
	apply: func(b *build) {
		archs := slices.Sorted(maps.Keys(b.config.ArchImages))
		for _, arch := range archs {
			b.bundle.DaemonSets = append(b.bundle.DaemonSets, archDaemonSet(b, arch))
		}
		requireArch(b.podSpec(), corev1.NodeSelectorOpNotIn, archs...)
	},
}

// archDaemonSet is the first DaemonSet for the nodes of arch alone. Its pods
// carry another "name" label, which is what the selector looks at.
func archDaemonSet(b *build, arch string) *appsv1.DaemonSet {
	ds := b.daemonSet().DeepCopy()
	ds.Name = archDaemonSetName(arch)
	name := "multus-" + arch
	ds.Labels["name"] = name
	ds.Spec.Selector.MatchLabels["name"] = name
	ds.Spec.Template.Labels["name"] = name
	spec := &ds.Spec.Template.Spec
	requireArch(spec, corev1.NodeSelectorOpIn, arch)
	container(spec.Containers, "kube-multus").Image = b.config.ArchImages[arch]
	container(spec.InitContainers, "install-multus-binary").Image = b.config.ArchImages[arch]
	return ds
}

// archDaemonSetName is the name of an architecture's own DaemonSet.
func archDaemonSetName(arch string) string { return daemonSetName + "-" + arch }

// requireArch limits the pod to nodes whose architecture is, or is not, listed.
func requireArch(spec *corev1.PodSpec, operator corev1.NodeSelectorOperator, archs ...string) {
	spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelArchStable, Operator: operator, Values: archs}},
			}},
		},
	}}
}
