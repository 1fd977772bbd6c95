package apply

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conflict is a field that another manager owns with another value.
type Conflict struct {
	// Path is written like [Field].Path.
	Path string
	// Manager is the other field manager. Empty if the API server did not say.
	Manager string
}

// ConflictError says that an apply was refused because other managers own
// fields with other values. Nothing was written.
type ConflictError struct {
	// Object is the object's [Name].
	Object string
	// Conflicts are sorted by path and manager.
	Conflicts []Conflict
	// Err is the API server's error.
	Err error
}

// Error names every field and its owner, and the ways out.
func (e *ConflictError) Error() string {
	fields := make([]string, len(e.Conflicts))
	for i, c := range e.Conflicts {
		fields[i] = fmt.Sprintf("%s is owned by %s", c.Path, cmp.Or(c.Manager, "another field manager"))
	}
	return fmt.Sprintf("apply %s: %s; make the owner stop setting it, adopt the object from its owner, or force the apply",
		e.Object, strings.Join(fields, ", "))
}

// Unwrap returns the API server's error.
func (e *ConflictError) Unwrap() error { return e.Err }

// applyError puts verb and object before err, or makes it a ConflictError.
func applyError(verb, object string, err error) error {
	if conflicts := conflictsOf(err); len(conflicts) > 0 {
		return &ConflictError{Object: object, Conflicts: conflicts, Err: err}
	}
	return fmt.Errorf("%s %s: %w", verb, object, err)
}

// conflictsOf returns the fields that the API server names. Other conflicts,
// as that about an outdated resourceVersion, name none.
func conflictsOf(err error) []Conflict {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var out []Conflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			out = append(out, Conflict{Path: conflictPath(cause.Field), Manager: conflictManager(cause.Message)})
		}
	}
	slices.SortFunc(out, func(a, b Conflict) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Manager, b.Manager))
	})
	return slices.Compact(out)
}

// conflictPath turns the API server's `.spec.containers[name="a"].image` into
// `spec.containers[name=a].image`.
func conflictPath(field string) string {
	return strings.ReplaceAll(strings.TrimPrefix(field, "."), `"`, "")
}

// conflictManager finds the manager in `conflict with "kubectl" using apps/v1`.
func conflictManager(message string) string {
	_, rest, _ := strings.Cut(message, "conflict with ")
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return ""
	}
	name, _ := strconv.Unquote(quoted) // QuotedPrefix found it valid
	return name
}
