package apply

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Applier writes objects as one field manager. It sends unstructured objects
// only: they need no scheme, and a manager's client reads them from the API
// server and not from its cache. It is safe for concurrent use.
type Applier struct {
	// Client sends the requests.
	Client client.Client
	// Owner is the field manager.
	Owner string
}

// State is one desired object beside what the API server holds.
type State struct {
	// Desired is what is sent. It is never changed.
	Desired *unstructured.Unstructured
	// Live is nil if there is no such object, or if it was not read. It is
	// never changed.
	Live *unstructured.Unstructured
}

// Action says what an apply does to an object.
type Action string

const (
	// ActionNone says that no field changes. Who owns them may change.
	ActionNone Action = "unchanged"
	// ActionCreate says that the object is new.
	ActionCreate Action = "created"
	// ActionUpdate says that fields change.
	ActionUpdate Action = "updated"
)

// Change is what an apply does, or would do, to one object.
type Change struct {
	// Object is the object's [Name].
	Object string
	Action Action
	// Fields that change. Empty for a new object, and for one that exists but
	// was not read.
	Fields []Field
	// Conflicts are fields that other managers own with other values. Only
	// DryRun fills them in: Apply returns them as a [ConflictError].
	Conflicts []Conflict
	// After is the object as the API server returns it. A dry run cannot tell
	// it for an object whose namespace does not exist yet: then it is nil.
	After *unstructured.Unstructured
}

// Name returns "Kind namespace/name", or "Kind name" for an object without a
// namespace. It is how this package's errors and changes call the object.
func Name(obj client.Object) string {
	name := obj.GetName()
	if namespace := obj.GetNamespace(); namespace != "" {
		name = namespace + "/" + name
	}
	if kind := obj.GetObjectKind().GroupVersionKind().Kind; kind != "" {
		name = kind + " " + name
	}
	return name
}

// Read gets the live object for every desired one, in order, with one request
// each. It stops at the first error; an object that does not exist is none.
func (a Applier) Read(ctx context.Context, desired ...*unstructured.Unstructured) ([]State, error) {
	states := make([]State, 0, len(desired))
	for _, object := range desired {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(object.GroupVersionKind())
		err := a.Client.Get(ctx, client.ObjectKeyFromObject(object), live)
		switch {
		case apierrors.IsNotFound(err):
			live = nil
		case err != nil:
			return nil, fmt.Errorf("get %s: %w", Name(object), err)
		}
		states = append(states, State{Desired: object, Live: live})
	}
	return states, nil
}

// DryRun asks the API server what applying s.Desired would change, so that
// defaulting, validation and admission count. It writes nothing. Where others
// are in the way it returns the conflicts, and the fields that an apply would
// change that overrides them.
func (a Applier) DryRun(ctx context.Context, s State) (Change, error) {
	after, err := a.send(ctx, "dry run apply", s.Desired, client.DryRunAll)
	conflict, refused := errors.AsType[*ConflictError](err)
	if refused {
		after, err = a.send(ctx, "dry run apply", s.Desired, client.DryRunAll, client.ForceOwnership)
	}
	if s.Live == nil && apierrors.IsNotFound(err) {
		return Change{Object: Name(s.Desired), Action: ActionCreate}, nil // its namespace will be created before it
	}
	if err != nil {
		return Change{}, err
	}
	change := a.change(s, after)
	if refused {
		change.Conflicts = conflict.Conflicts
	}
	return change, nil
}

// Apply writes s.Desired. Fields that Owner applied before and that are no
// longer desired go. With force, fields that other managers own are taken from
// them; without, the error is a [ConflictError] and nothing is written.
func (a Applier) Apply(ctx context.Context, s State, force bool) (Change, error) {
	var options []client.ApplyOption
	if force {
		options = append(options, client.ForceOwnership)
	}
	after, err := a.send(ctx, "apply", s.Desired, options...)
	if err != nil {
		return Change{}, err
	}
	return a.change(s, after), nil
}

func (a Applier) send(ctx context.Context, verb string, desired *unstructured.Unstructured, options ...client.ApplyOption) (*unstructured.Unstructured, error) {
	after := completed(desired)
	options = append(options, client.FieldOwner(a.Owner))
	if err := a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(after), options...); err != nil {
		return nil, applyError(verb, Name(desired), err)
	}
	return after, nil
}

// change compares the answer to an apply with what was there before.
func (a Applier) change(s State, after *unstructured.Unstructured) Change {
	change := Change{Object: Name(s.Desired), Action: ActionNone, After: after}
	if s.Live == nil {
		change.Action = ActionCreate
		if existed(after, a.Owner) {
			change.Action = ActionUpdate
		}
		return change
	}
	if change.Fields = Diff(s.Live, after); len(change.Fields) > 0 {
		change.Action = ActionUpdate
	}
	return change
}

// existed reports whether the answer to an apply shows traces of a time before
// it: another manager, or fields that are younger than the object.
func existed(after *unstructured.Unstructured, owner string) bool {
	created := after.GetCreationTimestamp()
	for _, entry := range after.GetManagedFields() {
		if entry.Manager != owner || !created.IsZero() && entry.Time != nil && created.Before(entry.Time) {
			return true
		}
	}
	return false
}
