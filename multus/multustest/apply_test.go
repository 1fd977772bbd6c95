package multustest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

func TestApplyOwnership(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	apply(t, c, newConfigMap("a", "1", "b", "1"), client.FieldOwner("one"))
	mine := client.ApplyConfigurationFromUnstructured(manifest(t, newConfigMap("a", "2", "c", "2")))
	err := c.Client().Apply(t.Context(), mine, client.FieldOwner("two"))
	if !apierrors.IsConflict(err) {
		t.Fatalf("error %v, want a conflict", err)
	}
	status := &apierrors.StatusError{}
	if !errors.As(err, &status) || len(status.ErrStatus.Details.Causes) != 1 || status.ErrStatus.Details.Causes[0].Field != ".data.a" {
		t.Errorf("conflict %+v, want field .data.a", status.ErrStatus.Details)
	}
	if got := get[corev1.ConfigMap](t, c, "default", "config"); got.Data["a"] != "1" || got.Data["c"] != "" {
		t.Errorf("the conflict changed %v", got.Data)
	}
	if err := c.Client().Apply(t.Context(), mine, client.FieldOwner("two"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	// What an owner no longer applies goes, if nobody else owns it.
	apply(t, c, newConfigMap(), client.FieldOwner("one"))
	want := map[string]string{"a": "2", "c": "2"}
	if got := get[corev1.ConfigMap](t, c, "default", "config"); cmp.Diff(want, got.Data) != "" {
		t.Errorf("data (-want +got):\n%s", cmp.Diff(want, got.Data))
	}
}

// TestApplyOwnsWhatWasSent: not the status, and no zero values of Go types,
// also when the object exists.
func TestApplyOwnsWhatWasSent(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	var owned []map[string]any
	for range 2 {
		u := apply(t, c, multusSet("multus:1"))
		if len(u.GetManagedFields()) != 1 {
			t.Fatalf("managedFields %v", u.GetManagedFields())
		}
		fields := map[string]any{}
		if err := json.Unmarshal(u.GetManagedFields()[0].FieldsV1.GetRawBytes(), &fields); err != nil {
			t.Fatal(err)
		}
		owned = append(owned, fields)
	}
	if diff := cmp.Diff(owned[0], owned[1]); diff != "" {
		t.Errorf("owned at first and then (-first +then):\n%s", diff)
	}
	if _, owns := owned[1]["f:status"]; owns {
		t.Error("the status is owned")
	}
}

func TestApplyRefused(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	apply(t, c, multusSet("multus:1"))
	odd := manifest(t, multusSet("multus:1"))
	if err := unstructured.SetNestedField(odd.Object, "x", "spec", "oddity"); err != nil {
		t.Fatal(err)
	}
	moved := multusSet("multus:1")
	moved.Spec.Selector.MatchLabels = map[string]string{"app": "multus", "name": "multus"}
	moved.Spec.Template.Labels = moved.Spec.Selector.MatchLabels
	elsewhere := manifest(t, multusSet("multus:1"))
	elsewhere.SetNamespace("nowhere")
	stale := manifest(t, multusSet("multus:1"))
	stale.SetResourceVersion("1")
	tests := []struct {
		name   string
		object *unstructured.Unstructured
		is     func(error) bool
	}{
		{"unknown field", odd, func(err error) bool {
			return err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown && errors.As(err, new(apierrors.APIStatus))
		}},
		{"selector", manifest(t, moved), apierrors.IsInvalid},
		{"namespace", elsewhere, apierrors.IsNotFound},
		{"resource version", stale, apierrors.IsConflict},
		{"kind", &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "a"}}}, apierrors.IsBadRequest},
	}
	for _, test := range tests {
		for _, dryRun := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				options := []client.ApplyOption{client.FieldOwner("test"), client.ForceOwnership}
				if dryRun {
					options = append(options, client.DryRunAll)
				}
				err := c.Client().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(test.object.DeepCopy()), options...)
				if !test.is(err) {
					t.Errorf("dry run %t: error %v", dryRun, err)
				}
			})
		}
	}
	if err := c.Client().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(manifest(t, newConfigMap()))); !apierrors.IsInvalid(err) {
		t.Errorf("no field owner: error %v", err)
	}
}

// TestApplyAfterOthers: who owns what was there before.
func TestApplyAfterOthers(t *testing.T) {
	kubectl := func(t *testing.T, c *multustest.Cluster) {
		t.Helper()
		config := newConfigMap("a", "1")
		config.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
		if err := c.Client().Create(t.Context(), config, client.FieldOwner("kubectl-client-side-apply")); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		objects []client.Object
		run     func(*testing.T, *multustest.Cluster)
		owner   string // of the conflict; "" none
	}{
		{"an object that is there from the beginning", []client.Object{newConfigMap("a", "1")}, func(*testing.T, *multustest.Cluster) {}, "before-first-apply"},
		{"kubectl", nil, kubectl, "kubectl-client-side-apply"},
		{"kubectl, upgraded", nil, func(t *testing.T, c *multustest.Cluster) {
			t.Helper()
			kubectl(t, c)
			patch, err := csaupgrade.UpgradeManagedFieldsPatch(get[corev1.ConfigMap](t, c, "default", "config"), sets.New("kubectl-client-side-apply"), "test")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Client().Patch(t.Context(), newConfigMap(), client.RawPatch(types.JSONPatchType, patch)); err != nil {
				t.Fatal(err)
			}
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{Objects: test.objects})
			test.run(t, c)
			u := client.ApplyConfigurationFromUnstructured(manifest(t, newConfigMap("a", "2")))
			err := c.Client().Apply(t.Context(), u, client.FieldOwner("test"))
			status := &apierrors.StatusError{}
			switch {
			case test.owner == "" && err != nil:
				t.Error(err)
			case test.owner != "" && (!errors.As(err, &status) || !strings.Contains(status.ErrStatus.Details.Causes[0].Message, test.owner)):
				t.Errorf("error %v, want a conflict with %s", err, test.owner)
			}
		})
	}
}

// TestApplyStatus: the status has owners of its own.
func TestApplyStatus(t *testing.T) {
	c := newCluster(t, multustest.Options{PrimaryCNI: "none", Nodes: []multustest.Node{}})
	if err := c.Client().Create(t.Context(), newPod("a", "")); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a", Labels: map[string]string{"ignored": "yes"}},
	}
	u := manifest(t, pod)
	u.Object["status"] = map[string]any{"message": "hello"}
	if err := c.Client().Status().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner("kubelet")); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Status().Patch(t.Context(), pod, client.RawPatch(types.MergePatchType, []byte(`{"status":{"reason":"Testing"}}`)), client.FieldOwner("patcher")); err != nil {
		t.Fatal(err)
	}
	pod.Status.NominatedNodeName = "n"
	if err := c.Client().Status().Update(t.Context(), pod, client.FieldOwner("updater")); err != nil {
		t.Fatal(err)
	}
	got := get[corev1.Pod](t, c, "default", "a")
	if got.Status.Message != "hello" || got.Status.Reason != "Testing" || got.Status.NominatedNodeName != "n" || len(got.Labels) != 0 {
		t.Errorf("labels %v, status %+v", got.Labels, got.Status)
	}
	owners := map[string]string{}
	for _, entry := range got.ManagedFields {
		owners[entry.Manager] = entry.Subresource
	}
	want := map[string]string{"multustest": "", "kubelet": "status", "patcher": "status", "updater": "status"}
	if diff := cmp.Diff(want, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	bodied := u.DeepCopy()
	bodied.Object["status"] = map[string]any{"message": "bye"}
	err := c.Client().Status().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u),
		&client.SubResourceApplyOptions{ApplyOptions: client.ApplyOptions{FieldManager: "kubelet"}, SubResourceBody: client.ApplyConfigurationFromUnstructured(bodied)})
	if got := get[corev1.Pod](t, c, "default", "a"); err != nil || got.Status.Message != "bye" {
		t.Errorf("message %q, error %v", got.Status.Message, err)
	}
}
