package multustest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

func TestDryRun(t *testing.T) {
	owner := client.FieldOwner("test")
	tests := []struct {
		name string
		run  func(*testing.T, *multustest.Cluster) client.Object
		want map[string]string
	}{
		{"apply", func(t *testing.T, c *multustest.Cluster) client.Object {
			return apply(t, c, newConfigMap("a", "2"), client.DryRunAll, client.ForceOwnership)
		}, map[string]string{"a": "2"}},
		{"apply by another owner", func(t *testing.T, c *multustest.Cluster) client.Object {
			return apply(t, c, newConfigMap("b", "2"), client.DryRunAll, client.FieldOwner("other"))
		}, map[string]string{"a": "1", "b": "2"}},
		{"patch", func(t *testing.T, c *multustest.Cluster) client.Object {
			out := newConfigMap()
			if err := c.Client().Patch(t.Context(), out, client.RawPatch(types.MergePatchType, []byte(`{"data":{"b":"2"}}`)), client.DryRunAll, owner); err != nil {
				t.Fatal(err)
			}
			return out
		}, map[string]string{"a": "1", "b": "2"}},
		{"update", func(t *testing.T, c *multustest.Cluster) client.Object {
			out := newConfigMap("c", "3")
			if err := c.Client().Update(t.Context(), out, client.DryRunAll, owner); err != nil {
				t.Fatal(err)
			}
			return out
		}, map[string]string{"c": "3"}},
		{"create", func(t *testing.T, c *multustest.Cluster) client.Object {
			out := newConfigMap("d", "4")
			out.Name = "new"
			if err := c.Client().Create(t.Context(), out, client.DryRunAll, owner); err != nil {
				t.Fatal(err)
			}
			if out.UID == "" || out.ResourceVersion != "" {
				t.Errorf("uid %q, resource version %q; want one and none", out.UID, out.ResourceVersion)
			}
			return out
		}, map[string]string{"d": "4"}},
		{"delete", func(t *testing.T, c *multustest.Cluster) client.Object {
			if err := c.Client().Delete(t.Context(), newConfigMap(), client.DryRunAll); err != nil {
				t.Fatal(err)
			}
			missing := newConfigMap()
			missing.Name = "missing"
			if err := c.Client().Delete(t.Context(), missing, client.DryRunAll); !apierrors.IsNotFound(err) {
				t.Errorf("error %v, want NotFound", err)
			}
			return nil
		}, nil},
		{"delete all", func(t *testing.T, c *multustest.Cluster) client.Object {
			if err := c.Client().DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace("default"), client.DryRunAll); err != nil {
				t.Fatal(err)
			}
			return nil
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{})
			apply(t, c, newConfigMap("a", "1"))
			before := get[corev1.ConfigMap](t, c, "default", "config")
			c.ResetRequests()
			if result := test.run(t, c); result != nil {
				got := manifest(t, result)
				data, _, _ := unstructured.NestedStringMap(got.Object, "data")
				if diff := cmp.Diff(test.want, data); diff != "" {
					t.Errorf("data (-want +got):\n%s", diff)
				}
				if len(result.GetManagedFields()) == 0 {
					t.Error("no managedFields")
				}
			}
			for _, r := range c.Requests() {
				if !r.DryRun || r.IsWrite() {
					t.Errorf("recorded as %s", r)
				}
			}
			after := get[corev1.ConfigMap](t, c, "default", "config")
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("a dry run changed (-before +after):\n%s", diff)
			}
			list := &corev1.ConfigMapList{}
			if err := c.Client().List(t.Context(), list, client.InNamespace("default")); err != nil || len(list.Items) != 1 {
				t.Errorf("%d objects, error %v", len(list.Items), err)
			}
		})
	}
}

// TestDryRunClient: controller-runtime's own wrapper works.
func TestDryRunClient(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	pod := newPod("a", "")
	if err := client.NewDryRunClient(c.Client()).Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Get(t.Context(), client.ObjectKeyFromObject(pod), pod); !apierrors.IsNotFound(err) {
		t.Errorf("error %v, want NotFound", err)
	}
	set := multusSet("multus:1")
	if err := client.NewDryRunClient(c.Client()).Create(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if pods := multusPods(t, c); len(pods) != 0 {
		t.Errorf("pods %v of a dry run", pods)
	}
}
