package live_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/live"
)

// pages serves a list by pages of one name each. Each request takes the next
// error of errs.
type pages struct {
	client.Reader
	names []string
	errs  []error
	asked []string // the continue token of each request
}

func (p *pages) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	p.asked = append(p.asked, o.Continue)
	if o.Limit != live.PageSize {
		return fmt.Errorf("limit is %d", o.Limit)
	}
	if len(p.errs) > 0 {
		err := p.errs[0]
		p.errs = p.errs[1:]
		if err != nil {
			return err
		}
	}
	at := 0
	if o.Continue != "" {
		if _, err := fmt.Sscan(o.Continue, &at); err != nil {
			return err
		}
	}
	item := unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": p.names[at]}}}
	out := list.(*unstructured.UnstructuredList)
	out.Items = []unstructured.Unstructured{item}
	if at+1 < len(p.names) {
		out.SetContinue(fmt.Sprint(at + 1))
	}
	return nil
}

func TestEachPage(t *testing.T) {
	expired := apierrors.NewResourceExpired("too old")
	forbidden := apierrors.NewForbidden(corev1.Resource("pods"), "", nil)
	tests := []struct {
		name  string
		errs  []error
		asked []string
		seen  []string
		is    func(error) bool
	}{
		{name: "all pages", asked: []string{"", "1", "2"}, seen: []string{"a", "b", "c"}},
		{
			name: "expired half-way", errs: []error{nil, expired},
			asked: []string{"", "1", "", "1", "2"}, seen: []string{"a", "a", "b", "c"},
		},
		{
			name: "expired twice", errs: []error{nil, expired, nil, expired},
			asked: []string{"", "1", "", "1"}, seen: []string{"a", "a"}, is: apierrors.IsResourceExpired,
		},
		{name: "expired at once", errs: []error{expired}, asked: []string{""}, is: apierrors.IsResourceExpired},
		{name: "forbidden", errs: []error{forbidden}, asked: []string{""}, is: apierrors.IsForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reader := &pages{names: []string{"a", "b", "c"}, errs: tt.errs}
			var seen []string
			err := live.EachPage(t.Context(), reader, live.List("v1", "Pod"), func(object *unstructured.Unstructured) error {
				seen = append(seen, object.GetName())
				return nil
			})
			if tt.is == nil && err != nil || tt.is != nil && !tt.is(err) {
				t.Errorf("unexpected error: %v", err)
			}
			if diff := cmp.Diff(tt.asked, reader.asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.seen, seen); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEachPageEnds(t *testing.T) {
	stop := errors.New("stop")
	reader := &pages{names: []string{"a", "b"}}
	err := live.EachPage(t.Context(), reader, live.List("v1", "Pod"), func(*unstructured.Unstructured) error { return stop })
	if !errors.Is(err, stop) || len(reader.asked) != 1 {
		t.Errorf("got %v after %d requests, want %v after 1", err, len(reader.asked), stop)
	}
}

func TestUnseen(t *testing.T) {
	forbidden := fmt.Errorf("list pods: %w", apierrors.NewForbidden(corev1.Resource("pods"), "", nil))
	other := apierrors.NewUnauthorized("who")
	tests := []struct {
		name string
		err  error
		want string
		is   error
	}{
		{name: "no error"},
		{name: "forbidden", err: forbidden, want: "warning area/unseen: no permission to list pods, so nothing is known of: their names; allow the verb list on pods"},
		{name: "another error", err: other, is: other},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			finding, err := live.Unseen(tt.err, "area/unseen", "list", "pods", "their names")
			if !errors.Is(err, tt.is) || (err == nil) != (tt.is == nil) {
				t.Errorf("got error %v, want %v", err, tt.is)
			}
			got := ""
			if finding != (multihome.Finding{}) {
				got = finding.String()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestList(t *testing.T) {
	list := live.List("apps/v1", "DaemonSet")
	want := metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSetList"}
	if got := (metav1.TypeMeta{APIVersion: list.GetAPIVersion(), Kind: list.GetKind()}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
