package multustest

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Fault is what goes wrong with the pods of DaemonSets that start on a node.
type Fault string

const (
	// FaultNone is none: pods run and get ready.
	FaultNone Fault = ""
	// FaultImagePull means that the first image cannot be pulled
	// (ImagePullBackOff).
	FaultImagePull Fault = "image-pull"
	// FaultCrashLoop means that the first container exits with code 2 as Multus does
	// when it finds no primary CNI (CrashLoopBackOff).
	FaultCrashLoop Fault = "crash-loop"
	// FaultOOM means that the first container is killed for its memory (OOMKilled, exit
	// code 137), again and again.
	FaultOOM Fault = "oom"
	// FaultUnschedulable means that the pod is made and finds no room on the node.
	FaultUnschedulable Fault = "unschedulable"
	// FaultPodSecurity means that no pod is made; the DaemonSet has an Event
	// that says so.
	FaultPodSecurity Fault = "pod-security"
	// FaultSlow means that the pod is being created until the fault is taken away.
	FaultSlow Fault = "slow"
	// FaultNodeDown means that the node's kubelet is silent: the node's
	// condition Ready is Unknown, and pods that are bound to it never start.
	FaultNodeDown Fault = "node-down"
)

// faults are the values that Options accept.
var faults = []Fault{
	FaultNone, FaultImagePull, FaultCrashLoop, FaultOOM, FaultUnschedulable, FaultPodSecurity, FaultSlow,
	FaultNodeDown,
}

// SetFault says what happens to pods of DaemonSets that start on node from
// now on. Pods that run go on running; [Cluster.Roll] restarts them. Pods that
// the node's former fault has struck follow the new one, FaultNone heals them:
// at once with RolloutAuto, at the next Step or Roll with RolloutManual. A
// value that is no Fault constant is FaultNone. The node need not exist yet.
// The primary CNI's own pods are never struck. FaultNodeDown is a node's, and
// ends with the next fault.
func (c *Cluster) SetFault(node string, f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(faults, f) {
		f = FaultNone
	}
	c.faults[node] = f
	c.heartbeat(node)
	c.store.touched[daemonSetGVR] = true
	c.reconcile()
}

// heartbeat writes to a node what its kubelet, or the silence of it, says. A
// node whose kubelet was never silent stays as it is.
func (c *Cluster) heartbeat(name string) {
	node := c.node(name)
	if node == nil {
		return
	}
	node = node.DeepCopy()
	wanted := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"}
	if c.faults[name] == FaultNodeDown {
		wanted = corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Reason: "NodeStatusUnknown", Message: "Kubelet stopped posting node status."}
	}
	for n, condition := range node.Status.Conditions {
		wasDown := condition.Status == corev1.ConditionUnknown
		if condition.Type == corev1.NodeReady && wasDown != (wanted.Status == corev1.ConditionUnknown) {
			wanted.LastHeartbeatTime, wanted.LastTransitionTime = now(), now()
			node.Status.Conditions[n] = wanted
			c.store.put(nodeGVR, node)
		}
	}
}
