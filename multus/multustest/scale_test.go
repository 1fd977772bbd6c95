package multustest_test

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

// TestThousandsOfNodes: a rollout is summed up once, not once a node; else
// the work grows with the square of the nodes.
func TestThousandsOfNodes(t *testing.T) {
	const nodes = 5000
	c := newCluster(t, multustest.Options{Nodes: make([]multustest.Node, nodes), PrimaryCNI: "cilium"})
	w, err := c.Client().Watch(t.Context(), &appsv1.DaemonSetList{}, client.MatchingFields{"metadata.name": "kube-multus-ds"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for version := range 2 {
		apply(t, c, multusSet(fmt.Sprint("multus:", version)))
	}
	set := get[appsv1.DaemonSet](t, c, "kube-system", "kube-multus-ds")
	if set.Status.UpdatedNumberScheduled != nodes || set.Status.NumberAvailable != nodes {
		t.Errorf("status %+v, want %d everywhere", set.Status, nodes)
	}
	seen, token := 0, ""
	for {
		page := &corev1.NodeList{}
		if err := c.Client().List(t.Context(), page, client.Limit(500), client.Continue(token)); err != nil {
			t.Fatal(err)
		}
		seen += len(page.Items)
		if token = page.Continue; token == "" {
			break
		}
	}
	if seen != nodes {
		t.Errorf("%d nodes listed, want %d", seen, nodes)
	}
	if err := c.Client().Delete(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if left := multusPods(t, c); len(left) != 0 {
		t.Errorf("%d pods left", len(left))
	}
	// Each change of the DaemonSet is followed by one of its status.
	expect(t, w, "ADDED kube-multus-ds", "MODIFIED kube-multus-ds", "MODIFIED kube-multus-ds", "MODIFIED kube-multus-ds", "DELETED kube-multus-ds")
}
