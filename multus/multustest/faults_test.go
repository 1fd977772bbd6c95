package multustest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

// summary is what a controller would judge a pod by.
func summary(pod corev1.Pod) []string {
	out := []string{string(pod.Status.Phase)}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled || condition.Type == corev1.PodReady {
			out = append(out, fmt.Sprintf("%s=%s %s", condition.Type, condition.Status, condition.Reason))
		}
	}
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		line := status.Name + ":"
		if w := status.State.Waiting; w != nil {
			line += " waiting " + w.Reason
		}
		if status.State.Running != nil {
			line += " running"
		}
		if e := status.State.Terminated; e != nil {
			line += fmt.Sprintf(" terminated %d %s", e.ExitCode, e.Reason)
		}
		if l := status.LastTerminationState.Terminated; l != nil {
			line += fmt.Sprintf(" after %d %s", l.ExitCode, l.Reason)
		}
		out = append(out, line)
	}
	return out
}

func TestFaults(t *testing.T) {
	healthy := []string{
		"Running", "Ready=True ", "PodScheduled=True ",
		"install-multus-binary: terminated 0 Completed", "kube-multus: running",
	}
	tests := []struct {
		name  string
		fault multustest.Fault
		want  []string // nil: no pod
		event string
	}{
		{"none", multustest.FaultNone, healthy, ""},
		{"unknown", "odd", healthy, ""},
		{"image pull", multustest.FaultImagePull, []string{
			"Pending", "Ready=False ContainersNotReady", "PodScheduled=True ",
			"install-multus-binary: waiting ImagePullBackOff", "kube-multus: waiting PodInitializing",
		}, ""},
		{"crash loop", multustest.FaultCrashLoop, []string{
			"Running", "Ready=False ContainersNotReady", "PodScheduled=True ",
			"install-multus-binary: terminated 0 Completed", "kube-multus: waiting CrashLoopBackOff after 2 Error",
		}, ""},
		{"oom", multustest.FaultOOM, []string{
			"Running", "Ready=False ContainersNotReady", "PodScheduled=True ",
			"install-multus-binary: terminated 0 Completed", "kube-multus: waiting CrashLoopBackOff after 137 OOMKilled",
		}, ""},
		{"unschedulable", multustest.FaultUnschedulable, []string{"Pending", "PodScheduled=False Unschedulable"}, ""},
		{"slow", multustest.FaultSlow, []string{
			"Pending", "Ready=False ContainersNotReady", "PodScheduled=True ",
			"install-multus-binary: waiting PodInitializing", "kube-multus: waiting ContainerCreating",
		}, ""},
		{"node down", multustest.FaultNodeDown, []string{"Pending", "PodScheduled=True "}, ""},
		{
			"pod security", multustest.FaultPodSecurity, nil,
			`Error creating: pods "kube-multus-ds-" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)`,
		},
	}
	for _, test := range tests {
		for _, mode := range []multustest.RolloutMode{multustest.RolloutAuto, multustest.RolloutManual} {
			t.Run(test.name+" "+string(mode), func(t *testing.T) {
				nodes := []multustest.Node{{Name: "good"}, {Name: "bad"}}
				if test.name != "unknown" {
					nodes[1].Fault = test.fault
				}
				c := newCluster(t, multustest.Options{Nodes: nodes, Rollout: mode})
				c.SetFault("bad", test.fault)
				apply(t, c, multusSet("multus:1"))
				finish(c)
				pod, exists := multusPods(t, c)["bad"]
				if exists != (test.want != nil) {
					t.Fatalf("pod %q exists %t", pod.Name, exists)
				}
				if exists {
					if diff := cmp.Diff(test.want, summary(pod)); diff != "" {
						t.Errorf("pod (-want +got):\n%s", diff)
					}
				}
				if got := events(t, c, "FailedCreate"); test.event != strings.Join(got, "\n") {
					t.Errorf("events %q, want %q", got, test.event)
				}
				c.SetFault("bad", multustest.FaultNone)
				finish(c)
				if diff := cmp.Diff(healthy, summary(multusPods(t, c)["bad"])); diff != "" {
					t.Errorf("healed (-want +got):\n%s", diff)
				}
				if got, want := figures(t, c), "1: 2/2/2/2/2/0"; got != want {
					t.Errorf("figures %s, want %s", got, want)
				}
			})
		}
	}
}

// TestNodeDown: the node itself tells, and tells again that it is back.
func TestNodeDown(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: []multustest.Node{{Name: "a"}, {Name: "b", Fault: multustest.FaultNodeDown}}})
	var got []string
	look := func() {
		list := &corev1.NodeList{}
		if err := c.Client().List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		for _, node := range list.Items {
			for _, condition := range node.Status.Conditions {
				got = append(got, fmt.Sprintf("%s %s=%s %s", node.Name, condition.Type, condition.Status, condition.Reason))
			}
		}
	}
	look()
	c.SetFault("b", multustest.FaultSlow)
	c.SetFault("none", multustest.FaultNodeDown)
	look()
	want := []string{
		"a Ready=True KubeletReady", "b Ready=Unknown NodeStatusUnknown",
		"a Ready=True KubeletReady", "b Ready=True KubeletReady",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

// finish steps until there is nothing to do.
func finish(c *multustest.Cluster) {
	for ok := true; ok; {
		_, ok = c.Step()
	}
}

// events are the messages of the warnings with a reason.
func events(t *testing.T, c *multustest.Cluster, reason string) []string {
	t.Helper()
	list := &corev1.EventList{}
	if err := c.Client().List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, event := range list.Items {
		if event.Reason == reason && event.Type == corev1.EventTypeWarning && event.Count > 0 && event.InvolvedObject.UID != "" {
			out = append(out, event.Message)
		}
	}
	return out
}

func TestFaultMessages(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: threeNodes})
	set := multusSet("multus:1")
	set.Spec.Template.Spec.InitContainers = nil
	set.Spec.Template.Spec.Containers = append(set.Spec.Template.Spec.Containers, corev1.Container{Name: "second", Image: "second:1"})
	c.SetFault("cp-1", multustest.FaultImagePull)
	c.SetFault("worker-1", multustest.FaultCrashLoop)
	c.SetFault("worker-2", multustest.FaultSlow)
	apply(t, c, set)
	pods := multusPods(t, c)
	pull := pods["cp-1"].Status.ContainerStatuses[0].State.Waiting
	if pull == nil || pull.Reason != "ImagePullBackOff" || !strings.Contains(pull.Message, `Back-off pulling image "multus:1"`) {
		t.Errorf("image pull: %+v", pull)
	}
	crash := pods["worker-1"].Status.ContainerStatuses
	if last := crash[0].LastTerminationState.Terminated; last == nil || !strings.Contains(last.Message, "cannot find primary CNI config") || crash[0].RestartCount == 0 {
		t.Errorf("crash: %+v", crash[0])
	}
	if crash[1].State.Running == nil {
		t.Errorf("the second container of a crashing pod: %+v", crash[1])
	}
	if slow := pods["worker-2"].Status.ContainerStatuses[1].State.Waiting; slow == nil || slow.Reason != "ContainerCreating" {
		t.Errorf("slow: %+v", slow)
	}
	// One fault follows another.
	c.SetFault("worker-1", multustest.FaultOOM)
	if got := multusPods(t, c)["worker-1"]; got.Name != pods["worker-1"].Name || got.Status.ContainerStatuses[0].LastTerminationState.Terminated.Reason != "OOMKilled" {
		t.Errorf("after another fault: %v", summary(got))
	}
}

// TestPodSecurity: Talos refuses privileged pods outside kube-system, unless
// the namespace says otherwise.
func TestPodSecurity(t *testing.T) {
	container := func(security corev1.SecurityContext) func(*corev1.PodSpec) {
		return func(spec *corev1.PodSpec) { spec.Containers[0].SecurityContext = &security }
	}
	privileged := container(corev1.SecurityContext{Privileged: new(true)})
	tests := []struct {
		name      string
		osImage   string
		namespace string
		level     string
		spec      func(*corev1.PodSpec)
		want      string // "": admitted
	}{
		{"plain", "", "multus", "", func(*corev1.PodSpec) {}, ""},
		{"unprivileged", "", "multus", "", container(corev1.SecurityContext{Privileged: new(false), Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"CHOWN"}}}), ""},
		{"kube-system", "", "kube-system", "", privileged, ""},
		{"labelled", "", "multus", "privileged", privileged, ""},
		{"not Talos", "Debian GNU/Linux 12", "multus", "", privileged, ""},
		{"not Talos, labelled", "Debian GNU/Linux 12", "multus", "restricted", privileged, `violates PodSecurity "restricted:latest": privileged (container "app" must not set securityContext.privileged=true)`},
		{"privileged", "", "multus", "", privileged, `violates PodSecurity "baseline:latest": privileged (container "app" must not set securityContext.privileged=true)`},
		{"capabilities", "", "multus", "", container(corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN", "NET_ADMIN"}}}), `violates PodSecurity "baseline:latest": non-default capabilities (container "app" must not include "NET_ADMIN", "SYS_ADMIN" in securityContext.capabilities.add)`},
		{"host", "", "multus", "", func(s *corev1.PodSpec) {
			s.HostNetwork, s.HostPID = true, true
			s.Volumes = []corev1.Volume{
				{Name: "cnibin", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/opt/cni/bin"}}},
				{Name: "cni", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/etc/cni/net.d"}}},
				{Name: "config"},
			}
		}, `violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volumes "cni", "cnibin")`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{Nodes: []multustest.Node{{Name: "node", OSImage: test.osImage}}})
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "multus"}}
			if test.level != "" {
				namespace.Labels = map[string]string{"pod-security.kubernetes.io/enforce": test.level}
			}
			if err := c.Client().Create(t.Context(), namespace); err != nil {
				t.Fatal(err)
			}
			pod := newPod("a", "")
			pod.Namespace = test.namespace
			test.spec(&pod.Spec)
			set := multusSet("multus:1")
			set.Namespace, set.Spec.Template.Spec = test.namespace, pod.Spec
			if err := c.Client().Create(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			err := c.Client().Create(t.Context(), pod)
			isRunning := len(multusPods(t, c)) == 1
			if test.want == "" {
				if err != nil || !isRunning {
					t.Errorf("error %v, DaemonSet runs %t", err, isRunning)
				}
				return
			}
			if !apierrors.IsForbidden(err) || err.Error() != `pods "a" is forbidden: `+test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
			want := []string{`Error creating: pods "kube-multus-ds-" is forbidden: ` + test.want}
			if diff := cmp.Diff(want, events(t, c, "FailedCreate")); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			// The label is the cure.
			if err := c.Client().Patch(t.Context(), namespace, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`))); err != nil {
				t.Fatal(err)
			}
			if len(multusPods(t, c)) != 1 {
				t.Error("the DaemonSet does not run after the namespace was labelled")
			}
		})
	}
}
