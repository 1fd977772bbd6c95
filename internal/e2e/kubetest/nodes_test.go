package kubetest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/multihome/multihome/internal/e2e/kubetest"
)

// agents is a DaemonSet such as Multus: on every node, whatever its taints.
func agents(image string) *appsv1.DaemonSet {
	labels := map[string]string{"app": "agent"}
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "agent", Namespace: metav1.NamespaceSystem},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					HostNetwork:    true,
					InitContainers: []corev1.Container{{Name: "install", Image: image}},
					Containers:     []corev1.Container{{Name: "agent", Image: image}},
					Tolerations:    []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
				},
			},
		},
	}
}

func TestDaemonSetRollsOut(t *testing.T) {
	server.ResetAfter(t)
	if err := server.AddNodes(t.Context(),
		kubetest.Node("a", "amd64"), kubetest.Node("b", "amd64"), kubetest.Node("c", "arm64")); err != nil {
		t.Fatal(err)
	}
	server.StartKubelets(t, kubetest.KubeletOptions{Delay: 10 * time.Millisecond})
	client := newClient(t, server.Config())
	daemonSets := client.AppsV1().DaemonSets(metav1.NamespaceSystem)

	start := time.Now()
	if _, err := daemonSets.Create(t.Context(), agents("agent:1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, rolledOut(client, 3))
	t.Logf("ready on 3 nodes after %v", time.Since(start).Round(time.Millisecond))

	start = time.Now()
	if _, err := daemonSets.Update(t.Context(), agents("agent:2"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, rolledOut(client, 3))
	t.Logf("rolled out again after %v", time.Since(start).Round(time.Millisecond))
	pods, err := client.CoreV1().Pods(metav1.NamespaceSystem).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		if got := pod.Spec.Containers[0].Image; got != "agent:2" {
			t.Errorf("pod on node %s has image %s, want agent:2", pod.Spec.NodeName, got)
		}
	}

	start = time.Now()
	if err := daemonSets.Delete(t.Context(), "agent", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error { // the garbage collector and the kubelets' part of a deletion
		pods, err := client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
		if err == nil && len(pods.Items) > 0 {
			err = fmt.Errorf("%d pods left", len(pods.Items))
		}
		return err
	})
	t.Logf("pods gone after %v", time.Since(start).Round(time.Millisecond))
}

func TestKubeletsReportWhatTheTestWants(t *testing.T) {
	server.ResetAfter(t)
	if err := server.AddNodes(t.Context(), kubetest.Node("good", "amd64"), kubetest.Node("bad", "amd64")); err != nil {
		t.Fatal(err)
	}
	var healed atomic.Bool
	server.StartKubelets(t, kubetest.KubeletOptions{Status: func(pod *corev1.Pod) corev1.PodStatus {
		if pod.Spec.NodeName == "bad" && !healed.Load() {
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "agent", Image: "agent:1",
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}},
			}}
			return pod.Status
		}
		return kubetest.Running(pod)
	}})
	client := newClient(t, server.Config())
	if _, err := client.AppsV1().DaemonSets(metav1.NamespaceSystem).
		Create(t.Context(), agents("agent:1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		pods, err := client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx,
			metav1.ListOptions{FieldSelector: "spec.nodeName=bad"})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			for _, c := range pod.Status.ContainerStatuses {
				if c.State.Waiting != nil && c.State.Waiting.Reason == "ImagePullBackOff" {
					return nil
				}
			}
		}
		return fmt.Errorf("pods %v, want one that cannot pull its image", pods.Items)
	})
	healed.Store(true)
	eventually(t, rolledOut(client, 2))
}

func TestResetRemovesWhatWasAdded(t *testing.T) {
	if err := server.AddNodes(t.Context(), kubetest.Node("a", "amd64")); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, server.Config())
	if _, err := client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "added"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"added", metav1.NamespaceSystem} {
		config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "added", Namespace: namespace}}
		if _, err := client.CoreV1().ConfigMaps(namespace).Create(t.Context(), config, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// Without kubelets its pod would stay for ever.
	if _, err := client.AppsV1().DaemonSets(metav1.NamespaceSystem).
		Create(t.Context(), agents("agent:1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		pods, err := client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
		if err == nil && (len(pods.Items) == 0 || pods.Items[0].Spec.NodeName == "") {
			err = fmt.Errorf("no pod with a node")
		}
		return err
	})

	start := time.Now()
	if err := server.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("reset took %v", time.Since(start).Round(time.Millisecond))

	_, namespaceErr := client.CoreV1().Namespaces().Get(t.Context(), "added", metav1.GetOptions{})
	_, configErr := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(t.Context(), "added", metav1.GetOptions{})
	_, nodeErr := client.CoreV1().Nodes().Get(t.Context(), "a", metav1.GetOptions{})
	for name, err := range map[string]error{"namespace": namespaceErr, "config map": configErr, "node": nodeErr} {
		if !apierrors.IsNotFound(err) {
			t.Errorf("%s: error %v, want not found", name, err)
		}
	}
	if _, err := client.RbacV1().ClusterRoles().Get(t.Context(), "cluster-admin", metav1.GetOptions{}); err != nil {
		t.Errorf("what was there at the start: %v", err)
	}
}

// rolledOut is nil once the DaemonSet agent is ready in its newest form on so many nodes.
func rolledOut(client kubernetes.Interface, nodes int32) func(context.Context) error {
	return func(ctx context.Context) error {
		d, err := client.AppsV1().DaemonSets(metav1.NamespaceSystem).Get(ctx, "agent", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if s := d.Status; s.ObservedGeneration != d.Generation || s.UpdatedNumberScheduled != nodes || s.NumberAvailable != nodes {
			return fmt.Errorf("generation %d, status %+v", d.Generation, s)
		}
		return nil
	}
}
