package main

import (
	"strings"
	"testing"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
	"github.com/multihome/multihome/nad"
)

// newCluster is three Talos nodes with Cilium.
func newCluster(t *testing.T, cilium multustest.Cilium) (*multustest.Cluster, *multusReconciler) {
	t.Helper()
	cluster, err := multustest.NewCluster(multustest.Options{
		Nodes: []multustest.Node{{Talos: "v1.13.9"}, {Talos: "v1.13.9"}, {Talos: "v1.13.9"}}, PrimaryCNI: "cilium", Cilium: cilium,
	})
	if err != nil {
		t.Fatal(err)
	}
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return cluster, &multusReconciler{installer: installer}
}

// writes counts the requests that changed something since mark.
func writes(cluster *multustest.Cluster, mark int) int {
	n := 0
	for _, request := range cluster.Requests()[mark:] {
		switch request.Verb {
		case "get", "list", "watch":
		default:
			n++
		}
	}
	return n
}

func TestMultusIsKept(t *testing.T) {
	cluster, reconciler := newCluster(t, multustest.Cilium{})
	if _, err := reconciler.Reconcile(t.Context(), reconcile.Request{}); err != nil {
		t.Fatal(err)
	}
	status, err := reconciler.installer.Status(t.Context())
	if err != nil || !status.Healthy() {
		t.Fatalf("not healthy: %v, %v", status, err)
	}
	mark := len(cluster.Requests())
	again, err := reconciler.Reconcile(t.Context(), reconcile.Request{})
	if err != nil || again.RequeueAfter == 0 {
		t.Errorf("got %v, %v, want it to look again later", again, err)
	}
	if n := writes(cluster, mark); n != 0 {
		t.Errorf("%d writes to a cluster that is as wanted", n)
	}
}

func TestExclusiveCiliumIsLeftToSomebody(t *testing.T) {
	cluster, reconciler := newCluster(t, multustest.Cilium{Exclusive: true})
	got, err := reconciler.Reconcile(t.Context(), reconcile.Request{})
	if err != nil || got.RequeueAfter == 0 {
		t.Errorf("got %v, %v, want it to look again later", got, err)
	}
	if n := writes(cluster, 0); n != 0 {
		t.Errorf("%d writes though Cilium would undo the install", n)
	}
}

func TestLAN(t *testing.T) {
	edited := &netattdefv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: lan, Labels: map[string]string{keptBy: thisOne}},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: `{"type":"macvlan"}`},
	}
	foreign := edited.DeepCopy()
	foreign.Labels = nil
	tests := []struct {
		name  string
		label string
		have  *netattdefv1.NetworkAttachmentDefinition
		want  string // of its configuration; "" for no network
		err   string
	}{
		{name: "not asked for", label: ""},
		{name: "asked for", label: enabled, want: `"vlan": 100`},
		{name: "edited", label: enabled, have: edited, want: `"vlan": 100`},
		{name: "no more asked for", have: edited},
		{name: "another's", label: enabled, have: foreign, want: "macvlan", err: "is not of this controller"},
		{name: "another's, not asked for", have: foreign, want: "macvlan"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster, multus := newCluster(t, multustest.Cilium{})
			if _, err := multus.Reconcile(t.Context(), reconcile.Request{}); err != nil {
				t.Fatal(err)
			}
			c := cluster.Client()
			objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{lan: tt.label}}}}
			if tt.have != nil {
				def := tt.have.DeepCopy()
				def.Namespace = "shop"
				objects = append(objects, def)
			}
			for _, object := range objects {
				if err := c.Create(t.Context(), object); err != nil {
					t.Fatal(err)
				}
			}

			reconciler := &lanReconciler{client: c, api: c}
			_, err := reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "shop"}})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got error %v, want %q", err, tt.err)
			}
			got := &netattdefv1.NetworkAttachmentDefinition{}
			err = c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: lan}, got)
			if (err == nil) != (tt.want != "") || !strings.Contains(got.Spec.Config, tt.want) {
				t.Errorf("got %q, %v, want %q in it", got.Spec.Config, err, tt.want)
			}
			if findings := nad.Lint(got); err == nil && tt.err == "" && tt.label != "" && len(findings) > 0 {
				t.Errorf("the network is not clean: %v", findings)
			}
		})
	}
}

func TestOnlyOtherSystemsCount(t *testing.T) {
	before := &corev1.Node{Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{OSImage: "Talos (v1.12.0)"}}}
	after := before.DeepCopy()
	after.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady}}
	if otherSystem().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
		t.Error("a heartbeat counts")
	}
	after.Status.NodeInfo.OSImage = "Talos (v1.13.9)"
	if !otherSystem().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
		t.Error("an upgrade does not count")
	}
}
