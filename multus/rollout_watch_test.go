package multus_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// scripted is a client whose first watch of a kind brings the given events and
// nothing else.
type scripted struct {
	client.WithWatch
	kind   string
	events []watch.Event
	used   bool
}

func (s *scripted) Watch(ctx context.Context, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	if s.used || list.GetObjectKind().GroupVersionKind().Kind != s.kind+"List" {
		return s.WithWatch.Watch(ctx, list, options...)
	}
	s.used = true
	w := watch.NewFakeWithChanSize(len(s.events), false)
	for _, event := range s.events {
		w.Action(event.Type, event.Object)
	}
	return w, nil
}

// TestRolloutWatchEvents: whatever a watch brings, the rollout is followed to
// its end.
func TestRolloutWatchEvents(t *testing.T) {
	expired := watch.Event{Type: watch.Error, Object: &metav1.Status{
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonExpired, Code: http.StatusGone, Message: "too old resource version",
	}}
	object := func(kind, name string, content map[string]any) runtime.Object {
		u := &unstructured.Unstructured{Object: content}
		u.SetKind(kind)
		u.SetNamespace("kube-system")
		u.SetName(name)
		return u
	}
	undecodable := func(kind string) watch.Event {
		return watch.Event{Type: watch.Modified, Object: object(kind, "odd", map[string]any{"spec": "text"})}
	}
	tests := []struct {
		name   string
		kind   string
		events []watch.Event
		took   time.Duration
		says   string // in an event about waiting
	}{
		{name: "expired daemonsets", kind: "DaemonSet", events: []watch.Event{expired}, took: time.Second, says: "watch daemonsets in namespace kube-system: too old resource version"},
		{name: "expired pods", kind: "Pod", events: []watch.Event{expired}, took: time.Second, says: "watch pods in namespace kube-system: too old resource version"},
		{name: "undecodable daemonset", kind: "DaemonSet", events: []watch.Event{undecodable("DaemonSet")}, took: time.Second, says: "DaemonSet kube-system/odd: "},
		{name: "undecodable pod", kind: "Pod", events: []watch.Event{undecodable("Pod")}, took: time.Second, says: "Pod kube-system/odd: "},
		{name: "typed", kind: "Pod", events: []watch.Event{{Type: watch.Added, Object: &corev1.Pod{}}}, took: time.Second, says: "unexpected *v1.Pod from the API server"},
		{
			name: "bookmarks and others' objects", kind: "DaemonSet", events: []watch.Event{
				{Type: watch.Bookmark, Object: object("DaemonSet", "", map[string]any{})},
				{Type: watch.Added, Object: object("DaemonSet", "other", map[string]any{})},
				{Type: watch.Deleted, Object: object("DaemonSet", "other", map[string]any{})},
			},
			took: time.Second, // the DaemonSet is looked for, as nothing is heard of it
		},
		{name: "no pods", kind: "Pod", events: []watch.Event{{Type: watch.Bookmark, Object: object("Pod", "", map[string]any{})}}, took: 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: threeNodes(), Rollout: multustest.RolloutManual})
				start := time.Now()
				c := &scripted{WithWatch: cluster.Client(), kind: tt.kind, events: tt.events}
				r := begin(t, t.Context(), cluster, c, onFlannel)
				for range 3 {
					r.step()
				}
				<-r.done
				if r.err != nil {
					t.Fatal(r.err)
				}
				if took := time.Since(start); took > tt.took {
					t.Errorf("took %s, want at most %s", took, tt.took)
				}
				var said []string
				for _, e := range r.events {
					if e.Type == multus.EventWaiting {
						said = append(said, e.Message)
					}
				}
				if !strings.HasPrefix(strings.Join(said, "\n"), tt.says) || (tt.says == "") != (said == nil) {
					t.Errorf("waiting for %q, want %q", said, tt.says)
				}
				mustBeHealthy(t, cluster, onFlannel)
			})
		})
	}
}
