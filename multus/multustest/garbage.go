package multustest

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// collect removes what cannot outlive the removed objects: what they own, the
// content of a namespace, the objects of a CRD's kind.
func (c *Cluster) collect() {
	for len(c.store.removed) > 0 {
		object := c.store.removed[0]
		c.store.removed = c.store.removed[1:]
		switch o := object.(type) {
		case *corev1.Pod:
			c.forget(o)
		case *corev1.Event, *corev1.Node:
		case *corev1.Namespace:
			c.removeAll(func(object client.Object) bool { return object.GetNamespace() == o.Name })
		case *apiextensionsv1.CustomResourceDefinition:
			c.removeAll(func(object client.Object) bool {
				gvk := object.GetObjectKind().GroupVersionKind()
				return gvk.Group == o.Spec.Group && gvk.Kind == o.Spec.Names.Kind
			})
		default:
			if !c.orphan {
				c.removeAll(func(dependent client.Object) bool { return owns(object, dependent) })
			}
		}
	}
	c.orphan = false
}

// removeAll removes the objects that pick picks.
func (c *Cluster) removeAll(pick func(client.Object) bool) {
	for gvr := range c.store.objects {
		for _, object := range c.store.list(gvr, "") {
			if pick(object) {
				c.store.remove(gvr, client.ObjectKeyFromObject(object))
			}
		}
	}
}

// owns reports whether dependent names owner among its owners.
func owns(owner, dependent client.Object) bool {
	return slices.ContainsFunc(dependent.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner.GetUID() })
}

// orphans reports whether a deletion leaves dependents alone.
func orphans(o *client.DeleteOptions) bool {
	return o.PropagationPolicy != nil && *o.PropagationPolicy == metav1.DeletePropagationOrphan
}

// checkUID honours a deletion's precondition, which the fake client does not.
func (c *Cluster) checkUID(object client.Object, o *client.DeleteOptions) error {
	if o.Preconditions == nil || o.Preconditions.UID == nil {
		return nil
	}
	r := c.request.resource
	live := c.store.get(r.gvr(), tracker{c}.name(object.GetNamespace(), object.GetName()))
	if live == nil || live.GetUID() == *o.Preconditions.UID {
		return nil
	}
	return apierrors.NewConflict(r.groupResource(), object.GetName(),
		errors.New("Precondition failed: UID in precondition: "+string(*o.Preconditions.UID)+", UID in object meta: "+string(live.GetUID())))
}
