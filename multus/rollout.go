package multus

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome"
)

// Rollout is how far Multus' pods are.
type Rollout struct {
	// Desired nodes should run Multus, Updated run the wanted version, Ready
	// of those are ready.
	Desired int `json:"desired"`
	Updated int `json:"updated"`
	Ready   int `json:"ready"`
	// Complete: every desired node is updated and ready, and the DaemonSet
	// controller has seen the latest change.
	Complete bool `json:"complete"`
	// Nodes that have a Multus pod, by name. An Install that finds the
	// rollout complete does not ask for them. If pods are missing because
	// none can be made, the last item has no node and says why.
	Nodes []NodeStatus `json:"nodes,omitempty"`
}

// NodeStatus is Multus on one node.
type NodeStatus struct {
	Node string `json:"node"`
	Pod  string `json:"pod"`
	// Updated: the pod is of the DaemonSet's latest version.
	Updated bool `json:"updated"`
	Ready   bool `json:"ready"`
	// Problem explains a pod that cannot start. Nil: none is seen.
	Problem *multihome.Finding `json:"problem,omitempty"`
}

// RolloutError says that everything is applied and Multus does not run on
// every node.
type RolloutError struct {
	Rollout Rollout
	// Last is what the cluster was last waited for with, if it did not
	// answer. Nil: it answered.
	Last error
	// Err is why waiting ended: ctx's error, or one that waiting cannot cure.
	Err error
}

// Error names the stuck nodes with their reasons, at most five.
func (e *RolloutError) Error() string {
	const most = 5
	var b strings.Builder
	fmt.Fprintf(&b, "rollout: %d of %d nodes ready", e.Rollout.Ready, e.Rollout.Desired)
	stuck := slices.DeleteFunc(slices.Clone(e.Rollout.Nodes), func(n NodeStatus) bool { return n.Problem == nil })
	for _, n := range stuck[:min(most, len(stuck))] {
		fmt.Fprintf(&b, "; %s", n.Problem)
	}
	if len(stuck) > most {
		fmt.Fprintf(&b, "; and %d more", len(stuck)-most)
	}
	if e.Last != nil {
		fmt.Fprintf(&b, "; last answer: %v", e.Last)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns Err: errors.Is(err, context.DeadlineExceeded) works.
func (e *RolloutError) Unwrap() error { return e.Err }

// progress is a rollout as it is being followed: the latest state of each
// DaemonSet and of each of their pods. Feeding it is cheap, so that thousands
// of nodes are no burden.
type progress struct {
	daemonSets map[string]*appsv1.DaemonSet
	nodes      map[string]NodeStatus // by node
	previous   map[string]NodeStatus // nodes of before the restart, until they are told again
	told       map[string]bool       // DaemonSets since the restart
	noPods     *multihome.Finding    // why pods are missing
	down       map[string]bool       // nodes whose pods say nothing because their kubelets do not
}

func newProgress() *progress {
	return &progress{
		daemonSets: map[string]*appsv1.DaemonSet{}, told: map[string]bool{},
		nodes: map[string]NodeStatus{}, previous: map[string]NodeStatus{},
	}
}

// restart begins anew, because all that exists is about to be told again.
func (p *progress) restart() {
	maps.Copy(p.previous, p.nodes)
	p.nodes = map[string]NodeStatus{}
	clear(p.told)
}

// settle ends a restart: pods that were not told by now are gone.
func (p *progress) settle() { clear(p.previous) }

// toldAll reports whether every DaemonSet was told since the restart.
func (p *progress) toldAll() bool { return len(p.told) == len(p.daemonSets) }

// setDaemonSet takes in a DaemonSet; one that the rollout is not about is
// ignored.
func (p *progress) setDaemonSet(ds *appsv1.DaemonSet) {
	old, ours := p.daemonSets[ds.Name]
	if !ours {
		return
	}
	p.told[ds.Name] = true
	if old == nil || old.Generation <= ds.Generation {
		p.daemonSets[ds.Name] = ds
	}
}

// setPod takes in a pod and returns its node's state before and after.
func (p *progress) setPod(pod *corev1.Pod) (before, after NodeStatus) {
	ds, ours := p.daemonSets[ownerName(pod)]
	if !ours || pod.DeletionTimestamp != nil {
		return before, after
	}
	after = NodeStatus{Node: pod.Spec.NodeName, Pod: pod.Name, Updated: updated(pod, ds), Ready: ready(pod)}
	if after.Node == "" {
		after.Node = wantedNode(pod)
	}
	if problem, found := explain(pod); found {
		after.Problem = &problem
	}
	before, known := p.nodes[after.Node]
	if !known {
		before = p.previous[after.Node]
		delete(p.previous, after.Node)
	}
	p.nodes[after.Node] = after
	return before, after
}

// removePod forgets a pod, unless its node has another one by now.
func (p *progress) removePod(pod *corev1.Pod) {
	node := cmp.Or(pod.Spec.NodeName, wantedNode(pod))
	if p.nodes[node].Pod == pod.Name {
		delete(p.nodes, node)
	}
}

// complete goes by the DaemonSets' own figures.
func (p *progress) complete() bool {
	for _, ds := range p.daemonSets {
		if ds == nil || ds.Status.ObservedGeneration < ds.Generation ||
			ds.Status.UpdatedNumberScheduled < ds.Status.DesiredNumberScheduled ||
			ds.Status.NumberAvailable < ds.Status.DesiredNumberScheduled {
			return false
		}
	}
	return true
}

// rollout sums up. It does not list the nodes.
func (p *progress) rollout() Rollout {
	out := Rollout{Complete: p.complete()}
	for _, ds := range p.daemonSets {
		if ds == nil {
			continue
		}
		out.Desired += int(ds.Status.DesiredNumberScheduled)
		if ds.Status.ObservedGeneration >= ds.Generation { // else it is the number of an older version
			out.Updated += int(ds.Status.UpdatedNumberScheduled)
		}
	}
	// A DaemonSet does not tell how many of the updated pods are ready.
	out.Ready = min(p.readyNodes(), out.Desired)
	if out.Complete {
		out.Ready = out.Desired
	}
	return out
}

// report is rollout with the nodes.
func (p *progress) report() Rollout {
	out := p.rollout()
	for node := range p.known() {
		if p.down[node.Node] && node.Problem == nil && !node.Ready {
			node.Problem = nodeDown(node.Node)
		}
		out.Nodes = append(out.Nodes, node)
	}
	slices.SortFunc(out.Nodes, func(a, b NodeStatus) int { return cmp.Compare(a.Node, b.Node) })
	if p.noPods != nil && p.waiting() {
		out.Nodes = append(out.Nodes, NodeStatus{Problem: p.noPods})
	}
	return out
}

// known yields every node. Until a restart is settled, one that was not told
// again is as it was before.
func (p *progress) known() iter.Seq[NodeStatus] {
	return func(yield func(NodeStatus) bool) {
		for _, nodes := range []map[string]NodeStatus{p.nodes, p.previous} {
			for _, node := range nodes {
				if !yield(node) {
					return
				}
			}
		}
	}
}

// readyNodes counts the nodes whose pod is updated and ready.
func (p *progress) readyNodes() int {
	count := 0
	for node := range p.known() {
		if node.Updated && node.Ready {
			count++
		}
	}
	return count
}

// waiting reports whether pods are wanted that do not exist.
func (p *progress) waiting() bool { return len(p.nodes)+len(p.previous) < p.rollout().Desired }

func ownerName(pod *corev1.Pod) string {
	for _, owner := range pod.OwnerReferences {
		if owner.Kind == "DaemonSet" && owner.Controller != nil && *owner.Controller {
			return owner.Name
		}
	}
	return ""
}

// wantedNode is the node that the DaemonSet controller meant an unscheduled
// pod for: it says so by node affinity on the name.
func wantedNode(pod *corev1.Pod) string {
	affinity := pod.Spec.Affinity
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			if field.Key == "metadata.name" && len(field.Values) == 1 {
				return field.Values[0]
			}
		}
	}
	return ""
}

func ready(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// updated reports whether the pod is of the DaemonSet's latest template, by
// the number that the controller counts templates with, or by the images where
// a number is missing.
func updated(pod *corev1.Pod, ds *appsv1.DaemonSet) bool {
	if ds == nil {
		return false
	}
	wanted := ds.Annotations[appsv1.DeprecatedTemplateGeneration]
	has := pod.Labels["pod-template-generation"]
	if wanted != "" && has != "" {
		return wanted == has
	}
	return slices.EqualFunc(pod.Spec.Containers, ds.Spec.Template.Spec.Containers, func(a, b corev1.Container) bool { return a.Image == b.Image }) &&
		pod.Annotations[configAnnotation] == ds.Spec.Template.Annotations[configAnnotation]
}
