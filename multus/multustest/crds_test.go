package multustest_test

import (
	"testing"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

const crdName = "network-attachment-definitions.k8s.cni.cncf.io"

// conditions of a CRD that are true.
func conditions(crd *apiextensionsv1.CustomResourceDefinition) map[apiextensionsv1.CustomResourceDefinitionConditionType]bool {
	out := map[apiextensionsv1.CustomResourceDefinitionConditionType]bool{}
	for _, condition := range crd.Status.Conditions {
		out[condition.Type] = condition.Status == apiextensionsv1.ConditionTrue
	}
	return out
}

func TestCRDIsEstablished(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	if err := c.Client().List(t.Context(), &netattdefv1.NetworkAttachmentDefinitionList{}); !meta.IsNoMatchError(err) {
		t.Errorf("without the CRD: error %v, want no match", err)
	}
	if err := c.Client().Create(t.Context(), newNAD("lan", "{}")); !meta.IsNoMatchError(err) {
		t.Errorf("without the CRD: error %v, want no match", err)
	}
	if _, err := c.Client().IsObjectNamespaced(newNAD("lan", "{}")); !meta.IsNoMatchError(err) {
		t.Errorf("without the CRD: error %v, want no match", err)
	}
	if applied := apply(t, c, nadCRD()); applied.Object["status"] != nil && len(conditions(get[apiextensionsv1.CustomResourceDefinition](t, c, "", crdName))) != 2 {
		t.Errorf("status of the applied CRD: %v", applied.Object["status"])
	}
	crd := get[apiextensionsv1.CustomResourceDefinition](t, c, "", crdName)
	if is := conditions(crd); !is[apiextensionsv1.Established] || !is[apiextensionsv1.NamesAccepted] {
		t.Errorf("conditions %v", is)
	}
	if crd.Status.AcceptedNames.Plural != "network-attachment-definitions" || len(crd.Status.StoredVersions) != 1 {
		t.Errorf("status %+v", crd.Status)
	}
	apply(t, c, newNAD("lan", "{}"))
	mapping, err := c.Client().RESTMapper().RESTMapping(schema.GroupKind{Group: "k8s.cni.cncf.io", Kind: "NetworkAttachmentDefinition"})
	if err != nil || mapping.Resource.Resource != "network-attachment-definitions" {
		t.Errorf("mapping %+v, error %v", mapping, err)
	}
	err = c.Client().Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "wan"}, &netattdefv1.NetworkAttachmentDefinition{})
	if want := `network-attachment-definitions.k8s.cni.cncf.io "wan" not found`; !apierrors.IsNotFound(err) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestHoldCRDs(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	c.HoldCRDs()
	apply(t, c, nadCRD())
	if is := conditions(get[apiextensionsv1.CustomResourceDefinition](t, c, "", crdName)); len(is) != 0 {
		t.Errorf("conditions %v of a held CRD", is)
	}
	if err := c.Client().Create(t.Context(), newNAD("lan", "{}")); !meta.IsNoMatchError(err) {
		t.Errorf("error %v, want no match", err)
	}
	c.EstablishCRDs()
	if err := c.Client().Create(t.Context(), newNAD("lan", "{}")); err != nil {
		t.Error(err)
	}
}

// TestForeignCRD: a kind that no Go type stands for.
func TestForeignCRD(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	crd := nadCRD()
	crd.Name, crd.Spec.Group, crd.Spec.Scope = "fabrics.example.com", "example.com", apiextensionsv1.ClusterScoped
	crd.Spec.Names = apiextensionsv1.CustomResourceDefinitionNames{Kind: "Fabric", Plural: "fabrics"}
	kind := schema.GroupKind{Group: "example.com", Kind: "Fabric"}
	if _, err := c.Client().RESTMapper().RESTMapping(kind, "v1"); !meta.IsNoMatchError(err) {
		t.Errorf("error %v, want no match", err)
	}
	apply(t, c, crd)
	fabric := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"leaves": int64(4)}, "status": map[string]any{"up": int64(1)}}}
	fabric.SetGroupVersionKind(kind.WithVersion("v1"))
	fabric.SetName("a")
	if err := c.Client().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(fabric.DeepCopy()), client.FieldOwner("x")); err != nil {
		t.Fatal(err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.WithVersion("v1"))
	if err := c.Client().List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if got := names(t, list); len(got) != 1 || list.Items[0].GetGeneration() != 1 {
		t.Errorf("fabrics %v", list.Items)
	}
	if up, _, _ := unstructured.NestedInt64(list.Items[0].Object, "status", "up"); up != 1 {
		t.Error("status is an ordinary field of a kind without the subresource, and it was lost")
	}
	mapping, err := c.Client().RESTMapper().RESTMapping(kind, "v1")
	if err != nil || mapping.Scope.Name() != meta.RESTScopeNameRoot || mapping.Resource.Resource != "fabrics" {
		t.Errorf("mapping %+v, error %v", mapping, err)
	}
	if _, err := c.Client().RESTMapper().RESTMapping(kind, "v2"); !meta.IsNoMatchError(err) {
		t.Errorf("error %v, want no match", err)
	}
	if got := c.Requests()[0]; got.Resource != "customresourcedefinitions" {
		t.Errorf("recorded as %s", got)
	}
}

func TestGarbage(t *testing.T) {
	deleteIt := func(object client.Object, options ...client.DeleteOption) func(*testing.T, *multustest.Cluster) {
		return func(t *testing.T, c *multustest.Cluster) {
			t.Helper()
			if err := c.Client().Delete(t.Context(), object, options...); err != nil {
				t.Fatal(err)
			}
		}
	}
	count := func(t *testing.T, c *multustest.Cluster, list client.ObjectList) int {
		t.Helper()
		if err := c.Client().List(t.Context(), list); err != nil && !meta.IsNoMatchError(err) {
			t.Fatal(err)
		}
		return meta.LenList(list)
	}
	tests := []struct {
		name                string
		run                 func(*testing.T, *multustest.Cluster)
		pods, nads, configs int
	}{
		{"daemonset", deleteIt(multusSet("")), 1, 1, 2},
		{"daemonset, orphaned", deleteIt(multusSet(""), client.PropagationPolicy("Orphan")), 2, 1, 2},
		{"crd", deleteIt(nadCRD()), 2, 0, 2},
		{"namespace", func(t *testing.T, c *multustest.Cluster) {
			t.Helper()
			namespace := get[corev1.Namespace](t, c, "", "default")
			deleteIt(namespace)(t, c)
		}, 1, 0, 1},
		{"config", deleteIt(newConfigMap()), 2, 1, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{})
			apply(t, c, nadCRD())
			apply(t, c, newNAD("lan", "{}"))
			apply(t, c, newConfigMap())
			apply(t, c, multusSet("multus:1"))
			if err := c.Client().Create(t.Context(), newPod("a", "")); err != nil {
				t.Fatal(err)
			}
			if err := c.Client().DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace("kube-system"), client.MatchingLabels{"k8s-app": "flannel"}); err != nil {
				t.Fatal(err) // it comes back, of course
			}
			test.run(t, c)
			got := [3]int{
				count(t, c, &corev1.PodList{}) - 1, count(t, c, &netattdefv1.NetworkAttachmentDefinitionList{}), count(t, c, &corev1.ConfigMapList{}),
			}
			if want := [3]int{test.pods, test.nads, test.configs}; got != want {
				t.Errorf("pods, NADs, ConfigMaps %v, want %v", got, want)
			}
		})
	}
}

func TestDeletePreconditions(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	config := newConfigMap()
	if err := c.Client().Create(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	wrong := client.Preconditions{UID: new(config.UID + "x")}
	if err := c.Client().Delete(t.Context(), config, wrong); !apierrors.IsConflict(err) {
		t.Errorf("error %v, want a conflict", err)
	}
	right := client.Preconditions{UID: new(config.UID), ResourceVersion: new(config.ResourceVersion)}
	if err := c.Client().Delete(t.Context(), config, right); err != nil {
		t.Error(err)
	}
	if err := c.Client().Delete(t.Context(), config, right); !apierrors.IsNotFound(err) {
		t.Errorf("error %v, want NotFound", err)
	}
}
