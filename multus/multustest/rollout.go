package multustest

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// RolloutMode says who lets the pods of DaemonSets start.
type RolloutMode string

const (
	// RolloutAuto is the default: every node rolls as soon as a DaemonSet is
	// applied, before the request that did it returns. As on a real cluster an
	// update stops at the nodes whose new pods do not get ready
	// (maxUnavailable); it goes on when they are healed.
	RolloutAuto RolloutMode = ""
	// RolloutManual means that nothing starts until the test calls [Cluster.Step] or
	// [Cluster.Roll].
	RolloutManual RolloutMode = "manual"
)

// Step lets the DaemonSet controller take its next step on one node: it
// starts a missing pod, replaces an old one, or lets a fault that has changed
// show. Nodes come by name. Step returns the node, and false when there is
// nothing to do: the rollout is complete, or stuck as a real one would be with
// maxUnavailable nodes not ready.
func (c *Cluster) Step() (node string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, set := range c.daemonSets() {
		r := c.newRollout(set)
		for _, node := range r.nodes {
			if r.needed(node) {
				r.step(node)
				r.saveStatus()
				c.reconcile()
				return node.Name, true
			}
		}
	}
	return "", false
}

// Roll deletes the pods of all DaemonSets on node, save the primary CNI's,
// and starts new ones there, whatever maxUnavailable says. The error tells
// that there is no such node, or no DaemonSet for it.
func (c *Cluster) Roll(node string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.node(node) == nil {
		return fmt.Errorf("roll node %s: there is no such node", node)
	}
	rolled := false
	for _, set := range c.daemonSets() {
		r := c.newRollout(set)
		for _, n := range r.nodes {
			if n.Name == node && !c.isPrimary(set) {
				r.replace(n)
				r.saveStatus()
				rolled = true
			}
		}
	}
	c.reconcile()
	if !rolled {
		return fmt.Errorf("roll node %s: no DaemonSet but the primary CNI's runs there; apply one first", node)
	}
	return nil
}

// syncDaemonSets does what the DaemonSet controller does after a change.
func (c *Cluster) syncDaemonSets() {
	for _, set := range c.daemonSets() {
		r := c.newRollout(set)
		r.saveRevision()
		if c.mode == RolloutAuto || c.starting || c.isPrimary(set) {
			r.roll()
		}
		r.saveStatus()
	}
}

// roll steps as long as a node needs it: one that gets its pod lets an update
// go on at another.
func (r *rollout) roll() {
	for again := true; again; {
		again = false
		for _, node := range r.nodes {
			if r.needed(node) {
				r.step(node)
				again = true
			}
		}
	}
}

// needed reports whether the controller or the kubelet has something to do on
// a node.
func (r *rollout) needed(node *corev1.Node) bool {
	pod := r.pods[node.Name]
	switch {
	case pod == nil:
		refusal := r.refuses(node)
		return refusal == "" || r.refused[r.refusal(node)] != refusal
	case !r.current(pod):
		return r.limit > 0 && (!isReady(pod) || r.unavailable < r.limit)
	default:
		return !isReady(pod) && r.shown[pod.UID] != r.fault(node.Name)
	}
}

// step does it.
func (r *rollout) step(node *corev1.Node) {
	pod := r.pods[node.Name]
	if pod == nil || !r.current(pod) {
		r.replace(node)
		return
	}
	r.show(pod, node)
}

// replace removes the pod on a node, if there is one, and starts a new one.
func (r *rollout) replace(node *corev1.Node) {
	if pod := r.pods[node.Name]; pod != nil {
		if isReady(pod) {
			r.unavailable++
		}
		r.store.remove(podGVR, client.ObjectKeyFromObject(pod))
		delete(r.pods, node.Name)
	}
	if refusal := r.refuses(node); refusal != "" {
		r.refused[r.refusal(node)] = refusal
		r.complain("Error creating: pods \"" + r.set.Name + "-\" is forbidden: " + refusal)
		return
	}
	delete(r.refused, r.refusal(node))
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.set.Namespace, Name: r.set.Name + "-" + r.suffix(), GenerateName: r.set.Name + "-", Generation: 1,
			Labels: r.template.Labels, Annotations: r.template.Annotations, OwnerReferences: r.owner(),
		},
		Spec:   r.template.Spec,
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	pod.Spec.Affinity = bindTo(r.template.Spec.Affinity, node.Name)
	r.putPod(pod)
	r.show(pod, node)
}

// show lets a pod go through what the node's fault does to it.
func (r *rollout) show(pod *corev1.Pod, node *corev1.Node) {
	fault := r.fault(node.Name)
	shown := *pod // nothing that it shares with pod is changed
	if fault != FaultUnschedulable {
		shown.Spec.NodeName = node.Name
	}
	shown.Status = r.kubelet(&shown, node, fault)
	r.putPod(&shown)
	r.pods[node.Name] = &shown
	r.shown[shown.UID] = fault
	if isReady(&shown) {
		r.unavailable--
	}
}

// refuses says why the API server refuses a pod for a node, or "".
func (r *rollout) refuses(node *corev1.Node) string {
	if r.violation == "" && r.fault(node.Name) == FaultPodSecurity {
		return cmp.Or(violation(levelBaseline, &r.template.Spec), violation(levelBaseline, &corev1.PodSpec{HostNetwork: true}))
	}
	return r.violation
}

// refusal is the key under which a refused pod is remembered, so that one
// template complains once a node.
func (r *rollout) refusal(node *corev1.Node) string {
	return fmt.Sprintf("%s/%s/%s", r.set.UID, r.hash, node.Name)
}

// suffix returns five letters as the API server does for generated names. No
// two of the first 27^5 are alike: the factor and 27 are coprime.
func (c *Cluster) suffix() string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	c.suffixes++
	n := (c.suffixes*7_368_787 + 5_554_321) % (27 * 27 * 27 * 27 * 27)
	out := make([]byte, 5)
	for i := range out {
		out[i] = letters[n%27]
		n /= 27
	}
	return string(out)
}

// forget drops what is kept about a pod that is gone.
func (c *Cluster) forget(pod *corev1.Pod) {
	delete(c.shown, pod.UID)
	delete(c.waiting, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name})
	c.leases.release(pod.UID)
}
