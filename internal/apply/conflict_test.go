package apply_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/apply"
)

// answering is an API server with one answer to every apply.
type answering struct {
	client.Client
	answer *unstructured.Unstructured
	err    error
}

func (a answering) Apply(_ context.Context, obj runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	if a.err == nil {
		obj.(interface{ SetUnstructuredContent(map[string]any) }).SetUnstructuredContent(a.answer.Object)
	}
	return a.err
}

// echoing is an API server that returns what it is sent.
type echoing struct{ client.Client }

func (echoing) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	return nil
}

func TestConflictError(t *testing.T) {
	cause := func(field, message string) metav1.StatusCause {
		return metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: field, Message: message}
	}
	tests := []struct {
		name   string
		causes []metav1.StatusCause
		want   []apply.Conflict
	}{
		{
			name: "sorted, each once",
			causes: []metav1.StatusCause{
				cause(`.spec.template.spec.containers[name="kube-multus"].image`, `conflict with "kubectl-client-side-apply" using apps/v1 at 2026-01-02T03:04:05Z`),
				cause(`.data.b`, `conflict with "talos"`),
				cause(`.data.b`, `conflict with "helm" with subresource "scale" using v1`),
				cause(`.data.b`, `conflict with "talos"`),
			},
			want: []apply.Conflict{
				{Path: "data.b", Manager: "helm"},
				{Path: "data.b", Manager: "talos"},
				{Path: "spec.template.spec.containers[name=kube-multus].image", Manager: "kubectl-client-side-apply"},
			},
		},
		{
			name:   "odd manager",
			causes: []metav1.StatusCause{cause(".a", `conflict with "a \"b\" using"`)},
			want:   []apply.Conflict{{Path: "a", Manager: `a "b" using`}},
		},
		{
			name:   "unknown message",
			causes: []metav1.StatusCause{cause(".a", "somebody else")},
			want:   []apply.Conflict{{Path: "a"}},
		},
		{
			name:   "other causes",
			causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: "a"}, cause(".b", `conflict with "c"`)},
			want:   []apply.Conflict{{Path: "b", Manager: "c"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status := apierrors.NewApplyConflict(tt.causes, "Apply failed")
			a := apply.Applier{Client: answering{err: fmt.Errorf("wrapped: %w", status)}, Owner: owner}
			_, err := a.Apply(t.Context(), apply.State{Desired: object(t, configMap)}, false)
			conflict, ok := errors.AsType[*apply.ConflictError](err)
			if !ok {
				t.Fatalf("got error %v, want a ConflictError", err)
			}
			if diff := cmp.Diff(tt.want, conflict.Conflicts); diff != "" {
				t.Errorf("conflicts (-want +got):\n%s", diff)
			}
			if !errors.Is(err, status) || !apierrors.IsConflict(err) {
				t.Errorf("%v does not unwrap to the API server's error", err)
			}
		})
	}
}

func TestConflictErrorText(t *testing.T) {
	err := &apply.ConflictError{Object: "ConfigMap kube-system/a", Conflicts: []apply.Conflict{
		{Path: "data.a", Manager: "talos"}, {Path: "data.b"},
	}}
	want := "apply ConfigMap kube-system/a: data.a is owned by talos, data.b is owned by another field manager; " +
		"make the owner stop setting it, adopt the object from its owner, or force the apply"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestConflictsOfOtherKindsAreNone(t *testing.T) {
	tests := []struct {
		name string
		err  error
	}{
		{"no details", &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonConflict}}},
		{"no causes", apierrors.NewApplyConflict(nil, "uid mismatch")},
		{"another reason", &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: ".a"}},
		}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := apply.Applier{Client: answering{err: tt.err}, Owner: owner}.Apply(t.Context(), apply.State{Desired: object(t, configMap)}, false)
			if _, ok := errors.AsType[*apply.ConflictError](err); ok {
				t.Errorf("got a ConflictError: %v", err)
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("%v does not wrap the API server's error", err)
			}
		})
	}
}
