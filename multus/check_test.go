package multus_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome/multus"
)

// checkBundle holds what is printed against the Kubernetes types, and the
// objects against each other.
func checkBundle(t *testing.T, bundle *multus.Bundle) {
	t.Helper()
	for document := range bytes.SplitSeq(toYAML(t, bundle), []byte("---\n")) {
		checkDocument(t, document)
	}
	for _, object := range bundle.Objects() {
		if gvk := object.GetObjectKind().GroupVersionKind(); gvk.Kind == "" || gvk.Version == "" {
			t.Errorf("%T %s has no apiVersion and kind", object, object.GetName())
		}
	}
	namespace := bundle.ServiceAccount.Namespace
	if bundle.Namespace != nil && bundle.Namespace.Name != namespace {
		t.Errorf("namespace %s is created, the service account is in %s", bundle.Namespace.Name, namespace)
	}
	if subject := bundle.ClusterRoleBinding.Subjects[0]; subject.Namespace != namespace || subject.Name != bundle.ServiceAccount.Name {
		t.Errorf("the role is bound to %s/%s", subject.Namespace, subject.Name)
	}
	if bundle.ClusterRoleBinding.RoleRef.Name != bundle.ClusterRole.Name {
		t.Errorf("the binding is to role %s", bundle.ClusterRoleBinding.RoleRef.Name)
	}
	selectors := map[string]bool{}
	for _, ds := range bundle.DaemonSets {
		checkDaemonSet(t, bundle, ds)
		selectors[fmt.Sprint(ds.Spec.Selector.MatchLabels)] = true
	}
	if len(selectors) != len(bundle.DaemonSets) {
		t.Errorf("%d DaemonSets share %d selectors", len(bundle.DaemonSets), len(selectors))
	}
}

// checkDocument decodes strictly, and wants no field that says nothing.
func checkDocument(t *testing.T, document []byte) {
	t.Helper()
	var fields map[string]any
	if err := yaml.UnmarshalStrict(document, &fields); err != nil {
		t.Fatal(err)
	}
	typed := map[string]any{
		"Namespace":                &corev1.Namespace{},
		"CustomResourceDefinition": &apiextensionsv1.CustomResourceDefinition{},
		"ServiceAccount":           &corev1.ServiceAccount{},
		"ClusterRole":              &rbacv1.ClusterRole{},
		"ClusterRoleBinding":       &rbacv1.ClusterRoleBinding{},
		"ConfigMap":                &corev1.ConfigMap{},
		"DaemonSet":                &appsv1.DaemonSet{},
	}[fmt.Sprint(fields["kind"])]
	if typed == nil {
		t.Fatalf("unexpected kind %v", fields["kind"])
	}
	if err := yaml.UnmarshalStrict(document, typed); err != nil {
		t.Errorf("%v %v: %v", fields["kind"], fields["metadata"], err)
	}
	flat := map[string]string{}
	flatten("", fields, flat)
	for path, value := range flat {
		if value == "{}" || value == "[]" || value == "<nil>" || strings.HasPrefix(path, "status") {
			t.Errorf("%v: %s: %s says nothing", fields["kind"], path, value)
		}
	}
}

func checkDaemonSet(t *testing.T, bundle *multus.Bundle, ds *appsv1.DaemonSet) {
	t.Helper()
	for key, value := range ds.Spec.Selector.MatchLabels {
		if ds.Spec.Template.Labels[key] != value {
			t.Errorf("%s: the selector wants %s=%s, the pods have %q", ds.Name, key, value, ds.Spec.Template.Labels[key])
		}
	}
	spec := ds.Spec.Template.Spec
	if spec.ServiceAccountName != bundle.ServiceAccount.Name || ds.Namespace != bundle.ServiceAccount.Namespace || ds.Namespace != bundle.ConfigMap.Namespace {
		t.Errorf("%s: not in one namespace with its service account and ConfigMap", ds.Name)
	}
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && v.ConfigMap.Name != bundle.ConfigMap.Name {
			t.Errorf("%s: volume %s is of ConfigMap %s", ds.Name, v.Name, v.ConfigMap.Name)
		}
	}
	names := map[string]bool{}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		if names[c.Name] {
			t.Errorf("%s: two containers are called %s", ds.Name, c.Name)
		}
		names[c.Name] = true
		paths := map[string]bool{}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] || paths[m.MountPath] {
				t.Errorf("%s: container %s mounts %s at %s: no such volume, or twice", ds.Name, c.Name, m.Name, m.MountPath)
			}
			paths[m.MountPath] = true
		}
	}
}
