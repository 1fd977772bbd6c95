package multustest

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// tracker puts the store under the fake client. Where the fake client's own
// tracker only stores, this one does what an API server does with a write:
// admission, ownership of fields, generation, and nothing where nothing
// changes. The Cluster's lock is held whenever it is called.
type tracker struct{ *Cluster }

var _ testing.ObjectTracker = tracker{}

// name is the key of an object of the current request's kind.
func (t tracker) name(namespace, name string) types.NamespacedName {
	if !t.request.resource.namespaced {
		namespace = ""
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// Get returns a copy of an object.
func (t tracker) Get(gvr schema.GroupVersionResource, namespace, name string, _ ...metav1.GetOptions) (runtime.Object, error) {
	object := t.store.get(gvr, t.name(namespace, name))
	if object == nil {
		return nil, apierrors.NewNotFound(t.request.resource.groupResource(), name)
	}
	return object.DeepCopyObject(), nil
}

// List returns the page that the current request asks for. It shares the
// store's objects; the fake client only reads them.
func (t tracker) List(gvr schema.GroupVersionResource, gvk schema.GroupVersionKind, namespace string, _ ...metav1.ListOptions) (runtime.Object, error) {
	gvk.Kind += "List"
	list, err := t.working.New(gvk)
	if err != nil {
		return nil, err
	}
	page := t.request.query.page(t.store.list(gvr, namespace))
	items := make([]runtime.Object, len(page))
	for n, object := range page {
		items[n] = object
	}
	if err := meta.SetList(list, items); err != nil {
		return nil, err
	}
	list.GetObjectKind().SetGroupVersionKind(gvk)
	return list, nil
}

// Create adds an object.
func (t tracker) Create(gvr schema.GroupVersionResource, object runtime.Object, namespace string, options ...metav1.CreateOptions) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if t.store.get(gvr, t.name(namespace, accessor.GetName())) != nil {
		return apierrors.NewAlreadyExists(t.request.resource.groupResource(), accessor.GetName())
	}
	fields, err := t.fields()
	if err != nil {
		return err
	}
	live, err := t.blank()
	if err != nil {
		return err
	}
	owned, err := fields.Update(live, t.stamp(object), managerOf(options, func(o metav1.CreateOptions) string { return o.FieldManager }))
	if err != nil {
		return internalError(err)
	}
	return t.create(gvr, owned, namespace)
}

// Update replaces an object.
func (t tracker) Update(gvr schema.GroupVersionResource, object runtime.Object, namespace string, options ...metav1.UpdateOptions) error {
	return t.replace(gvr, object, namespace, managerOf(options, func(o metav1.UpdateOptions) string { return o.FieldManager }))
}

// Patch replaces an object with the patched one.
func (t tracker) Patch(gvr schema.GroupVersionResource, object runtime.Object, namespace string, options ...metav1.PatchOptions) error {
	return t.replace(gvr, object, namespace, managerOf(options, func(o metav1.PatchOptions) string { return o.FieldManager }))
}

func (t tracker) replace(gvr schema.GroupVersionResource, object runtime.Object, namespace, manager string) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	live, err := t.Get(gvr, namespace, accessor.GetName())
	if err != nil {
		return err
	}
	fields, err := t.fields()
	if err != nil {
		return err
	}
	owned, err := fields.Update(live, t.stamp(object), manager)
	if err != nil {
		return internalError(err)
	}
	return t.update(gvr, owned, namespace)
}

// Apply merges a server-side apply.
func (t tracker) Apply(gvr schema.GroupVersionResource, applied runtime.Object, namespace string, options ...metav1.PatchOptions) error {
	accessor, err := meta.Accessor(applied)
	if err != nil {
		return err
	}
	live, err := t.Get(gvr, namespace, accessor.GetName())
	isNew := apierrors.IsNotFound(err)
	if isNew {
		live, err = t.blank()
	}
	if err != nil {
		return err
	}
	fields, err := t.fields()
	if err != nil {
		return err
	}
	force := len(options) > 0 && options[0].Force != nil && *options[0].Force
	manager := managerOf(options, func(o metav1.PatchOptions) string { return o.FieldManager })
	merged, err := fields.Apply(live, t.sent(), manager, force)
	if err != nil {
		return internalError(err)
	}
	if isNew {
		return t.create(gvr, merged, namespace)
	}
	return t.update(gvr, merged, namespace)
}

// create stores a new object if it is admitted.
func (t tracker) create(gvr schema.GroupVersionResource, object runtime.Object, namespace string) error {
	created, ok := t.stamp(object).(client.Object)
	if !ok {
		return apierrors.NewBadRequest("not an object with metadata")
	}
	created.SetNamespace(t.name(namespace, "").Namespace)
	if err := t.admitCreate(created); err != nil {
		return err
	}
	created.SetUID("")
	created.SetCreationTimestamp(metav1.Time{})
	begin(created)
	t.store.put(gvr, created)
	if _, isPod := created.(*corev1.Pod); isPod && t.store.draft == nil {
		t.waiting[client.ObjectKeyFromObject(created)] = ""
	}
	return nil
}

// update stores the new state of an object if it is admitted and new.
func (t tracker) update(gvr schema.GroupVersionResource, object runtime.Object, namespace string) error {
	updated, ok := t.stamp(object).(client.Object)
	if !ok {
		return apierrors.NewBadRequest("not an object with metadata")
	}
	updated.SetNamespace(t.name(namespace, "").Namespace)
	before := t.store.get(gvr, client.ObjectKeyFromObject(updated))
	updated.SetUID(before.GetUID())
	updated.SetCreationTimestamp(before.GetCreationTimestamp())
	updated.SetGeneration(before.GetGeneration())
	if err := admitUpdate(t.request.resource, before, updated); err != nil {
		return err
	}
	advance(before, updated)
	if !same(before, updated) {
		t.store.put(gvr, updated)
	}
	return nil
}

// same reports whether a write changes nothing but its own time.
func same(before, after client.Object) bool {
	plain := func(object client.Object) client.Object {
		out, _ := object.DeepCopyObject().(client.Object)
		out.SetResourceVersion("")
		out.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		entries := out.GetManagedFields()
		for n := range entries {
			entries[n].Time = nil
		}
		out.SetManagedFields(entries)
		return out
	}
	return equality.Semantic.DeepEqual(plain(before), plain(after))
}

// Delete removes an object.
func (t tracker) Delete(gvr schema.GroupVersionResource, namespace, name string, _ ...metav1.DeleteOptions) error {
	key := t.name(namespace, name)
	if t.store.get(gvr, key) == nil {
		return apierrors.NewNotFound(t.request.resource.groupResource(), name)
	}
	t.store.remove(gvr, key)
	return nil
}

// Add is not used: objects are stored before the fake client exists.
func (t tracker) Add(runtime.Object) error { return errors.ErrUnsupported }

// Watch is not used: [Cluster.watch] serves watches.
func (t tracker) Watch(schema.GroupVersionResource, string, ...metav1.ListOptions) (watch.Interface, error) {
	return nil, errors.ErrUnsupported
}

// managerOf returns the field manager of a request. A real API server takes
// the program's name if none is given.
func managerOf[T any](options []T, manager func(T) string) string {
	if len(options) > 0 && manager(options[0]) != "" {
		return manager(options[0])
	}
	return "multustest"
}
