package multus

import (
	_ "embed"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cleanNodeScript is what the cleaner runs on every node.
//
//go:embed clean-node.sh
var cleanNodeScript string

// Both name a DaemonSet, and begin the names of those for one architecture.
const (
	daemonSetName = "kube-multus-ds"
	cleanerName   = "kube-multus-cleaner"
)

// cleanerLabels select the DaemonSets of the cleaner and their pods. They are
// not those of Multus, so that a cleaner is never taken for one.
var cleanerLabels = client.MatchingLabels{"app": "multus-cleaner"}

// isCleaner tells the cleaner, which runs Multus' image, from Multus.
func isCleaner(ds *appsv1.DaemonSet) bool { return ds.Labels["app"] == cleanerLabels["app"] }

// cleanerOf returns the DaemonSet that cleans the nodes that ds serves, and
// those that it may have served before: its architectures, whatever labels and
// taints they have.
//
// A pod is ready once its node is clean. It is on the host's network, because
// a node with a stale 00-multus.conf starts no other, and sees the host's
// processes, to wait for a daemon that still runs. It deletes files as root and
// needs no privilege for it.
func cleanerOf(ds *appsv1.DaemonSet, image string) *appsv1.DaemonSet {
	name := cleanerName + strings.TrimPrefix(ds.Name, daemonSetName)
	labels := map[string]string{"app": cleanerLabels["app"], "name": name}
	container := func(name, script string) corev1.Container {
		return corev1.Container{
			Name:            name,
			Image:           image,
			Command:         []string{"/bin/sh", "-c", script},
			Resources:       ContainerResources{RequestCPU: "10m", RequestMemory: "16Mi", LimitMemory: "64Mi"}.requirements(),
			SecurityContext: rootOnHostPath(),
		}
	}
	clean := container("clean", cleanNodeScript)
	clean.Env = []corev1.EnvVar{{Name: "ROOT", Value: "/host"}}
	clean.VolumeMounts = []corev1.VolumeMount{{Name: "host", MountPath: "/host", MountPropagation: new(corev1.MountPropagationHostToContainer)}}
	clean.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
	all := intstr.FromString("100%")
	return &appsv1.DaemonSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ds.Namespace, Labels: labels},
		Spec: appsv1.DaemonSetSpec{
			Selector:       &metav1.LabelSelector{MatchLabels: labels},
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType, RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &all}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					Affinity:                      archAffinity(&ds.Spec.Template.Spec),
					AutomountServiceAccountToken:  new(false),
					HostNetwork:                   true,
					HostPID:                       true,
					InitContainers:                []corev1.Container{clean},
					Containers:                    []corev1.Container{container("done", "exec sleep 2147483647")},
					NodeSelector:                  map[string]string{corev1.LabelOSStable: "linux"},
					PriorityClassName:             "system-node-critical",
					TerminationGracePeriodSeconds: new(int64(1)),
					Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
					ImagePullSecrets:              ds.Spec.Template.Spec.ImagePullSecrets,
					Volumes: []corev1.Volume{{
						Name:         "host",
						VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}},
					}},
				},
			},
		},
	}
}

// archAffinity is what a pod requires of its node's architecture, nil for
// nothing.
func archAffinity(spec *corev1.PodSpec) *corev1.Affinity {
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	required := &corev1.NodeSelector{}
	for _, term := range spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		arch := slices.DeleteFunc(slices.Clone(term.MatchExpressions), func(r corev1.NodeSelectorRequirement) bool { return r.Key != corev1.LabelArchStable })
		if len(arch) == 0 {
			return nil // a term for any architecture
		}
		required.NodeSelectorTerms = append(required.NodeSelectorTerms, corev1.NodeSelectorTerm{MatchExpressions: arch})
	}
	if len(required.NodeSelectorTerms) == 0 {
		return nil
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}}
}
