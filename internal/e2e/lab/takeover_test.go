package lab_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

// TestTakeOver: an install takes over the Multus that somebody else installed while pods run on it. They keep
// their networks, and afterwards every field is ours.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{})
	kube := newClient(t, c)
	tests := []struct {
		name  string
		owner string
		mark  func(t *testing.T, object *unstructured.Unstructured)
		apply bool // by server-side apply
	}{
		{name: "kubectl", owner: "kubectl-client-side-apply", mark: func(t *testing.T, object *unstructured.Unstructured) {
			text, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			annotate(object, corev1.LastAppliedConfigAnnotation, string(text))
		}},
		{name: "helm", owner: "helm", mark: func(_ *testing.T, object *unstructured.Unstructured) {
			annotate(object, "meta.helm.sh/release-name", "multus")
			annotate(object, "meta.helm.sh/release-namespace", "kube-system")
		}},
		{name: "talos", owner: "talos", apply: true, mark: func(_ *testing.T, object *unstructured.Unstructured) {
			annotate(object, "config.k8s.io/owning-inventory", "talos-bootstrap-manifests-inventory")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, object := range upstream(t, "v4.2.3") {
				tt.mark(t, object)
				var err error
				if tt.apply {
					err = kube.Apply(lab.Context(t), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(tt.owner))
				} else {
					err = kube.Create(lab.Context(t), object, client.FieldOwner(tt.owner))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			awaitMultus(t, c)
			lan, pod := nad("second", bridgeConfig), lab.Pod("runs-on-"+tt.name, "second")
			create(t, kube, lan, pod)
			before := running(t, c, pod)
			network := addresses(t, c, before)

			install(t, c, kube, multus.Config{})

			after := running(t, c, pod)
			if after.UID != before.UID || after.Status.ContainerStatuses[0].RestartCount != 0 {
				t.Errorf("the pod was made or started again: %+v", after.Status.ContainerStatuses)
			}
			if diff := cmp.Diff(network, addresses(t, c, after)); diff != "" {
				t.Errorf("addresses in the pod (-before +after):\n%s", diff)
			}
			for _, object := range upstream(t, "v4.3.0") {
				if err := kube.Get(lab.Context(t), client.ObjectKeyFromObject(object), object); err != nil {
					t.Fatal(err)
				}
				if owners := specOwners(object); len(owners) > 0 {
					t.Errorf("%s %s belongs to %q too", object.GetKind(), object.GetName(), owners)
				}
			}
			if err := kube.Delete(lab.Context(t), pod); err != nil {
				t.Fatal(err)
			}
			gone(t, kube, pod)
			uninstall(t, kube, multus.UninstallOptions{RemoveCRD: true, RemoveNADs: true, Ignore: []string{"multus/kept-by-other"}})
		})
	}
}

// specOwners names who owns fields of an object beside us. Controllers write its status and count its templates.
func specOwners(object *unstructured.Unstructured) []string {
	owners := map[string]bool{}
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "" && entry.Manager != multus.FieldManager && entry.Manager != "kube-controller-manager" && entry.Manager != "kube-apiserver" {
			owners[entry.Manager] = true
		}
	}
	return slices.Sorted(maps.Keys(owners))
}

func annotate(object metav1.Object, key, value string) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	object.SetAnnotations(annotations)
}
