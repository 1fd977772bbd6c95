package multus_test

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// waiting is a container that waits to be started, after it ended with a code
// if last is given.
func waiting(name, reason, message string, last ...corev1.ContainerStateTerminated) corev1.ContainerStatus {
	status := corev1.ContainerStatus{
		Name: name, Image: "multus:1", RestartCount: 7,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
	}
	if len(last) > 0 {
		status.LastTerminationState.Terminated = &last[0]
	}
	return status
}

func ended(code int32, message string) corev1.ContainerStateTerminated {
	return corev1.ContainerStateTerminated{ExitCode: code, Message: message}
}

// TestExplain: every way in which a Multus pod is known to be stuck, as Status
// tells it.
func TestExplain(t *testing.T) {
	const daemon, shim, looping = "kube-multus", "install-multus-binary", "CrashLoopBackOff"
	tests := []struct {
		name    string
		status  corev1.ContainerStatus
		pod     corev1.PodStatus
		code    string
		says    string
		advises string
	}{
		{name: "starting", status: waiting(daemon, "ContainerCreating", "")},
		{name: "waiting-for-init", status: waiting(daemon, "PodInitializing", "")},
		{name: "running-not-ready", status: corev1.ContainerStatus{Name: daemon, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		{
			name: "pull", status: waiting(shim, "ImagePullBackOff", "Back-off pulling"), code: "image-pull",
			says: "container install-multus-binary: image multus:1 cannot be pulled: Back-off pulling", advises: "Config.Registry",
		},
		{name: "pull-silent", status: waiting(shim, "ErrImageNeverPull", ""), code: "image-pull", says: "cannot be pulled: ErrImageNeverPull"},
		{
			name: "pull-platform", status: waiting(shim, "ErrImagePull", "no match for platform in manifest"), code: "image-pull",
			says: "no match for platform", advises: "Config.ArchImages",
		},
		{
			name: "start", status: waiting(daemon, "CreateContainerConfigError", `configmap "multus-daemon-config" not found`), code: "container-start",
			says: `CreateContainerConfigError: configmap "multus-daemon-config" not found`,
		},
		{
			name: "oom", status: waiting(daemon, looping, "", corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}), code: "oom",
			says: "killed for lack of memory", advises: "LimitMemory",
		},
		{
			name: "ended", status: corev1.ContainerStatus{Name: daemon, State: corev1.ContainerState{Terminated: new(ended(1, "bad config"))}}, code: "crash",
			says: "exits with code 1 after 0 restarts: bad config", advises: "Config.Daemon",
		},
		{name: "no-conflist", status: waiting(daemon, looping, "", ended(2, "cannot find")), code: "crash", advises: "Platform.PrimaryCNIConfig"},
		{name: "cannot-listen", status: waiting(daemon, looping, "", ended(3, "")), code: "crash", says: "(no message)", advises: "SocketDir"},
		{name: "other-code", status: waiting(daemon, looping, "", ended(9, "")), code: "crash", advises: "read the container's log"},
		{name: "code-0", status: waiting(daemon, looping, "", ended(0, "")), code: "crash", says: "exits with code 0 after 7 restarts", advises: "log"},
		{name: "exec-format", status: waiting(daemon, looping, "", ended(255, "exec format error")), code: "crash", advises: "Config.ArchImages"},
		{name: "busy", status: waiting(shim, looping, "", ended(1, "cp: Text file busy")), code: "crash", advises: "shim-install"},
		{name: "old-flags", status: waiting(daemon, looping, "", ended(2, "flag provided but not defined: -cni-version")), code: "crash", advises: "ConflictAdopt"},
		{name: "shim-fails", status: waiting(shim, looping, "", ended(1, "no space left")), code: "crash", says: "no space left", advises: "mend what the message names"},
		{
			name: "failed", pod: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "low on memory"}, code: "pod-failed",
			says: "the pod failed: Evicted low on memory",
		},
	}
	ds := renderedDaemonSet(t)
	ds.Status.DesiredNumberScheduled = int32(len(tests))
	objects := []client.Object{ds}
	for _, tt := range tests {
		pod := newMultusPod(ds, tt.name)
		pod.Status = tt.pod
		if tt.status.Name != "" {
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{tt.status}
		}
		objects = append(objects, pod)
	}
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{}})
	status, err := newInstaller(t, &answers{WithWatch: cluster.Client(), objects: objects}, onFlannel).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]multus.NodeStatus{}
	for _, node := range status.Rollout.Nodes {
		nodes[node.Node] = node
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problem := nodes[tt.name].Problem
			if tt.code == "" {
				if problem != nil {
					t.Errorf("problem %v, want none", problem)
				}
				return
			}
			if problem == nil || problem.Code != "multus/"+tt.code || problem.Object != "Node "+tt.name ||
				!strings.Contains(problem.String(), tt.says) || !strings.Contains(problem.Remedy, tt.advises) || problem.Remedy == "" {
				t.Errorf("problem %v, want multus/%s with %q and the advice %q", problem, tt.code, tt.says, tt.advises)
			}
		})
	}
}

// TestUpdated: whether a pod is of the wanted version, where nobody counts
// templates, goes by images and configuration. What is no pod of Multus does
// not count.
func TestUpdated(t *testing.T) {
	ds := renderedDaemonSet(t)
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		want   bool
		absent bool
	}{
		{name: "same", change: func(*corev1.Pod) {}, want: true},
		{name: "image", change: func(p *corev1.Pod) { p.Spec.Containers[0].Image = "multus:0" }},
		{name: "config", change: func(p *corev1.Pod) { p.Annotations[configAnnotation] = "0" }},
		{name: "orphan", change: func(p *corev1.Pod) { p.OwnerReferences = nil }, absent: true},
		{name: "of-another", change: func(p *corev1.Pod) { p.OwnerReferences[0].Name = "kube-multus-ds-arm" }, absent: true},
		{name: "terminating", change: func(p *corev1.Pod) {
			p.DeletionTimestamp, p.Finalizers = new(metav1.Now()), []string{"example.com/keep"}
		}, absent: true},
	}
	objects := []client.Object{ds}
	for _, tt := range tests {
		pod := newMultusPod(ds, tt.name)
		tt.change(pod)
		objects = append(objects, pod)
	}
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{}})
	status, err := newInstaller(t, &answers{WithWatch: cluster.Client(), objects: objects}, onFlannel).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, node := range status.Rollout.Nodes {
		got[node.Node] = node.Updated
	}
	for _, tt := range tests {
		if updated, found := got[tt.name]; updated != tt.want || found == tt.absent {
			t.Errorf("%s: updated %t, told %t; want %t, %t", tt.name, updated, found, tt.want, !tt.absent)
		}
	}
}

// renderedDaemonSet is the DaemonSet of onFlannel as an API server has it.
func renderedDaemonSet(t *testing.T) *appsv1.DaemonSet {
	bundle, err := multus.Render(onFlannel)
	if err != nil {
		t.Fatal(err)
	}
	ds := bundle.DaemonSets[0]
	ds.Generation, ds.Status.ObservedGeneration = 1, 1
	return ds
}

// newMultusPod is a pod of a DaemonSet on a node of its own name.
func newMultusPod(ds *appsv1.DaemonSet, node string) *corev1.Pod {
	template := ds.Spec.Template.DeepCopy()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ds.Namespace, Name: "pod-" + node, Labels: template.Labels, Annotations: template.Annotations,
			OwnerReferences: []metav1.OwnerReference{{Kind: "DaemonSet", Name: ds.Name, Controller: new(true)}},
		},
		Spec: template.Spec,
	}
	pod.Spec.NodeName = node
	return pod
}

// answers is a client that lists other objects than there are.
type answers struct {
	client.WithWatch
	objects []client.Object
}

func (a *answers) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	kind := strings.TrimSuffix(list.GetObjectKind().GroupVersionKind().Kind, "List")
	out := list.(*unstructured.UnstructuredList)
	out.Items = nil
	for _, object := range a.objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return err
		}
		u := unstructured.Unstructured{Object: content}
		if u.GroupVersionKind().Kind == "" {
			u.SetAPIVersion("v1")
			u.SetKind("Pod")
		}
		if u.GetKind() == kind {
			out.Items = append(out.Items, u)
		}
	}
	return nil
}
