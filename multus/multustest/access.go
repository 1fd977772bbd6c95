package multustest

import (
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rule is one Forbid.
type rule struct{ verb, resource string }

// user is who the client is, in errors.
const user = "system:serviceaccount:default:multustest"

// Forbid refuses requests as RBAC would. Verb is as in a role (patch for
// server-side apply, and create as well for one that creates), resource too:
// "daemonsets", "pods/status"; "*" stands for every verb or every resource. A
// SelfSubjectAccessReview answers accordingly, and is itself always allowed.
func (c *Cluster) Forbid(verb, resource string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = append(c.rules, rule{verb, resource})
}

// Allow takes back a [Cluster.Forbid] with the same arguments.
func (c *Cluster) Allow(verb, resource string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = slices.DeleteFunc(c.rules, func(r rule) bool { return r == rule{verb, resource} })
}

// forbids reports whether a rule stands against verb.
func (c *Cluster) forbids(verb string, r resource, subresource string) bool {
	path := Request{Resource: r.name, Subresource: subresource}.resourcePath()
	return c.forbidsPath(verb, path)
}

func (c *Cluster) forbidsPath(verb, path string) bool {
	if verb == "apply" {
		verb = "patch"
	}
	return slices.ContainsFunc(c.rules, func(r rule) bool {
		// Whoever asks for everything lacks whatever is forbidden.
		return (r.verb == "*" || verb == "*" || r.verb == verb) && (r.resource == "*" || path == "*" || r.resource == path)
	})
}

// forbidden is the 403 for a request.
func forbidden(verb string, r resource, request Request) error {
	if verb == "apply" {
		verb = "patch"
	}
	scope := "at the cluster scope"
	if request.Namespace != "" {
		scope = fmt.Sprintf("in the namespace %q", request.Namespace)
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: r.gvk.Group, Resource: r.name}, request.Name,
		fmt.Errorf("User %q cannot %s resource %q in API group %q %s", user, verb, request.resourcePath(), r.gvk.Group, scope)) //nolint:staticcheck // the API server's words
}

// isReview reports whether a kind is the question for one's own permissions.
func isReview(gvk schema.GroupVersionKind) bool {
	return gvk == authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview")
}

// answerReview fills in the status of a SelfSubjectAccessReview.
func (c *Cluster) answerReview(object client.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	review := &authorizationv1.SelfSubjectAccessReview{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, review); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	review.Status = authorizationv1.SubjectAccessReviewStatus{Allowed: true}
	if asked := review.Spec.ResourceAttributes; asked != nil {
		path := Request{Resource: asked.Resource, Subresource: asked.Subresource}.resourcePath()
		review.Status.Allowed = !c.forbidsPath(asked.Verb, path)
	}
	if content, err = runtime.DefaultUnstructuredConverter.ToUnstructured(review); err != nil {
		return err
	}
	return c.fill(object, content)
}
