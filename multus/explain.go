package multus

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome"
)

// explain says why a Multus pod does not run, from its status alone. A pod
// that is merely starting has no explanation.
func explain(pod *corev1.Pod) (multihome.Finding, bool) {
	node := cmp.Or(pod.Spec.NodeName, wantedNode(pod))
	found := func(code, path, message, remedy, source string) (multihome.Finding, bool) {
		return multihome.Finding{
			Code: "multus/" + code, Severity: multihome.SeverityError, Object: "Node " + node, Path: path,
			Message: message, Remedy: remedy, Source: source,
		}, true
	}
	if node == "" {
		return multihome.Finding{}, false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return found("unschedulable", "", "the pod cannot be scheduled: "+condition.Message,
				"free what is missing on the node, or set Config.Tolerations", "kube-scheduler")
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		return found("pod-failed", "", fmt.Sprintf("the pod failed: %s %s", pod.Status.Reason, pod.Status.Message),
			"the DaemonSet controller replaces it; look at the node's memory and disk if it fails again", "kubelet")
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if code, message, remedy, source := explainContainer(status); code != "" {
			return found(code, "container "+status.Name, message, remedy, source)
		}
	}
	return multihome.Finding{}, false
}

// explainPast says what a Multus pod that runs has been through, and will again
// if nothing is done: killed for lack of memory, it starts anew, and as long
// as the same number of pods wait for it, so does the next one.
func explainPast(pod *corev1.Pod) (multihome.Finding, bool) {
	for _, status := range pod.Status.ContainerStatuses {
		ended := status.LastTerminationState.Terminated
		if !status.Ready || ended == nil || ended.Reason != "OOMKilled" {
			continue
		}
		f := knownTrouble("multus/oom")
		f.Severity, f.Object, f.Path = multihome.SeverityWarning, "Node "+pod.Spec.NodeName, "container "+status.Name
		f.Message = fmt.Sprintf("runs, and was %s; restarts: %d, the last for this at %s", f.Message, status.RestartCount, ended.FinishedAt.UTC().Format(time.RFC3339))
		return f, true
	}
	return multihome.Finding{}, false
}

// nodeDown is why a pod is not ready whose kubelet is silent.
func nodeDown(node string) *multihome.Finding {
	return &multihome.Finding{
		Code: "multus/node-down", Severity: multihome.SeverityError, Object: "Node " + node,
		Message: "the node's kubelet is not heard of, so that nothing is known of Multus there",
		Remedy:  "bring the node back, where Multus then starts by itself, or delete it from the cluster", Source: "kube-controller-manager: condition Ready is Unknown",
	}
}

// explainContainer knows why one container does not run; code is "" if it does
// or is about to.
func explainContainer(status corev1.ContainerStatus) (code, message, remedy, source string) {
	ended := cmp.Or(status.State.Terminated, status.LastTerminationState.Terminated)
	waiting := status.State.Waiting
	if status.Ready || (waiting == nil && status.State.Terminated == nil) {
		return "", "", "", ""
	}
	if waiting != nil {
		switch waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable":
			remedy = knownTrouble("multus/image-pull").Remedy
			if known, ok := Explain(waiting.Message); ok {
				remedy = known.Remedy
			}
			return "image-pull", fmt.Sprintf("image %s cannot be pulled: %s", status.Image, cmp.Or(waiting.Message, waiting.Reason)), remedy, "kubelet"
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return "container-start", fmt.Sprintf("%s: %s", waiting.Reason, waiting.Message), "mend what the message names", "kubelet"
		}
	}
	loops := waiting != nil && waiting.Reason == "CrashLoopBackOff" // with code 0 too
	if ended == nil || ended.ExitCode == 0 && !loops {
		return "", "", "", ""
	}
	if ended.Reason == "OOMKilled" {
		known := knownTrouble("multus/oom")
		return "oom", known.Message, known.Remedy, known.Source
	}
	text := strings.TrimSpace(ended.Message)
	message = fmt.Sprintf("exits with code %d after %d restarts: %s", ended.ExitCode, status.RestartCount, cmp.Or(text, "(no message)"))
	return "crash", message, crashRemedy(status.Name, ended.ExitCode, text), "multus-cni cmd/multus-daemon/main.go"
}

// crashRemedy knows messages, and the exit codes of multus-daemon.
func crashRemedy(name string, exitCode int32, text string) string {
	if known, ok := Explain(text); ok {
		return known.Message + "; " + known.Remedy
	}
	switch {
	case name != "kube-multus":
		return "mend what the message names"
	case exitCode == 1:
		return "the daemon's configuration or readiness file is wrong; compare Config.Daemon with the message"
	case exitCode == 2:
		return "the primary CNI's conflist is missing or of an older cniVersion; see that the primary CNI runs on the node and that Platform.PrimaryCNIConfig names its file"
	case exitCode == 137:
		return "it was killed by something on the node and did not end by itself; if it was nobody on purpose, look at the node's memory"
	case exitCode == 3:
		return "the daemon cannot listen; see Config.Daemon.SocketDir, ConnectionLimit and MetricsPort"
	default:
		return "read the container's log"
	}
}

// explainNoPods looks among events for why the DaemonSet controller makes no
// pod. The latest one counts.
func explainNoPods(events []corev1.Event, daemonSets map[string]*appsv1.DaemonSet) (multihome.Finding, bool) {
	slices.SortStableFunc(events, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	for _, event := range slices.Backward(events) {
		if _, ours := daemonSets[event.InvolvedObject.Name]; !ours {
			continue
		}
		f := multihome.Finding{
			Code: "multus/pods-refused", Severity: multihome.SeverityError,
			Object:  fmt.Sprintf("DaemonSet %s/%s", event.InvolvedObject.Namespace, event.InvolvedObject.Name),
			Message: "no pod can be created: " + event.Message, Remedy: "mend what the message names", Source: "kube-controller-manager",
		}
		if strings.Contains(event.Message, "PodSecurity") {
			f.Code = "multus/pod-security"
			f.Remedy = "label namespace " + event.InvolvedObject.Namespace + " " + podSecurityLabel + "=privileged, or install into kube-system"
		}
		return f, true
	}
	return multihome.Finding{}, false
}
