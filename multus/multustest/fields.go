package multustest

import (
	"errors"
	"net/http"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdapplyconfigurations "k8s.io/apiextensions-apiserver/pkg/client/applyconfiguration"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	clientgoapplyconfigurations "k8s.io/client-go/applyconfigurations"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// fieldsKey: the field manager of a kind's main resource or of its status.
type fieldsKey struct {
	gvk         schema.GroupVersionKind
	subresource string
}

// fields returns the field manager for the current request. It is the API
// server's own code.
func (t tracker) fields() (*managedfields.FieldManager, error) {
	key := fieldsKey{t.request.resource.gvk, t.request.Subresource}
	if manager, ok := t.fieldManagers[key]; ok {
		return manager, nil
	}
	gv := key.gvk.GroupVersion()
	reset := map[fieldpath.APIVersion]fieldpath.Filter{}
	if key.subresource == "" && t.builtIn[gv] {
		status := fieldpath.NewSet(fieldpath.MakePathOrDie("status"))
		reset[fieldpath.APIVersion(gv.String())] = fieldpath.NewExcludeSetFilter(status)
	}
	manager, err := managedfields.NewDefaultFieldManager(
		typeConverter(), t.working, noDefaults{}, t.working, key.gvk, gv, key.subresource, reset)
	if err != nil {
		return nil, err
	}
	t.fieldManagers[key] = manager
	return manager, nil
}

// blank is what a new object is compared with.
func (t tracker) blank() (runtime.Object, error) {
	object, err := t.working.New(t.request.resource.gvk)
	if err != nil {
		return nil, err
	}
	object.GetObjectKind().SetGroupVersionKind(t.request.resource.gvk)
	return object, nil
}

// stamp returns a copy of object that says what it is.
func (t tracker) stamp(object runtime.Object) runtime.Object {
	out := object.DeepCopyObject()
	out.GetObjectKind().SetGroupVersionKind(t.request.resource.gvk)
	return out
}

// sent returns what a server-side apply sent, without what the resource that
// it is applied to ignores. The fake client cannot be asked: it adds the live
// status and the zero values of the Go type, which would be owned then.
func (t tracker) sent() runtime.Object {
	u := t.request.applied.DeepCopy()
	u.SetResourceVersion("")
	if t.request.Subresource == "" {
		if t.builtIn[t.request.resource.gvk.GroupVersion()] {
			delete(u.Object, "status")
		}
		return u
	}
	out := &unstructured.Unstructured{Object: map[string]any{"status": u.Object["status"]}}
	out.SetGroupVersionKind(u.GroupVersionKind())
	out.SetNamespace(u.GetNamespace())
	out.SetName(u.GetName())
	return out
}

// noDefaults: the API server's defaults are not simulated.
type noDefaults struct{}

// Default does nothing.
func (noDefaults) Default(runtime.Object) {}

// typeConverter knows which lists of which kinds merge by key. It is built
// once: parsing the schemas of Kubernetes' kinds takes a while.
var typeConverter = sync.OnceValue(func() managedfields.TypeConverter {
	return converters{
		managedfields.NewDeducedTypeConverter(),
		clientgoapplyconfigurations.NewTypeConverter(clientgoscheme.Scheme),
		crdapplyconfigurations.NewTypeConverter(crdScheme()),
	}
})

func crdScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	s.AddKnownTypes(apiextensionsv1.SchemeGroupVersion, &apiextensionsv1.CustomResourceDefinition{})
	return s
}

// converters picks the schema of a kind. Custom resources have none: their
// lists are replaced as a whole, which is right for NADs.
type converters struct {
	managedfields.TypeConverter // of custom resources

	builtIn, crds managedfields.TypeConverter
}

// ObjectToTyped attaches its schema to an object.
func (c converters) ObjectToTyped(object runtime.Object, options ...typed.ValidationOptions) (*typed.TypedValue, error) {
	gvk := object.GetObjectKind().GroupVersionKind()
	switch {
	case gvk.Group == apiextensionsv1.GroupName:
		return c.crds.ObjectToTyped(object, options...)
	case clientgoscheme.Scheme.Recognizes(gvk):
		return c.builtIn.ObjectToTyped(object, options...)
	default:
		return c.TypeConverter.ObjectToTyped(object, options...)
	}
}

// internalError turns an error without a status into the 500 that an API
// server makes of it.
func internalError(err error) error {
	if apierrors.ReasonForError(err) != metav1.StatusReasonUnknown || errors.As(err, new(apierrors.APIStatus)) {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error(),
	}}
}
