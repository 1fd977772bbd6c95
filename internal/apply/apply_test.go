package apply_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/apply"
)

func TestName(t *testing.T) {
	tests := []struct {
		name   string
		object client.Object
		want   string
	}{
		{"namespaced", object(t, configMap), "ConfigMap kube-system/a"},
		{"cluster scoped", object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: a}}"), "Namespace a"},
		{"no kind", &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := apply.Name(tt.object); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadKeepsOrder(t *testing.T) {
	c := newCluster(t)
	first, missing, last := object(t, configMap), object(t, configMap), object(t, configMap)
	first.SetName("z")
	missing.SetName("missing")
	c.applyAs(t, owner, first)
	c.applyAs(t, owner, last)
	states, err := c.applier().Read(t.Context(), first, missing, last)
	if err != nil {
		t.Fatal(err)
	}
	if states[0].Live.GetName() != "z" || states[1].Live != nil || states[2].Live.GetName() != "a" {
		t.Errorf("wrong objects: %v", states)
	}
	if states[1].Desired != missing {
		t.Error("Desired is not the object that was given")
	}
}

// TestTraffic holds the number of requests: other appliers send at least a
// request and a write for each unchanged object.
func TestTraffic(t *testing.T) {
	c := newCluster(t)
	var desired []*unstructured.Unstructured
	for _, kind := range recordedKinds[1:] { // the fake client does not know CRDs
		desired = append(desired, recorded(t, kind, "desired"))
	}
	install := func() (requests []string) {
		c.requests = nil
		states, err := c.applier().Read(t.Context(), desired...)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			if s.Settled(owner) {
				continue
			}
			if _, err := c.applier().Apply(t.Context(), s, false); err != nil {
				t.Fatal(err)
			}
		}
		return c.requests
	}
	if got, want := len(install()), 2*len(desired); got != want {
		t.Errorf("first install: %d requests, want %d", got, want)
	}
	if got, want := install(), slicesRepeat("get", len(desired)); !cmp.Equal(got, want) {
		t.Errorf("nothing changed: requests %q, want %q", got, want)
	}
	desired[len(desired)-1].SetLabels(map[string]string{"new": "label"})
	if got, want := install(), append(slicesRepeat("get", len(desired)), "apply"); !cmp.Equal(got, want) {
		t.Errorf("one changed: requests %q, want %q", got, want)
	}
}

func slicesRepeat(s string, n int) []string {
	return strings.Fields(strings.Repeat(s+" ", n))
}

func TestApply(t *testing.T) {
	foreign := "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system}, data: {config: theirs, extra: stays}}"
	tests := []struct {
		name    string
		prepare func(t *testing.T, c *cluster)
		unread  bool
		force   bool
		want    apply.Change
	}{
		{
			name:    "new object",
			prepare: func(*testing.T, *cluster) {},
			want:    apply.Change{Action: apply.ActionCreate},
		},
		{
			name: "unchanged",
			prepare: func(t *testing.T, c *cluster) {
				c.applyAs(t, owner, object(t, configMap))
			},
			want: apply.Change{Action: apply.ActionNone},
		},
		{
			name: "same values of another manager",
			prepare: func(t *testing.T, c *cluster) {
				c.applyAs(t, "talos", object(t, configMap))
			},
			want: apply.Change{Action: apply.ActionNone},
		},
		{
			name: "drift and a field that is no longer desired",
			prepare: func(t *testing.T, c *cluster) {
				c.applyAs(t, owner, object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system}, data: {config: old, gone: x}}"))
			},
			want: apply.Change{Action: apply.ActionUpdate, Fields: []apply.Field{
				{Path: "data.config", From: `"old"`, To: `"new"`},
				{Path: "data.gone", From: `"x"`},
				{Path: "metadata.labels", To: `{"app":"multus"}`},
			}},
		},
		{
			name: "others' fields, forced",
			prepare: func(t *testing.T, c *cluster) {
				c.applyAs(t, "talos", object(t, "%s", foreign))
			},
			force: true,
			want: apply.Change{Action: apply.ActionUpdate, Fields: []apply.Field{
				{Path: "data.config", From: `"theirs"`, To: `"new"`},
				{Path: "metadata.labels", To: `{"app":"multus"}`},
			}},
		},
		{
			name: "exists but was not read",
			prepare: func(t *testing.T, c *cluster) {
				c.applyAs(t, "talos", object(t, configMap))
			},
			unread: true,
			want:   apply.Change{Action: apply.ActionUpdate},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t)
			tt.prepare(t, c)
			s := c.read(t, object(t, configMap))
			if tt.unread {
				s.Live = nil
			}
			got, err := c.applier().Apply(t.Context(), s, tt.force)
			if err != nil {
				t.Fatal(err)
			}
			after := got.After
			got.After, tt.want.Object = nil, "ConfigMap kube-system/a"
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("change (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.read(t, s.Desired).Live, after); diff != "" {
				t.Errorf("After is not the live object (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(object(t, configMap), s.Desired); diff != "" {
				t.Errorf("Desired changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplyTellsYoungerFieldsFromANewObject(t *testing.T) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name    string
		applied time.Time
		want    apply.Action
	}{
		{"created by this apply", created, apply.ActionCreate},
		{"changed by this apply", created.Add(time.Hour), apply.ActionUpdate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := owned(object(t, configMap), owner, "Apply", `{}`)
			answer.SetCreationTimestamp(metav1.NewTime(created))
			entries := answer.GetManagedFields()
			entries[0].Time = &metav1.Time{Time: tt.applied}
			answer.SetManagedFields(entries)
			got, err := apply.Applier{Client: answering{answer: answer}, Owner: owner}.Apply(t.Context(), apply.State{Desired: object(t, configMap)}, false)
			if err != nil || got.Action != tt.want {
				t.Errorf("got %q, %v; want %q", got.Action, err, tt.want)
			}
		})
	}
}

func TestDryRun(t *testing.T) {
	c := newCluster(t)
	c.applyAs(t, "talos", object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system, labels: {app: theirs}}, data: {config: theirs}}"))
	s := c.read(t, object(t, configMap))
	c.requests = nil
	got, err := c.applier().DryRun(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	got.After = nil
	want := apply.Change{
		Object: "ConfigMap kube-system/a",
		Action: apply.ActionUpdate,
		Fields: []apply.Field{
			{Path: "data.config", From: `"theirs"`, To: `"new"`},
			{Path: "metadata.labels.app", From: `"theirs"`, To: `"multus"`},
		},
		Conflicts: []apply.Conflict{
			{Path: "data.config", Manager: "talos"},
			{Path: "metadata.labels.app", Manager: "talos"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("change (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dry run apply", "dry run force apply"}, c.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(s.Live, c.read(t, s.Desired).Live); diff != "" {
		t.Errorf("dry run wrote (-want +got):\n%s", diff)
	}
}

func TestDryRunOfNewObject(t *testing.T) {
	c := newCluster(t)
	s := c.read(t, object(t, configMap))
	got, err := c.applier().DryRun(t.Context(), s)
	if err != nil || got.Action != apply.ActionCreate || got.After == nil {
		t.Errorf("got %+v, %v; want created", got, err)
	}
	if c.read(t, s.Desired).Live != nil {
		t.Error("dry run wrote")
	}
}

func TestDryRunInMissingNamespace(t *testing.T) {
	c := newCluster(t)
	s := c.read(t, object(t, configMap))
	notFound := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "kube-system")
	c.fail = func(string) error { return notFound }
	got, err := c.applier().DryRun(t.Context(), s)
	if want := (apply.Change{Object: "ConfigMap kube-system/a", Action: apply.ActionCreate}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	s.Live = object(t, configMap)
	if _, err := c.applier().DryRun(t.Context(), s); !errors.Is(err, notFound) {
		t.Errorf("object that exists: got error %v, want %v", err, notFound)
	}
}
