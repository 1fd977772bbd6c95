package multustest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"
)

// operation is one request being served.
type operation struct {
	Request

	// object has the request's kind: an object, or a list of them.
	object runtime.Object
	// request describes the request once the resource is known.
	request func(resource) Request
	// run carries it out by the fake client, with the Cluster's lock held.
	run func() error

	resource resource
	query    *query                     // of a list
	applied  *unstructured.Unstructured // as it was sent
}

// serve does what every request has in common: it is recorded, it may be
// failed by the test, its kind must exist and RBAC must allow it. Dry runs are
// carried out on a draft. Afterwards the simulated controllers do their work,
// so that the caller's next request sees it.
func (c *Cluster) serve(ctx context.Context, op operation) error {
	gvk, err := apiutil.GVKForObject(op.object, c.scheme)
	if err != nil {
		return err
	}
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	c.mu.Lock()
	op.resource = c.resourceOf(gvk)
	c.mu.Unlock()
	op.Request = op.request(op.resource)
	refused, lost := c.arrive(ctx, op.Request)
	if refused != nil {
		return refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.serves(gvk):
		return noMatch(gvk)
	case !isReview(gvk) && c.forbids(op.Verb, op.resource, op.Subresource):
		return forbidden(op.Verb, op.resource, op.Request)
	}
	c.request = &op
	if op.DryRun {
		c.store.draft = map[draftKey]client.Object{}
	}
	err = op.run()
	c.request, c.store.draft = nil, nil
	c.reconcile()
	if err == nil {
		return lost
	}
	return err
}

// newClient returns the fake client over the tracker, behind an interceptor
// that serves every request.
func (c *Cluster) newClient() client.WithWatch {
	inner := fake.NewClientBuilder().
		WithScheme(c.working).
		WithRESTMapper(newMapper(c)).
		WithObjectTracker(tracker{c}).
		WithReturnManagedFields().
		Build()
	outer := interceptor.NewClient(inner, interceptor.Funcs{
		Get: c.get,
		List: func(ctx context.Context, inner client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return c.list(ctx, inner, list, *(&client.ListOptions{}).ApplyOptions(options))
		},
		Watch: func(ctx context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			return c.watch(ctx, list, *(&client.ListOptions{}).ApplyOptions(options))
		},
		Create: c.create, Update: c.update, Patch: c.patch, Apply: c.apply, Delete: c.delete, DeleteAllOf: c.deleteAllOf,
		SubResourceGet: c.subGet, SubResourceCreate: c.subCreate, SubResourceUpdate: c.subUpdate,
		SubResourcePatch: c.subPatch, SubResourceApply: c.subApply,
	})
	return fixedClient{outer, c.scheme}
}

// fixedClient answers for a scheme that never changes. The fake client adds
// the kinds of unstructured objects to its own, with no regard to readers.
type fixedClient struct {
	client.WithWatch

	scheme *runtime.Scheme
}

// Scheme returns the kinds that have a Go type.
func (f fixedClient) Scheme() *runtime.Scheme { return f.scheme }

// GroupVersionKindFor returns the kind of an object.
func (f fixedClient) GroupVersionKindFor(object runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(object, f.scheme)
}

// IsObjectNamespaced reports whether objects of that kind live in namespaces.
func (f fixedClient) IsObjectNamespaced(object runtime.Object) (bool, error) {
	return apiutil.IsObjectNamespaced(object, f.scheme, f.RESTMapper())
}

func (c *Cluster) get(ctx context.Context, inner client.WithWatch, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	return c.serve(ctx, operation{
		object:  object,
		request: func(r resource) Request { return c.requestFor("get", r, key, false) },
		run:     func() error { return inner.Get(ctx, key, object) },
	})
}

func (c *Cluster) create(ctx context.Context, inner client.WithWatch, object client.Object, options ...client.CreateOption) error {
	o := (&client.CreateOptions{}).ApplyOptions(options)
	raw := o.AsCreateOptions()
	sent := *raw
	sent.DryRun = nil
	return c.serve(ctx, operation{
		object: object,
		request: func(r resource) Request {
			return c.requestFor("create", r, client.ObjectKeyFromObject(object), isDryRun(raw.DryRun))
		},
		run: func() error {
			if isReview(c.request.resource.gvk) {
				return c.answerReview(object)
			}
			if err := inner.Create(ctx, object, &client.CreateOptions{Raw: &sent, FieldManager: sent.FieldManager}); err != nil {
				return err
			}
			return c.refresh(ctx, inner, object)
		},
	})
}

func (c *Cluster) update(ctx context.Context, inner client.WithWatch, object client.Object, options ...client.UpdateOption) error {
	raw := (&client.UpdateOptions{}).ApplyOptions(options).AsUpdateOptions()
	sent := *raw
	sent.DryRun = nil
	return c.serve(ctx, operation{
		object: object,
		request: func(r resource) Request {
			return c.requestFor("update", r, client.ObjectKeyFromObject(object), isDryRun(raw.DryRun))
		},
		run: func() error {
			if err := inner.Update(ctx, object, &client.UpdateOptions{Raw: &sent, FieldManager: sent.FieldManager}); err != nil {
				return err
			}
			return c.refresh(ctx, inner, object)
		},
	})
}

func (c *Cluster) patch(ctx context.Context, inner client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	raw := (&client.PatchOptions{}).ApplyOptions(options).AsPatchOptions()
	sent := *raw
	sent.DryRun = nil
	return c.serve(ctx, operation{
		object: object,
		request: func(r resource) Request {
			return c.requestFor(patchVerb(patch), r, client.ObjectKeyFromObject(object), isDryRun(raw.DryRun))
		},
		run: func() (err error) {
			if c.request.applied, err = appliedBy(patch, object); err != nil {
				return err
			}
			o := &client.PatchOptions{Raw: &sent, FieldManager: sent.FieldManager, Force: sent.Force}
			if err := inner.Patch(ctx, object, patch, o); err != nil {
				return err
			}
			return c.refresh(ctx, inner, object)
		},
	})
}

func (c *Cluster) apply(ctx context.Context, inner client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	o := (&client.ApplyOptions{}).ApplyOptions(options)
	isDry := isDryRun(o.DryRun)
	o.DryRun = nil
	described, err := describe(object)
	if err != nil {
		return err
	}
	return c.serve(ctx, operation{
		object: described, applied: described,
		request: func(r resource) Request {
			return c.requestFor("apply", r, client.ObjectKeyFromObject(described), isDry)
		},
		run: func() error { return inner.Apply(ctx, object, o) },
	})
}

func (c *Cluster) delete(ctx context.Context, inner client.WithWatch, object client.Object, options ...client.DeleteOption) error {
	o := (&client.DeleteOptions{}).ApplyOptions(options)
	isDry := isDryRun(o.DryRun)
	o.DryRun = nil
	return c.serve(ctx, operation{
		object: object,
		request: func(r resource) Request {
			return c.requestFor("delete", r, client.ObjectKeyFromObject(object), isDry)
		},
		run: func() error {
			if err := c.checkUID(object, o); err != nil {
				return err
			}
			c.orphan = orphans(o)
			return inner.Delete(ctx, object, o)
		},
	})
}

func (c *Cluster) deleteAllOf(ctx context.Context, inner client.WithWatch, object client.Object, options ...client.DeleteAllOfOption) error {
	o := (&client.DeleteAllOfOptions{}).ApplyOptions(options)
	isDry := isDryRun(o.DryRun)
	return c.serve(ctx, operation{
		object: object,
		request: func(r resource) Request {
			return c.requestFor("deletecollection", r, client.ObjectKey{Namespace: o.Namespace}, isDry)
		},
		run: func() error {
			q, err := newQuery(c.request.resource, o.ListOptions)
			if err != nil {
				return err
			}
			c.request.query, c.orphan = q, orphans(&o.DeleteOptions)
			return inner.DeleteAllOf(ctx, object, client.InNamespace(o.Namespace))
		},
	})
}

// refresh reads object again: the API server returns what it has stored. An
// object that its last finalizer kept alive is gone.
func (c *Cluster) refresh(ctx context.Context, inner client.Client, object client.Object) error {
	return client.IgnoreNotFound(inner.Get(ctx, client.ObjectKeyFromObject(object), object))
}

// fill puts content into object, typed or not.
func (c *Cluster) fill(object client.Object, content map[string]any) error {
	if u, ok := object.(*unstructured.Unstructured); ok {
		gvk := u.GroupVersionKind()
		u.Object = content
		u.SetGroupVersionKind(gvk)
		return nil
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(content, object)
}

// describe returns an apply configuration as an object.
func describe(object runtime.ApplyConfiguration) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(data); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return out, nil
}

// appliedBy returns what a patch applies, nil if it is no server-side apply.
func appliedBy(patch client.Patch, object client.Object) (*unstructured.Unstructured, error) {
	if patch.Type() != types.ApplyPatchType {
		return nil, nil
	}
	data, err := patch.Data(object)
	if err != nil {
		return nil, err
	}
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(data, &out.Object); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return out, nil
}
