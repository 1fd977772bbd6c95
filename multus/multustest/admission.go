package multustest

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// templateGeneration is the annotation in which the API server counts the
// changes of a DaemonSet's template.
const templateGeneration = appsv1.DeprecatedTemplateGeneration

// admitCreate refuses what an API server refuses of a new object.
func (t tracker) admitCreate(object client.Object) error {
	resource := t.request.resource
	if t.forbids("create", resource, t.request.Subresource) {
		return forbidden("create", resource, t.request.Request)
	}
	if !resource.namespaced {
		return validate(resource, object)
	}
	if object.GetNamespace() == "" {
		return apierrors.NewBadRequest("an empty namespace may not be set during creation")
	}
	if t.store.get(namespaceGVR, types.NamespacedName{Name: object.GetNamespace()}) == nil {
		return apierrors.NewNotFound(corev1.Resource("namespaces"), object.GetNamespace())
	}
	if pod, ok := object.(*corev1.Pod); ok {
		if violation := t.podSecurity(pod.Namespace, &pod.Spec); violation != "" {
			return apierrors.NewForbidden(corev1.Resource("pods"), pod.Name, fmt.Errorf("%s", violation))
		}
	}
	return validate(resource, object)
}

// validate makes the check that changing a manifest by hand fails most.
func validate(r resource, object client.Object) error {
	set, ok := object.(*appsv1.DaemonSet)
	if !ok {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err == nil && !selector.Empty() && selector.Matches(labels.Set(set.Spec.Template.Labels)) {
		return nil
	}
	return apierrors.NewInvalid(r.gvk.GroupKind(), set.Name, field.ErrorList{field.Invalid(
		field.NewPath("spec", "template", "metadata", "labels"), set.Spec.Template.Labels, "`selector` does not match template `labels`")})
}

// admitUpdate refuses changes of fields that cannot be changed.
func admitUpdate(r resource, before, after client.Object) error {
	var path *field.Path
	var was, is any
	switch after := after.(type) {
	case *appsv1.DaemonSet:
		if before, ok := before.(*appsv1.DaemonSet); ok {
			path, was, is = field.NewPath("spec", "selector"), before.Spec.Selector, after.Spec.Selector
		}
	case *appsv1.Deployment:
		if before, ok := before.(*appsv1.Deployment); ok {
			path, was, is = field.NewPath("spec", "selector"), before.Spec.Selector, after.Spec.Selector
		}
	case *rbacv1.ClusterRoleBinding:
		if before, ok := before.(*rbacv1.ClusterRoleBinding); ok {
			path, was, is = field.NewPath("roleRef"), before.RoleRef, after.RoleRef
		}
	case *rbacv1.RoleBinding:
		if before, ok := before.(*rbacv1.RoleBinding); ok {
			path, was, is = field.NewPath("roleRef"), before.RoleRef, after.RoleRef
		}
	}
	if !equality.Semantic.DeepEqual(was, is) {
		detail := "field is immutable"
		if path.String() == "roleRef" {
			detail = "cannot change roleRef"
		}
		return apierrors.NewInvalid(r.gvk.GroupKind(), after.GetName(), field.ErrorList{field.Invalid(path, is, detail)})
	}
	return validate(r, after)
}

// begin sets what the API server sets on a new object, whatever was sent.
func begin(object client.Object) {
	object.SetGeneration(0)
	if counted(object) {
		object.SetGeneration(1)
	}
	switch o := object.(type) {
	case *corev1.Namespace:
		o.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
	case *corev1.Pod:
		o.Status = corev1.PodStatus{Phase: corev1.PodPending}
	case *appsv1.Deployment:
		o.Status = appsv1.DeploymentStatus{}
	case *apiextensionsv1.CustomResourceDefinition:
		o.Status = apiextensionsv1.CustomResourceDefinitionStatus{}
	case *appsv1.DaemonSet:
		o.Status = appsv1.DaemonSetStatus{}
		setTemplateGeneration(o, 1)
	}
}

// advance counts a change.
func advance(before, after client.Object) {
	if counted(after) && !equality.Semantic.DeepEqual(desired(before), desired(after)) {
		after.SetGeneration(before.GetGeneration() + 1)
	}
	old, isSet := before.(*appsv1.DaemonSet)
	set, _ := after.(*appsv1.DaemonSet)
	if !isSet || set == nil {
		return
	}
	generation, err := strconv.ParseInt(old.Annotations[templateGeneration], 10, 64)
	if err != nil || !equality.Semantic.DeepEqual(old.Spec.Template, set.Spec.Template) {
		generation++
	}
	setTemplateGeneration(set, generation)
}

func setTemplateGeneration(set *appsv1.DaemonSet, generation int64) {
	if set.Annotations == nil {
		set.Annotations = map[string]string{}
	}
	set.Annotations[templateGeneration] = strconv.FormatInt(generation, 10)
}

// counted reports whether a kind has generations.
func counted(object client.Object) bool {
	switch object.GetObjectKind().GroupVersionKind().Group {
	case "rbac.authorization.k8s.io", "events.k8s.io", "coordination.k8s.io", "storage.k8s.io", "discovery.k8s.io":
		return false
	case "":
		_, isPod := object.(*corev1.Pod)
		return isPod
	default:
		return true
	}
}

// desired is all of an object that its generation counts.
func desired(object client.Object) map[string]any {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil // what is stored has come through JSON already
	}
	for _, key := range []string{"apiVersion", "kind", "metadata", "status"} {
		delete(content, key)
	}
	return content
}
