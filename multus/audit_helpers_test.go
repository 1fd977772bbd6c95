package multus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// noon is when the pods of these tests start.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// minutes after noon, or before.
func minutes(n int) metav1.Time { return metav1.NewTime(noon.Add(time.Duration(n) * time.Minute)) }

// networksOf are the annotations of a pod: what it asks for, and what it got
// as "name interface address" each, after its own first interface. Without
// got there is no network-status.
func networksOf(asked string, got ...string) map[string]string {
	out := map[string]string{netattdefv1.NetworkAttachmentAnnot: asked}
	if got == nil {
		return out
	}
	entries := []string{`{"name":"cbr0","interface":"eth0","ips":["10.244.0.7"],"default":true}`}
	for _, entry := range got {
		words := strings.Fields(entry + " 10.9.0.1")
		entries = append(entries, `{"name":"`+words[0]+`","interface":"`+strings.Trim(words[1], "-")+`","ips":["`+words[2]+`"]}`)
	}
	out[netattdefv1.NetworkStatusAnnot] = "[" + strings.Join(entries, ",") + "]"
	return out
}

// aPod is a pod of ReplicaSet web that runs on node b since noon.
func aPod(name string, annotations map[string]string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, Annotations: annotations, UID: "uid-of-" + "pod", CreationTimestamp: minutes(0),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "1", Controller: new(true)}},
		},
		Spec: corev1.PodSpec{NodeName: "b", Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, StartTime: new(minutes(0)), PodIP: "10.244.0.7", PodIPs: []corev1.PodIP{{IP: "10.244.0.7"}},
		},
	}
	for _, c := range change {
		c(pod)
	}
	return pod
}

// waits is a pod that has no sandbox.
func waits(pod *corev1.Pod) {
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = corev1.PodPending, "", nil
}

// multusOn is Multus, installed an hour before noon, and its pod on node b,
// which runs since then.
func multusOn(t testing.TB, change ...func(*appsv1.DaemonSet, *corev1.Pod)) []client.Object {
	bundle, err := multus.Render(onFlannel)
	if err != nil {
		t.Fatal(err)
	}
	ds := bundle.DaemonSets[0]
	ds.CreationTimestamp = minutes(-60)
	pod := newMultusPod(ds, "b")
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	pod.CreationTimestamp = minutes(-60)
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "kube-multus", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: minutes(-60)}},
		}},
	}
	for _, c := range change {
		c(ds, pod)
	}
	return []client.Object{ds, pod}
}

// restarted lets Multus' container end and start again at the minutes given.
func restarted(end, start int, reason string) func(*appsv1.DaemonSet, *corev1.Pod) {
	return func(_ *appsv1.DaemonSet, pod *corev1.Pod) {
		status := &pod.Status.ContainerStatuses[0]
		status.State.Running.StartedAt = minutes(start)
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason, ExitCode: 137, FinishedAt: minutes(end)}
	}
}

// crashing lets Multus' container fail again and again.
func crashing(_ *appsv1.DaemonSet, pod *corev1.Pod) {
	pod.Status.Conditions = nil
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{waiting("kube-multus", "CrashLoopBackOff", "", ended(3, "no socket"))}
}

// networkNAD is a network in namespace shop.
func networkNAD(name, config string) *netattdefv1.NetworkAttachmentDefinition {
	return &netattdefv1.NetworkAttachmentDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: "k8s.cni.cncf.io/v1", Kind: "NetworkAttachmentDefinition"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: config},
	}
}

// anEvent is what the kubelet says of a pod that has no sandbox.
func anEvent(name, pod, message string, last int) *corev1.Event {
	return &corev1.Event{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: pod, UID: "uid-of-pod"},
		Reason:         "FailedCreatePodSandBox", Message: message, LastTimestamp: minutes(last),
	}
}

// sandbox is such a message with what a plugin said in it.
func sandbox(said string) string {
	return `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "3a6a58386dfb": plugin type="multus-shim" name="multus-cni-network" failed (add): ` + said
}

// stage is a client that lists objects as they were given, by kind, namespace
// and labels. Everything else is up to a simulated cluster.
type stage struct {
	client.WithWatch
	objects []client.Object
	before  func(kind string, options *client.ListOptions) error
}

// onStage is an Installer that sees the objects.
func onStage(t testing.TB, objects ...client.Object) (*stage, *multus.Installer) {
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{}, PrimaryCNI: "none"})
	s := &stage{WithWatch: cluster.Client(), objects: objects}
	return s, newInstaller(t, s, onFlannel)
}

func (s *stage) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(options)
	kind := strings.TrimSuffix(list.GetObjectKind().GroupVersionKind().Kind, "List")
	if s.before != nil {
		if err := s.before(kind, o); err != nil {
			return err
		}
	}
	out := list.(*unstructured.UnstructuredList)
	out.Items = nil
	for _, object := range s.objects {
		isAsked := object.GetObjectKind().GroupVersionKind().Kind == kind && (o.Namespace == "" || o.Namespace == object.GetNamespace()) &&
			(o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(object.GetLabels())))
		if !isAsked {
			continue
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return err
		}
		out.Items = append(out.Items, unstructured.Unstructured{Object: content})
	}
	return nil
}

// auditOf audits or ends the test.
func auditOf(t testing.TB, installer *multus.Installer, options multus.AuditOptions) *multus.AuditReport {
	report, err := installer.Audit(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}
