package multustest

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// fits reports whether a pod may start on a node: its nodeSelector, its
// required node affinity and its tolerations. Resources and everything else
// that a scheduler weighs are not looked at.
func fits(spec *corev1.PodSpec, node *corev1.Node) bool {
	return stays(spec, node) && endures(spec, node, corev1.TaintEffectNoSchedule)
}

// stays reports whether a pod of a DaemonSet that runs on a node may go on.
func stays(spec *corev1.PodSpec, node *corev1.Node) bool {
	for key, value := range spec.NodeSelector {
		if have, ok := node.Labels[key]; !ok || have != value {
			return false
		}
	}
	return affine(spec.Affinity, node) && endures(spec, node, corev1.TaintEffectNoExecute)
}

// endures reports whether a pod tolerates all of a node's taints with an
// effect.
func endures(spec *corev1.PodSpec, node *corev1.Node, effect corev1.TaintEffect) bool {
	return !slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool {
		return taint.Effect == effect && !tolerated(spec.Tolerations, taint)
	})
}

// affine reports whether one term of the required node affinity matches.
func affine(affinity *corev1.Affinity, node *corev1.Node) bool {
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return true
	}
	terms := affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	return slices.ContainsFunc(terms, func(term corev1.NodeSelectorTerm) bool {
		for _, expression := range term.MatchExpressions {
			value, ok := node.Labels[expression.Key]
			if !met(expression, value, ok) {
				return false
			}
		}
		for _, expression := range term.MatchFields { // the only one there is: metadata.name
			if !met(expression, node.Name, true) {
				return false
			}
		}
		return len(term.MatchExpressions)+len(term.MatchFields) > 0
	})
}

// met reports whether a requirement holds. Gt and Lt never do.
func met(r corev1.NodeSelectorRequirement, value string, isSet bool) bool {
	switch r.Operator {
	case corev1.NodeSelectorOpIn:
		return isSet && slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpNotIn:
		return !isSet || !slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpExists:
		return isSet
	case corev1.NodeSelectorOpDoesNotExist:
		return !isSet
	default:
		return false
	}
}

func tolerated(tolerations []corev1.Toleration, taint corev1.Taint) bool {
	return slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool {
		return (t.Effect == "" || t.Effect == taint.Effect) && (t.Key == "" || t.Key == taint.Key) &&
			(t.Operator == corev1.TolerationOpExists || t.Value == taint.Value)
	})
}

// daemonTolerations are added to every pod of a DaemonSet.
func daemonTolerations(spec *corev1.PodSpec) []corev1.Toleration {
	exists := func(key string, effect corev1.TaintEffect) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: effect}
	}
	out := append(slices.Clone(spec.Tolerations),
		exists(corev1.TaintNodeNotReady, corev1.TaintEffectNoExecute),
		exists(corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute),
		exists(corev1.TaintNodeDiskPressure, corev1.TaintEffectNoSchedule),
		exists(corev1.TaintNodeMemoryPressure, corev1.TaintEffectNoSchedule),
		exists(corev1.TaintNodePIDPressure, corev1.TaintEffectNoSchedule),
		exists(corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule),
	)
	if spec.HostNetwork {
		out = append(out, exists(corev1.TaintNodeNetworkUnavailable, corev1.TaintEffectNoSchedule))
	}
	return out
}

// bindTo pins a pod to a node as the DaemonSet controller does. That is how
// the node of a pod is known which is not scheduled yet.
func bindTo(affinity *corev1.Affinity, node string) *corev1.Affinity {
	out := affinity.DeepCopy()
	if out == nil {
		out = &corev1.Affinity{}
	}
	if out.NodeAffinity == nil {
		out.NodeAffinity = &corev1.NodeAffinity{}
	}
	out.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node}},
		}}},
	}
	return out
}

// boundTo is the node that a DaemonSet's pod is for.
func boundTo(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" || pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil {
		return pod.Spec.NodeName
	}
	required := pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if required == nil {
		return ""
	}
	for _, term := range required.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			if field.Key == "metadata.name" && len(field.Values) == 1 {
				return field.Values[0]
			}
		}
	}
	return ""
}

// unschedulable is the scheduler's verdict on a pod that fits nowhere.
func unschedulable(nodes int) corev1.PodCondition {
	return corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		LastTransitionTime: now(),
		Message:            fmt.Sprintf("0/%d nodes are available: %d node(s) didn't match Pod's node affinity/selector or had untolerated taint(s).", nodes, nodes),
	}
}
