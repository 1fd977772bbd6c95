package multustest

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// onSub serves a request for a subresource of object.
func (c *Cluster) onSub(ctx context.Context, verb, name string, object client.Object, isDry bool, run func() error) error {
	return c.serve(ctx, operation{
		object: object,
		request: func(r resource) Request {
			request := c.requestFor(verb, r, client.ObjectKeyFromObject(object), isDry)
			request.Subresource = name
			return request
		},
		run: run,
	})
}

func (c *Cluster) subGet(ctx context.Context, inner client.Client, name string, object, sub client.Object, options ...client.SubResourceGetOption) error {
	return c.onSub(ctx, "get", name, object, false, func() error {
		return inner.SubResource(name).Get(ctx, object, sub, options...)
	})
}

func (c *Cluster) subCreate(ctx context.Context, inner client.Client, name string, object, sub client.Object, options ...client.SubResourceCreateOption) error {
	o := (&client.SubResourceCreateOptions{}).ApplyOptions(options)
	isDry := isDryRun(o.DryRun)
	o.DryRun = nil
	return c.onSub(ctx, "create", name, object, isDry, func() error {
		return inner.SubResource(name).Create(ctx, object, sub, o)
	})
}

func (c *Cluster) subUpdate(ctx context.Context, inner client.Client, name string, object client.Object, options ...client.SubResourceUpdateOption) error {
	o := (&client.SubResourceUpdateOptions{}).ApplyOptions(options)
	isDry := isDryRun(o.DryRun)
	o.DryRun = nil
	return c.onSub(ctx, "update", name, object, isDry, func() error {
		if err := inner.SubResource(name).Update(ctx, object, o); err != nil || o.SubResourceBody != nil {
			return err
		}
		return c.refresh(ctx, inner, object)
	})
}

func (c *Cluster) subPatch(ctx context.Context, inner client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	o := (&client.SubResourcePatchOptions{}).ApplyOptions(options)
	isDry := isDryRun(o.DryRun)
	o.DryRun = nil
	return c.onSub(ctx, patchVerb(patch), name, object, isDry, func() (err error) {
		body := object
		if o.SubResourceBody != nil {
			body = o.SubResourceBody
		}
		if c.request.applied, err = appliedBy(patch, body); err != nil {
			return err
		}
		if err := inner.SubResource(name).Patch(ctx, object, patch, o); err != nil || o.SubResourceBody != nil {
			return err
		}
		return c.refresh(ctx, inner, object)
	})
}

func (c *Cluster) subApply(ctx context.Context, inner client.Client, name string, object runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	o := (&client.SubResourceApplyOptions{}).ApplyOpts(options)
	isDry := isDryRun(o.DryRun)
	o.DryRun = nil
	described, err := describe(object)
	if err != nil {
		return err
	}
	body := described
	if o.SubResourceBody != nil {
		if body, err = describe(o.SubResourceBody); err != nil {
			return err
		}
	}
	return c.onSub(ctx, "apply", name, described, isDry, func() error {
		c.request.applied = body
		return inner.SubResource(name).Apply(ctx, object, o)
	})
}

// patchVerb is what a patch is recorded as.
func patchVerb(patch client.Patch) string {
	if patch.Type() == types.ApplyPatchType {
		return "apply"
	}
	return "patch"
}
