package apply_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/internal/apply"
)

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

func everybody(string) bool { return true }

func TestOwners(t *testing.T) {
	live := owned(object(t, configMap),
		"helm", "Apply", `{}`,
		"kubectl", "Update", `{"f:data":{}}`,
		"kubectl", "Apply", `{"f:metadata":{}}`,
		"controller", "Update", `{"f:status":{}}`,
		"helm", "Apply", `{"f:data":{}}`,
	)
	entries := live.GetManagedFields()
	entries[3].Subresource = "status"
	live.SetManagedFields(entries)
	tests := []struct {
		name string
		live *unstructured.Unstructured
		want []apply.Owner
	}{
		{"in order, each once, without subresources", live, []apply.Owner{{"helm", "Apply"}, {"kubectl", "Update"}, {"kubectl", "Apply"}}},
		{"nobody", object(t, configMap), nil},
		{"no object", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, apply.Owners(tt.live)); diff != "" {
				t.Errorf("owners (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAdoptPrunes takes objects over from everybody who may have written them,
// in every way, and applies: nothing of theirs is left.
func TestAdoptPrunes(t *testing.T) {
	old := object(t, `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: kube-system, labels: {app: theirs, old: label}, annotations: {%s: '{}'}}
data: {config: theirs, extra: gone}
`, lastApplied)
	create := func(manager string) func(*testing.T, *cluster) {
		return func(t *testing.T, c *cluster) {
			if err := c.Create(t.Context(), old.DeepCopy()); err != nil {
				t.Fatal(err)
			}
			c.updateAs(t, manager, old, func(live map[string]any) {
				live["metadata"].(map[string]any)["managedFields"] = owned(old, manager, "Update",
					`{"f:data":{".":{},"f:config":{},"f:extra":{}},"f:metadata":{"f:annotations":{".":{},"f:`+lastApplied+`":{}},"f:labels":{".":{},"f:app":{},"f:old":{}}}}`,
				).Object["metadata"].(map[string]any)["managedFields"]
			})
		}
	}
	tests := []struct {
		name    string
		prepare []func(*testing.T, *cluster)
	}{
		{"kubectl create", []func(*testing.T, *cluster){create("kubectl-client-side-apply")}},
		{"talos", []func(*testing.T, *cluster){func(t *testing.T, c *cluster) { c.applyAs(t, "talos", old) }}},
		{"talos, then helm", []func(*testing.T, *cluster){
			func(t *testing.T, c *cluster) { c.applyAs(t, "talos", old) },
			func(t *testing.T, c *cluster) {
				c.applyAs(t, "helm", object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system}, data: {extra: more, helm: gone}}"))
			},
		}},
		{"we, then kubectl edit", []func(*testing.T, *cluster){
			func(t *testing.T, c *cluster) { c.applyAs(t, owner, old) },
			func(t *testing.T, c *cluster) {
				c.updateAs(t, "kubectl-edit", old, func(live map[string]any) {
					live["data"] = map[string]any{"config": "edited", "edited": "gone"}
				})
			},
		}},
		{"one manager by apply and by update", []func(*testing.T, *cluster){
			func(t *testing.T, c *cluster) { c.applyAs(t, "helm", old) },
			func(t *testing.T, c *cluster) {
				c.updateAs(t, "helm", old, func(live map[string]any) {
					live["data"] = map[string]any{"config": "edited", "edited": "gone"}
				})
			},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t)
			for _, prepare := range tt.prepare {
				prepare(t, c)
			}
			s := c.read(t, object(t, configMap))
			before := s.Live.DeepCopy()
			c.requests = nil
			adopted, err := c.applier().Adopt(t.Context(), s, everybody)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"patch"}, c.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, s.Live); diff != "" {
				t.Errorf("the state that was given changed (-want +got):\n%s", diff)
			}
			if diff := apply.Diff(before, adopted.Live); diff != nil {
				t.Errorf("values changed: %v", diff)
			}
			want := []apply.Owner{{Manager: owner, Operation: "Apply"}}
			if diff := cmp.Diff(want, apply.Owners(adopted.Live)); diff != "" {
				t.Errorf("owners after Adopt (-want +got):\n%s", diff)
			}
			if adopted.Settled(owner) {
				t.Error("settled before the leftovers are gone")
			}
			change, err := c.applier().Apply(t.Context(), adopted, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, apply.Owners(change.After)); diff != "" {
				t.Errorf("owners after Apply (-want +got):\n%s", diff)
			}
			left, err := change.After.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			for _, leftover := range []string{"gone", "more", "theirs", "edited", "old", lastApplied} {
				if strings.Contains(string(left), leftover) {
					t.Errorf("%q is left: %s", leftover, left)
				}
			}
			if !c.read(t, s.Desired).Settled(owner) {
				t.Error("not settled in the end")
			}
		})
	}
}

// TestAdoptRecorded holds the patch against what a real API server recorded of
// kubectl apply.
func TestAdoptRecorded(t *testing.T) {
	c := newCluster(t, recorded(t, "daemonset", "kubectl"))
	s := c.read(t, recorded(t, "daemonset", "desired"))
	s, err := c.applier().Adopt(t.Context(), s, func(manager string) bool { return strings.HasPrefix(manager, "kubectl") })
	if err != nil {
		t.Fatal(err)
	}
	change, err := c.applier().Apply(t.Context(), s, false)
	if err != nil {
		t.Fatal(err)
	}
	left, err := change.After.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, leftover := range []string{"leftover", "--old", "multus:old", lastApplied, "kubectl"} {
		if strings.Contains(string(left), leftover) {
			t.Errorf("%q is left: %s", leftover, left)
		}
	}
	if !c.read(t, s.Desired).Settled(owner) {
		t.Error("not settled in the end")
	}
}

func TestAdoptLeavesOthersAlone(t *testing.T) {
	c := newCluster(t)
	c.applyAs(t, "talos", object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system}, data: {config: theirs}}"))
	c.applyAs(t, "argocd", object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system}, data: {extra: stays}}"))
	s, err := c.applier().Adopt(t.Context(), c.read(t, object(t, configMap)), func(manager string) bool { return manager == "talos" })
	if err != nil {
		t.Fatal(err)
	}
	change, err := c.applier().Apply(t.Context(), s, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []apply.Owner{{"argocd", "Apply"}, {owner, "Apply"}}
	got := apply.Owners(change.After)
	slices.SortFunc(got, func(a, b apply.Owner) int { return strings.Compare(a.Manager, b.Manager) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if data, _, _ := unstructured.NestedString(change.After.Object, "data", "extra"); data != "stays" {
		t.Errorf("data.extra is %q", data)
	}
}

func TestAdoptSendsNothingForNothing(t *testing.T) {
	status := owned(object(t, configMap), "controller", "Update", `{"f:status":{}}`)
	entries := status.GetManagedFields()
	entries[0].Subresource = "status"
	status.SetManagedFields(entries)
	tests := []struct {
		name string
		live *unstructured.Unstructured
	}{
		{"no object", nil},
		{"nobody owns anything", object(t, configMap)},
		{"ours already", owned(object(t, configMap), owner, "Apply", `{"f:data":{"f:config":{}}}`)},
		{"a subresource", status},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t)
			s := apply.State{Desired: object(t, configMap), Live: tt.live}
			got, err := c.applier().Adopt(t.Context(), s, everybody)
			if err != nil || got != s {
				t.Errorf("got %v, %v; want the same state", got, err)
			}
			if len(c.requests) > 0 {
				t.Errorf("requests %q", c.requests)
			}
		})
	}
}

func TestAdoptOfOutdatedState(t *testing.T) {
	c := newCluster(t)
	c.applyAs(t, "talos", object(t, configMap))
	s := c.read(t, object(t, configMap))
	c.updateAs(t, "kubectl-edit", s.Desired, func(live map[string]any) { live["data"] = map[string]any{"config": "edited"} })
	got, err := c.applier().Adopt(t.Context(), s, everybody)
	if !apierrors.IsConflict(err) {
		t.Errorf("got error %v, want a conflict", err)
	}
	if got != s {
		t.Errorf("got %v, want the same state", got)
	}
}

func TestAdoptOfUnreadableFields(t *testing.T) {
	c := newCluster(t)
	s := apply.State{Desired: object(t, configMap), Live: owned(object(t, configMap), "talos", "Apply", `{"k:{":{}}`)}
	_, err := c.applier().Adopt(t.Context(), s, everybody)
	if err == nil || !strings.HasPrefix(err.Error(), "adopt ConfigMap kube-system/a: managedFields of talos: ") {
		t.Errorf("got error %v", err)
	}
	if len(c.requests) > 0 {
		t.Errorf("requests %q", c.requests)
	}
}
