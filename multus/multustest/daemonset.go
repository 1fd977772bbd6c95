package multustest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	daemonSetGVR = appsv1.SchemeGroupVersion.WithResource("daemonsets")
	revisionGVR  = appsv1.SchemeGroupVersion.WithResource("controllerrevisions")
	eventGVR     = corev1.SchemeGroupVersion.WithResource("events")
)

// rollout is a DaemonSet and its pods, as the controller sees them in one
// pass. Building it costs one look at every node and every pod; the steps
// after that cost next to nothing, so that thousands of nodes roll in seconds.
type rollout struct {
	*Cluster

	set         *appsv1.DaemonSet
	template    corev1.PodTemplateSpec // of the pods, labels and tolerations included
	hash        string
	nodes       []*corev1.Node         // that should run a pod
	pods        map[string]*corev1.Pod // by node
	unavailable int                    // of nodes
	limit       int                    // of unavailable in an update
	violation   string                 // why no pod is admitted
}

// daemonSets returns all DaemonSets by name.
func (c *Cluster) daemonSets() []*appsv1.DaemonSet {
	var out []*appsv1.DaemonSet
	for _, object := range c.store.list(daemonSetGVR, "") {
		if set, ok := object.(*appsv1.DaemonSet); ok {
			out = append(out, set)
		}
	}
	return out
}

// newRollout looks at the cluster for one DaemonSet and removes the pods that
// have lost their node.
func (c *Cluster) newRollout(set *appsv1.DaemonSet) *rollout {
	r := &rollout{Cluster: c, set: set, hash: templateHash(set), pods: map[string]*corev1.Pod{}}
	r.template = *set.Spec.Template.DeepCopy()
	r.template.Labels = maps.Clone(r.template.Labels)
	r.template.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] = r.hash
	r.template.Labels["pod-template-generation"] = set.Annotations[templateGeneration]
	r.template.Spec.Tolerations = daemonTolerations(&set.Spec.Template.Spec)
	r.violation = c.podSecurity(set.Namespace, &r.template.Spec)
	for _, object := range c.store.objects[podGVR] {
		if pod, ok := object.(*corev1.Pod); ok && owns(set, pod) {
			r.pods[boundTo(pod)] = pod
		}
	}
	lost := maps.Clone(r.pods)
	for _, node := range c.nodes() {
		if r.pods[node.Name] != nil && stays(&r.template.Spec, node) {
			delete(lost, node.Name)
		}
		if !fits(&r.template.Spec, node) {
			continue
		}
		r.nodes = append(r.nodes, node)
		if pod := r.pods[node.Name]; pod == nil || !isReady(pod) {
			r.unavailable++
		}
	}
	for node, pod := range lost {
		delete(r.pods, node)
		c.store.remove(podGVR, client.ObjectKeyFromObject(pod))
	}
	r.limit = maxUnavailable(set, len(r.nodes))
	return r
}

// maxUnavailable is how many nodes a rolling update may leave without a pod.
// An update strategy that surges is treated as one that does not.
func maxUnavailable(set *appsv1.DaemonSet, nodes int) int {
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		return 0
	}
	limit := intstr.FromInt32(1)
	if rolling := set.Spec.UpdateStrategy.RollingUpdate; rolling != nil && rolling.MaxUnavailable != nil {
		limit = *rolling.MaxUnavailable
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(&limit, nodes, true)
	if err != nil {
		return 1
	}
	return max(n, 1)
}

// templateHash is the label by which the pods of a template are known.
func templateHash(set *appsv1.DaemonSet) string {
	data, err := json.Marshal(set.Spec.Template)
	if err != nil {
		return "" // what is stored has come through JSON already
	}
	hash := fnv.New32a()
	_, _ = hash.Write(data) // it never fails
	return rand.SafeEncodeString(fmt.Sprint(hash.Sum32()))
}

// saveRevision stores the ControllerRevision of the template, if it is new.
func (r *rollout) saveRevision() {
	name := types.NamespacedName{Namespace: r.set.Namespace, Name: r.set.Name + "-" + r.hash}
	if r.store.get(revisionGVR, name) != nil {
		return
	}
	newest := int64(0)
	for _, object := range r.store.list(revisionGVR, r.set.Namespace) {
		if revision, ok := object.(*appsv1.ControllerRevision); ok && owns(r.set, revision) {
			newest = max(newest, revision.Revision)
		}
	}
	data, err := json.Marshal(map[string]any{"spec": map[string]any{"template": r.set.Spec.Template}})
	if err != nil {
		return // what is stored has come through JSON already
	}
	labels := maps.Clone(r.set.Spec.Template.Labels)
	labels[appsv1.DefaultDaemonSetUniqueLabelKey] = r.hash
	r.store.put(revisionGVR, &appsv1.ControllerRevision{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ControllerRevision"},
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: labels, OwnerReferences: r.owner()},
		Data:       runtime.RawExtension{Raw: data}, Revision: newest + 1,
	})
}

func (r *rollout) owner() []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(r.set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
}

// saveStatus stores the figures if they have changed.
func (r *rollout) saveStatus() {
	status := appsv1.DaemonSetStatus{
		ObservedGeneration: r.set.Generation, DesiredNumberScheduled: int32(len(r.nodes)), //nolint:gosec // no cluster has 2^31 nodes
		Conditions: r.set.Status.Conditions, CollisionCount: r.set.Status.CollisionCount,
	}
	for _, node := range r.nodes {
		pod := r.pods[node.Name]
		if pod == nil {
			continue
		}
		status.CurrentNumberScheduled++
		if isReady(pod) {
			status.NumberReady++
			status.NumberAvailable++
		}
		if r.current(pod) {
			status.UpdatedNumberScheduled++
		}
	}
	status.NumberMisscheduled = int32(len(r.pods)) - status.CurrentNumberScheduled //nolint:gosec // as above
	status.NumberUnavailable = status.DesiredNumberScheduled - status.NumberAvailable
	if before := r.set.Status; slices.Equal(figures(before), figures(status)) {
		return
	}
	set := r.set.DeepCopy()
	set.Status = status
	r.store.put(daemonSetGVR, set)
	r.set = set
}

// figures are the parts of a status that change.
func figures(s appsv1.DaemonSetStatus) []int64 {
	return []int64{
		s.ObservedGeneration, int64(s.DesiredNumberScheduled), int64(s.CurrentNumberScheduled), int64(s.NumberMisscheduled),
		int64(s.NumberReady), int64(s.NumberAvailable), int64(s.UpdatedNumberScheduled), int64(s.NumberUnavailable),
	}
}

// current reports whether a pod is of the latest template.
func (r *rollout) current(pod *corev1.Pod) bool {
	return pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == r.hash ||
		pod.Labels["pod-template-generation"] == r.set.Annotations[templateGeneration]
}

// fault is what strikes pods of this DaemonSet on a node.
func (r *rollout) fault(node string) Fault {
	if r.starting || r.isPrimary(r.set) {
		return FaultNone
	}
	return r.faults[node]
}

// isPrimary reports whether a DaemonSet is the primary CNI's.
func (c *Cluster) isPrimary(set *appsv1.DaemonSet) bool {
	return set.Namespace == "kube-system" && set.Name == c.primary.daemonSet
}

// complain records an Event FailedCreate on the DaemonSet.
func (r *rollout) complain(message string) {
	r.event(corev1.ObjectReference{
		APIVersion: "apps/v1", Kind: "DaemonSet", Namespace: r.set.Namespace, Name: r.set.Name, UID: r.set.UID,
	}, "daemonset-controller", "FailedCreate", message)
}

// event records a warning, or counts it if it is known.
func (c *Cluster) event(about corev1.ObjectReference, source, reason, message string) {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(string(about.UID) + reason + message)) // it never fails
	key := types.NamespacedName{Namespace: about.Namespace, Name: fmt.Sprintf("%s.%08x", about.Name, hash.Sum32())}
	event, _ := c.store.get(eventGVR, key).(*corev1.Event)
	if event == nil {
		event = &corev1.Event{
			TypeMeta:       metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
			ObjectMeta:     metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
			InvolvedObject: about, Type: corev1.EventTypeWarning, Reason: reason, Message: message,
			Source: corev1.EventSource{Component: source}, ReportingController: source, FirstTimestamp: now(),
		}
	}
	counted := event.DeepCopy()
	counted.Count++
	counted.LastTimestamp = now()
	c.store.put(eventGVR, counted)
}
