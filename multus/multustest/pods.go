package multustest

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

var podGVR = corev1.SchemeGroupVersion.WithResource("pods")

// kubelet returns the status that a pod has on its node once what fault does
// to it has shown.
func (c *Cluster) kubelet(pod *corev1.Pod, node *corev1.Node, fault Fault) corev1.PodStatus {
	if fault == FaultUnschedulable {
		condition := unschedulable(len(c.store.objects[nodeGVR]))
		condition.Message = strings.Replace(condition.Message, ": ", ": 1 Insufficient memory, ", 1)
		return corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBurstable, Conditions: []corev1.PodCondition{condition}}
	}
	if fault == FaultNodeDown {
		return corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBurstable, Conditions: []corev1.PodCondition{scheduled()}}
	}
	started := now()
	status := corev1.PodStatus{
		Phase: corev1.PodPending, QOSClass: corev1.PodQOSBurstable, StartTime: &started,
		HostIP: address(node), HostIPs: []corev1.HostIP{{IP: address(node)}},
	}
	hasInit := len(pod.Spec.InitContainers) > 0
	isInitialized := fault == FaultNone || fault == FaultCrashLoop || fault == FaultOOM || fault == FaultImagePull && !hasInit
	for n, container := range pod.Spec.InitContainers {
		state := waitingContainer(container, "PodInitializing", "")
		switch {
		case isInitialized:
			state = doneContainer(container)
		case fault == FaultImagePull && n == 0:
			state = waitingContainer(container, "ImagePullBackOff", pullMessage(container.Image))
		}
		status.InitContainerStatuses = append(status.InitContainerStatuses, state)
	}
	for n, container := range pod.Spec.Containers {
		var state corev1.ContainerStatus
		switch {
		case !isInitialized && hasInit && fault != FaultSlow:
			state = waitingContainer(container, "PodInitializing", "")
		case fault == FaultSlow:
			state = waitingContainer(container, "ContainerCreating", "")
		case fault == FaultNone || n > 0 && fault != FaultImagePull:
			state = runningContainer(container)
		case fault == FaultImagePull:
			state = waitingContainer(container, "ImagePullBackOff", pullMessage(container.Image))
		default:
			state = crashedContainer(pod, container, fault)
		}
		status.ContainerStatuses = append(status.ContainerStatuses, state)
	}
	if isInitialized && fault != FaultImagePull {
		status.Phase = corev1.PodRunning
		status.PodIP = c.podIP(pod, node)
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	}
	status.Conditions = conditions(isInitialized, fault == FaultNone)
	return status
}

// conditions of a pod that is scheduled.
func conditions(isInitialized, isReady bool) []corev1.PodCondition {
	status := func(is bool) corev1.ConditionStatus {
		if is {
			return corev1.ConditionTrue
		}
		return corev1.ConditionFalse
	}
	var out []corev1.PodCondition
	for _, condition := range []struct {
		kind   corev1.PodConditionType
		is     bool
		reason string
	}{
		{corev1.PodReadyToStartContainers, isInitialized, ""},
		{corev1.PodInitialized, isInitialized, "ContainersNotInitialized"},
		{corev1.PodReady, isReady, "ContainersNotReady"},
		{corev1.ContainersReady, isReady, "ContainersNotReady"},
		{corev1.PodScheduled, true, ""},
	} {
		c := corev1.PodCondition{Type: condition.kind, Status: status(condition.is), LastTransitionTime: now()}
		if !condition.is {
			c.Reason = condition.reason
		}
		out = append(out, c)
	}
	return out
}

// scheduled is all that there is to say of a pod that no kubelet has seen.
func scheduled() corev1.PodCondition {
	return corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: now()}
}

// containerStatus is what every state of a container has in common.
func containerStatus(c corev1.Container) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: c.Image, Started: new(false)}
}

func waitingContainer(c corev1.Container, reason, message string) corev1.ContainerStatus {
	out := containerStatus(c)
	out.ImageID = ""
	out.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	return out
}

func runningContainer(c corev1.Container) corev1.ContainerStatus {
	out := containerStatus(c)
	out.Ready, out.Started = true, new(true)
	out.ContainerID = "containerd://" + c.Name
	out.State.Running = &corev1.ContainerStateRunning{StartedAt: now()}
	return out
}

// doneContainer is an init container that has succeeded.
func doneContainer(c corev1.Container) corev1.ContainerStatus {
	out := containerStatus(c)
	out.Ready = true
	out.ContainerID = "containerd://" + c.Name
	out.State.Terminated = &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now(), FinishedAt: now(), ContainerID: out.ContainerID}
	return out
}

// restarts is how often a crashing container has been restarted.
const restarts = 5

// crashedContainer waits for its next start.
func crashedContainer(pod *corev1.Pod, c corev1.Container, fault Fault) corev1.ContainerStatus {
	out := containerStatus(c)
	out.RestartCount = restarts
	out.ContainerID = "containerd://" + c.Name
	out.State.Waiting = &corev1.ContainerStateWaiting{
		Reason:  "CrashLoopBackOff",
		Message: fmt.Sprintf("back-off 2m40s restarting failed container=%s pod=%s_%s(%s)", c.Name, pod.Name, pod.Namespace, pod.UID),
	}
	last := &corev1.ContainerStateTerminated{StartedAt: now(), FinishedAt: now(), ContainerID: out.ContainerID}
	if fault == FaultOOM {
		last.ExitCode, last.Reason = 137, "OOMKilled"
	} else {
		last.ExitCode, last.Reason = 2, "Error"
		last.Message = "multus: cannot find primary CNI config in /host/etc/cni/net.d: could not find a plugin configuration in /host/etc/cni/net.d\n"
	}
	out.LastTerminationState.Terminated = last
	return out
}

func pullMessage(image string) string {
	return fmt.Sprintf("Back-off pulling image %q: ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image %q: failed to resolve reference %q: %s: not found", image, image, image, image)
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// address is a node's address.
func address(node *corev1.Node) string {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return ""
}

// podIP returns the node's address for a pod in its network, the next of the
// node's pod range otherwise. After 253 pods addresses begin again.
func (c *Cluster) podIP(pod *corev1.Pod, node *corev1.Node) string {
	prefix, err := netip.ParsePrefix(node.Spec.PodCIDR)
	if pod.Spec.HostNetwork || err != nil {
		return address(node)
	}
	if pod.Status.PodIP != "" {
		return pod.Status.PodIP
	}
	bytes := prefix.Addr().As4()
	bytes[3] = byte(2 + c.podIPs[node.Name]%253)
	c.podIPs[node.Name]++
	return netip.AddrFrom4(bytes).String()
}

// putPod stores a new state of a pod, given as a copy.
func (c *Cluster) putPod(pod *corev1.Pod) { c.store.put(podGVR, pod) }

// pod returns a pod by name, or nil.
func (c *Cluster) pod(name types.NamespacedName) *corev1.Pod {
	pod, _ := c.store.get(podGVR, name).(*corev1.Pod)
	return pod
}
