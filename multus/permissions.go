package multus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/apply"
)

// missing asks the API server what of the roles' permissions the client has
// not got, verb by verb. One question is enough for an administrator.
func (i *Installer) missing(ctx context.Context, roles []client.Object, remedy string) ([]multihome.Finding, error) {
	all, err := i.allowed(ctx, authorizationv1.ResourceAttributes{Group: "*", Resource: "*", Verb: "*"})
	if all || err != nil {
		return nil, err
	}
	var out []multihome.Finding
	for _, needed := range permissionsOf(roles) {
		ok, err := i.allowed(ctx, needed)
		if err != nil {
			return nil, err
		}
		if !ok {
			out = append(out, multihome.Finding{
				Code: "multus/permission", Severity: multihome.SeverityError,
				Message: "the client may not " + describePermission(needed),
				Remedy:  remedy, Source: "SelfSubjectAccessReview",
			})
		}
	}
	return out, nil
}

// allowed asks about one permission. The question is an object that is
// created; nothing is stored.
func (i *Installer) allowed(ctx context.Context, needed authorizationv1.ResourceAttributes) (bool, error) {
	review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &needed}}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&review)
	if err != nil {
		return false, fmt.Errorf("SelfSubjectAccessReview: %w", err)
	}
	object := &unstructured.Unstructured{Object: content}
	object.SetAPIVersion("authorization.k8s.io/v1")
	object.SetKind("SelfSubjectAccessReview")
	if err := i.client.Create(ctx, object); err != nil {
		return false, fmt.Errorf("ask for permission to %s: %w", describePermission(needed), err)
	}
	ok, _, _ := unstructured.NestedBool(object.Object, "status", "allowed")
	return ok, nil
}

func describePermission(p authorizationv1.ResourceAttributes) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", p.Verb, p.Resource)
	if p.Group != "" {
		fmt.Fprintf(&b, ".%s", p.Group)
	}
	if p.Name != "" {
		fmt.Fprintf(&b, " %s", p.Name)
	}
	if p.Namespace != "" {
		fmt.Fprintf(&b, " in namespace %s", p.Namespace)
	}
	return b.String()
}

// applyError turns what the engine reports into this package's errors and
// says what to do about a refusal.
func applyError(err error) error {
	var conflict *apply.ConflictError
	switch {
	case errors.As(err, &conflict):
		change := Change{Object: conflict.Object, Action: ActionUpdate}
		for _, c := range conflict.Conflicts {
			change.Conflicts = append(change.Conflicts, Conflict(c))
		}
		return &ConflictError{Changes: []Change{change}}
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w; Plan lists every permission that is missing", err)
	default:
		return err
	}
}
