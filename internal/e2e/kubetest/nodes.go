package kubetest

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Node returns a Node object such as the kubelet of a Ready worker with Talos v1.13.9 makes. architecture is
// Go's name of it: amd64 or arm64. Change what your test needs otherwise before [Server.AddNodes].
func Node(name, architecture string) *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("4"),
		corev1.ResourceMemory: resource.MustParse("8Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname:   name,
				corev1.LabelOSStable:   "linux",
				corev1.LabelArchStable: architecture,
			},
		},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity,
			Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"},
			},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture:            architecture,
				ContainerRuntimeVersion: "containerd://2.1.5",
				KernelVersion:           "6.18.9-talos",
				KubeletVersion:          "v1.37.2",
				OperatingSystem:         "linux",
				OSImage:                 "Talos (v1.13.9)",
			},
		},
	}
}

// AddNodes creates the nodes, many at a time.
func (s *Server) AddNodes(ctx context.Context, nodes ...*corev1.Node) error {
	client, err := kubernetes.NewForConfig(s.Config())
	if err != nil {
		return err
	}
	return forEach(ctx, nodes, func(ctx context.Context, node *corev1.Node) error {
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create node %s: %w", node.Name, err)
		}
		return nil
	})
}

// forEach calls do for each item, 32 at a time, until one fails.
func forEach[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for _, item := range items {
		group.Go(func() error { return do(ctx, item) })
	}
	return group.Wait()
}
