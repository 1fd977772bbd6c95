package multus

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/manifest"
)

// Bundle is everything that makes up one Multus, as typed objects. [Render]
// makes it; a [Patch] may change it. It is plain data and the caller's own.
type Bundle struct {
	// Version is the Multus release that the manifest belongs to.
	Version string
	// Config is what Render was given. Changing it changes nothing.
	Config Config

	// Namespace is nil for DefaultNamespace, which exists in every cluster.
	Namespace          *corev1.Namespace
	CRD                *apiextensionsv1.CustomResourceDefinition
	ServiceAccount     *corev1.ServiceAccount
	ClusterRole        *rbacv1.ClusterRole
	ClusterRoleBinding *rbacv1.ClusterRoleBinding
	ConfigMap          *corev1.ConfigMap
	// DaemonSets holds the DaemonSet of all nodes first, then one for each
	// architecture in Config.ArchImages, by name.
	DaemonSets []*appsv1.DaemonSet

	// Fixes lists the fixes and patches that were applied, in order.
	Fixes []Fix
	// Findings is advice about this rendering: what the release is known to
	// do wrong, what could not be verified.
	Findings []multihome.Finding
}

// Objects returns the objects in the order in which they must be applied. They
// are the Bundle's own, not copies. Each has apiVersion and kind set.
func (b *Bundle) Objects() []client.Object {
	var out []client.Object
	if b.Namespace != nil {
		out = append(out, b.Namespace)
	}
	out = append(out, b.CRD, b.ServiceAccount, b.ClusterRole, b.ClusterRoleBinding, b.ConfigMap)
	for _, ds := range b.DaemonSets {
		out = append(out, ds)
	}
	return out
}

// YAML returns the objects as one YAML stream in apply order: what
// kubectl apply or a Talos inline manifest takes. The same Bundle gives the
// same bytes, always.
func (b *Bundle) YAML() ([]byte, error) {
	objects, err := b.unstructured()
	if err != nil {
		return nil, err
	}
	return manifest.Format(objects...)
}

// Images returns every image that the Bundle's pods run, sorted, each once.
func (b *Bundle) Images() []string {
	images := map[string]bool{}
	for c := range b.containers() {
		images[c.Image] = true
	}
	return slices.Sorted(maps.Keys(images))
}

// containers yields every container of every DaemonSet, init containers first.
func (b *Bundle) containers() func(yield func(*corev1.Container) bool) {
	return func(yield func(*corev1.Container) bool) {
		for _, ds := range b.DaemonSets {
			spec := &ds.Spec.Template.Spec
			for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
				for i := range list {
					if !yield(&list[i]) {
						return
					}
				}
			}
		}
	}
}

// unstructured converts the objects to what is written and sent: without
// status and without the empty fields that Go types cannot leave out.
func (b *Bundle) unstructured() ([]*unstructured.Unstructured, error) {
	objects := b.Objects()
	out := make([]*unstructured.Unstructured, 0, len(objects))
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
		}
		delete(content, "status")
		dropEmpty(content)
		out = append(out, &unstructured.Unstructured{Object: content})
	}
	return out, nil
}

// dropEmpty removes what the converter writes for zero structs that have no
// omitempty: null creation times, empty specs, resources and update strategies.
// An empty map elsewhere has a meaning (emptyDir: {}) and stays.
func dropEmpty(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range []string{"creationTimestamp", "resources", "spec", "strategy", "updateStrategy"} {
			if m, isMap := value[key].(map[string]any); value[key] == nil || isMap && len(m) == 0 {
				delete(value, key)
			}
		}
		for _, child := range value {
			dropEmpty(child)
		}
	case []any:
		for _, child := range value {
			dropEmpty(child)
		}
	}
}

func (b *Bundle) deepCopy() *Bundle {
	out := *b
	if b.Namespace != nil {
		out.Namespace = b.Namespace.DeepCopy()
	}
	out.CRD = b.CRD.DeepCopy()
	out.ServiceAccount = b.ServiceAccount.DeepCopy()
	out.ClusterRole = b.ClusterRole.DeepCopy()
	out.ClusterRoleBinding = b.ClusterRoleBinding.DeepCopy()
	out.ConfigMap = b.ConfigMap.DeepCopy()
	out.DaemonSets = make([]*appsv1.DaemonSet, len(b.DaemonSets))
	for i, ds := range b.DaemonSets {
		out.DaemonSets[i] = ds.DeepCopy()
	}
	out.Fixes = slices.Clone(b.Fixes)
	out.Findings = slices.Clone(b.Findings)
	return &out
}
