package multustest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/multihome/multihome/multus/multustest"
)

func newConfigMap(data ...string) *corev1.ConfigMap {
	out := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "config"},
		Data:       map[string]string{},
	}
	for n := 0; n < len(data); n += 2 {
		out.Data[data[n]] = data[n+1]
	}
	return out
}

func TestCreateFillsIn(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	tests := []struct {
		name       string
		object     client.Object
		generation int64
	}{
		{"typed", newConfigMap("a", "b"), 0},
		{"daemonset", multusSet("multus:1"), 1},
		{"unstructured", manifest(t, nadCRD()), 1},
		{"generated name", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "config-"}, Data: map[string]string{"a": "b"}}, 0},
		{"cluster kind with a namespace", &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "reader"}, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}}}}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := c.Client().Create(t.Context(), test.object, client.FieldOwner("creator")); err != nil {
				t.Fatal(err)
			}
			o := test.object
			if o.GetName() == "" || o.GetUID() == "" || o.GetResourceVersion() == "" || o.GetCreationTimestamp().Time.IsZero() || o.GetGeneration() != test.generation {
				t.Errorf("not filled in: %+v", o)
			}
			if fields := o.GetManagedFields(); len(fields) != 1 || fields[0].Manager != "creator" || fields[0].Operation != metav1.ManagedFieldsOperationUpdate {
				t.Errorf("managedFields %v", fields)
			}
		})
	}
}

func TestCreateRefused(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	wrong := multusSet("multus:1")
	wrong.Spec.Template.Labels = map[string]string{"app": "other"}
	versioned := newConfigMap()
	versioned.ResourceVersion = "7"
	elsewhere := newConfigMap()
	elsewhere.Namespace = "nowhere"
	homeless := newConfigMap()
	homeless.Namespace = ""
	existing := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	tests := []struct {
		name   string
		object client.Object
		is     func(error) bool
	}{
		{"exists", existing, apierrors.IsAlreadyExists},
		{"namespace does not", elsewhere, apierrors.IsNotFound},
		{"no namespace", homeless, apierrors.IsBadRequest},
		{"no name", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default"}}, apierrors.IsInvalid},
		{"resource version", versioned, apierrors.IsBadRequest},
		{"selector", wrong, apierrors.IsInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := c.Client().Create(t.Context(), test.object); !test.is(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	set := multusSet("multus:1")
	if err := c.Client().Create(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	stale := set.DeepCopy()
	set = get[appsv1.DaemonSet](t, c, "kube-system", set.Name)
	set.Annotations = nil // the API server counts templates whatever a client sends
	set.Spec.Template.Spec.Containers[0].Image = "multus:2"
	set.Status.NumberReady = 77
	uid := set.UID
	set.UID = ""
	if err := c.Client().Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if set.Generation != 2 || set.UID != uid || set.Annotations[appsv1.DeprecatedTemplateGeneration] != "2" || set.Status.NumberReady != 1 {
		t.Errorf("updated to %+v", set)
	}
	if err := c.Client().Update(t.Context(), stale); !apierrors.IsConflict(err) {
		t.Errorf("stale update: error %v, want a conflict", err)
	}
	set.Labels["new"] = "label"
	set.ResourceVersion = ""
	if err := c.Client().Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if set.Generation != 2 {
		t.Errorf("a label counts as generation %d", set.Generation)
	}
}

// TestNothingChanges: a write without a change leaves the resource version.
func TestNothingChanges(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	first := apply(t, c, newConfigMap("a", "b"))
	if again := apply(t, c, newConfigMap("a", "b")); again.GetResourceVersion() != first.GetResourceVersion() {
		t.Errorf("applied again: version %s, was %s", again.GetResourceVersion(), first.GetResourceVersion())
	}
	config := get[corev1.ConfigMap](t, c, "default", "config")
	if err := c.Client().Update(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Patch(t.Context(), config, client.RawPatch(types.MergePatchType, []byte(`{"data":{"a":"b"}}`))); err != nil {
		t.Fatal(err)
	}
	if config.ResourceVersion != first.GetResourceVersion() {
		t.Errorf("version %s, was %s", config.ResourceVersion, first.GetResourceVersion())
	}
	set := apply(t, c, multusSet("multus:1"))
	live := get[appsv1.DaemonSet](t, c, "kube-system", set.GetName())
	apply(t, c, multusSet("multus:1"))
	if again := get[appsv1.DaemonSet](t, c, "kube-system", set.GetName()); again.ResourceVersion != live.ResourceVersion {
		t.Errorf("DaemonSet applied again (-was +is):\n%s", cmp.Diff(live, again))
	}
}

func TestPatchKinds(t *testing.T) {
	tests := []struct {
		name  string
		patch func(before *corev1.ConfigMap) client.Patch
	}{
		{"merge", func(*corev1.ConfigMap) client.Patch {
			return client.RawPatch(types.MergePatchType, []byte(`{"data":{"a":"2"}}`))
		}},
		{"json", func(*corev1.ConfigMap) client.Patch {
			return client.RawPatch(types.JSONPatchType, []byte(`[{"op":"replace","path":"/data/a","value":"2"}]`))
		}},
		{"strategic", func(*corev1.ConfigMap) client.Patch {
			return client.RawPatch(types.StrategicMergePatchType, []byte(`{"data":{"a":"2"}}`))
		}},
		{"apply", func(*corev1.ConfigMap) client.Patch {
			return client.RawPatch(types.ApplyPatchType, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config, namespace: default}\ndata: {a: '2'}\n"))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{})
			config := newConfigMap("a", "1", "b", "1")
			if err := c.Client().Create(t.Context(), config, client.FieldOwner("test")); err != nil {
				t.Fatal(err)
			}
			if err := c.Client().Patch(t.Context(), config, test.patch(config), client.FieldOwner("patcher"), forced(test.name)); err != nil {
				t.Fatal(err)
			}
			got := get[corev1.ConfigMap](t, c, "default", "config")
			if diff := cmp.Diff(map[string]string{"a": "2", "b": "1"}, got.Data); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(config, got); diff != "" {
				t.Errorf("returned and stored differ (-returned +stored):\n%s", diff)
			}
		})
	}
}

// forced forces the patches that can be.
func forced(name string) client.PatchOption {
	if name == "apply" {
		return client.ForceOwnership
	}
	return &client.PatchOptions{}
}

func TestImmutableFields(t *testing.T) {
	ref := rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "a"}
	meta := metav1.ObjectMeta{Namespace: "default", Name: "a"}
	labels := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}
	tests := []struct {
		name   string
		object client.Object
		change func(client.Object)
	}{
		{"Deployment", &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: labels}}, func(o client.Object) {
			o.(*appsv1.Deployment).Spec.Selector.MatchLabels["app"] = "b"
		}},
		{"RoleBinding", &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref}, func(o client.Object) { o.(*rbacv1.RoleBinding).RoleRef.Name = "b" }},
		{"ClusterRoleBinding", &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref}, func(o client.Object) { o.(*rbacv1.ClusterRoleBinding).RoleRef.Name = "b" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{})
			if err := c.Client().Create(t.Context(), test.object); err != nil {
				t.Fatal(err)
			}
			if err := c.Client().Update(t.Context(), test.object); err != nil {
				t.Fatal(err)
			}
			test.change(test.object)
			if err := c.Client().Update(t.Context(), test.object); !apierrors.IsInvalid(err) {
				t.Errorf("error %v, want Invalid", err)
			}
		})
	}
}

func TestFinalizers(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	config := newConfigMap()
	controllerutil.AddFinalizer(config, "example.com/hold")
	if err := c.Client().Create(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Delete(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	held := get[corev1.ConfigMap](t, c, "default", "config")
	if held.DeletionTimestamp == nil {
		t.Fatal("not being deleted")
	}
	controllerutil.RemoveFinalizer(held, "example.com/hold")
	if err := c.Client().Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Get(t.Context(), client.ObjectKeyFromObject(held), held); !apierrors.IsNotFound(err) {
		t.Errorf("error %v, want NotFound", err)
	}
}
