package nad

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A holder is the object whose annotations count.
type holder struct {
	meta      metav1.Object
	name      string // of the object that the caller knows
	prefix    *field.Path
	namespace string
}

func (h holder) path(annotation string) *field.Path {
	return h.prefix.Child("metadata", "annotations").Key(annotation)
}

func (h holder) wrap(err error) error { return fmt.Errorf("%s: %w", h.name, err) }

func (h holder) read(annotation string) ([]Attachment, error) {
	text := h.meta.GetAnnotations()[annotation]
	if text == "" {
		return nil, nil
	}
	all, err := parseAnnotation(text, h.path(annotation))
	if err != nil {
		return nil, h.wrap(err)
	}
	return all, nil
}

// write replaces the annotation unless it says the same already.
func (h holder) write(annotation string, current, all []Attachment) error {
	annotations := h.meta.GetAnnotations()
	if len(all) == 0 {
		if _, exists := annotations[annotation]; !exists {
			return nil
		}
		h.meta.SetAnnotations(cloneWithout(annotations, annotation))
		return nil
	}
	text, err := formatAnnotation(all)
	if err != nil {
		return h.wrap(fmt.Errorf("%s: %w", h.path(annotation), err))
	}
	if same, err := formatAnnotation(current); err == nil && same == text {
		return nil
	}
	annotations = cloneWithout(annotations, annotation)
	annotations[annotation] = text
	h.meta.SetAnnotations(annotations)
	return nil
}

func cloneWithout(annotations map[string]string, annotation string) map[string]string {
	out := make(map[string]string, len(annotations)+1)
	for key, value := range annotations {
		if key != annotation {
			out[key] = value
		}
	}
	return out
}

// holderOf finds the annotations that end up on pods.
func holderOf(obj metav1.Object) (holder, error) {
	if v := reflect.ValueOf(obj); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return holder{}, errors.New("object: must not be nil")
	}
	h := holder{meta: obj, name: describe(obj), namespace: obj.GetNamespace()}
	spec := field.NewPath("spec")
	switch obj := obj.(type) {
	case *appsv1.Deployment:
		h.meta, h.prefix = &obj.Spec.Template, spec.Child("template")
	case *appsv1.StatefulSet:
		h.meta, h.prefix = &obj.Spec.Template, spec.Child("template")
	case *appsv1.DaemonSet:
		h.meta, h.prefix = &obj.Spec.Template, spec.Child("template")
	case *appsv1.ReplicaSet:
		h.meta, h.prefix = &obj.Spec.Template, spec.Child("template")
	case *batchv1.Job:
		h.meta, h.prefix = &obj.Spec.Template, spec.Child("template")
	case *batchv1.CronJob:
		h.meta, h.prefix = &obj.Spec.JobTemplate.Spec.Template, spec.Child("jobTemplate", "spec", "template")
	case *corev1.PodTemplate:
		h.meta, h.prefix = &obj.Template, field.NewPath("template")
	case *corev1.ReplicationController:
		if obj.Spec.Template == nil {
			return h, h.wrap(field.Required(spec.Child("template"), "it holds the annotations of the pods"))
		}
		h.meta, h.prefix = obj.Spec.Template, spec.Child("template")
	case *unstructured.Unstructured:
		return h.inside(obj)
	}
	return h, nil
}

// inside looks for a pod template in an unstructured object of any kind.
func (h holder) inside(obj *unstructured.Unstructured) (holder, error) {
	for _, path := range [][]string{{"spec", "jobTemplate", "spec", "template"}, {"spec", "template"}} {
		template, _, _ := unstructured.NestedFieldNoCopy(obj.Object, path...)
		if m, isMap := template.(map[string]any); isMap {
			h.meta, h.prefix = &unstructured.Unstructured{Object: m}, field.NewPath(path[0], path[1:]...)
			obj = h.meta.(*unstructured.Unstructured)
			break
		}
	}
	// The accessors of Unstructured would take what they cannot read for nothing.
	if _, _, err := unstructured.NestedStringMap(obj.Object, "metadata", "annotations"); err != nil {
		return h, h.wrap(fmt.Errorf("%s: must be a map of strings: %w", h.prefix.Child("metadata", "annotations"), err))
	}
	return h, nil
}

// describe names an object: "Deployment shop/web".
func describe(obj metav1.Object) string {
	t := reflect.TypeOf(obj)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	kind := t.Name()
	if u, ok := obj.(*unstructured.Unstructured); ok && u.GetKind() != "" {
		kind = u.GetKind()
	}
	name := strings.TrimPrefix(obj.GetNamespace()+"/"+obj.GetName(), "/")
	return strings.TrimSpace(kind + " " + name)
}
