package multustest_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// next returns an event, shortly: "ADDED a". "closed" is the end.
func next(t *testing.T, w watch.Interface) string {
	t.Helper()
	select {
	case event, open := <-w.ResultChan():
		if !open {
			return "closed"
		}
		object, err := meta.Accessor(event.Object)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(event.Type, " ", object.GetName())
	case <-time.After(patience):
		t.Fatal("no event")
		return ""
	}
}

func expect(t *testing.T, w watch.Interface, want ...string) {
	t.Helper()
	var got []string
	for range want {
		got = append(got, next(t, w))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("events (-want +got):\n%s", diff)
	}
}

// namedConfigMap is a ConfigMap in namespace default.
func namedConfigMap(name string, labels map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels}}
}

func TestWatch(t *testing.T) {
	web := map[string]string{"app": "web"}
	tests := []struct {
		name    string
		list    client.ObjectList
		options []client.ListOption
		want    []string
	}{
		{"all of the namespace", &corev1.ConfigMapList{}, []client.ListOption{client.InNamespace("default")}, []string{"ADDED a", "ADDED b", "ADDED c", "MODIFIED c", "MODIFIED c", "DELETED b"}},
		{"labels", &corev1.ConfigMapList{}, []client.ListOption{client.MatchingLabels(web)}, []string{"ADDED b", "ADDED c", "DELETED c", "DELETED b"}},
		{"name", &corev1.ConfigMapList{}, []client.ListOption{client.MatchingFields{"metadata.name": "c"}}, []string{"ADDED c", "MODIFIED c", "MODIFIED c"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{PrimaryCNI: "none", Objects: []client.Object{namedConfigMap("a", nil), namedConfigMap("b", web)}})
			w, err := c.Client().Watch(t.Context(), test.list, test.options...)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			config := namedConfigMap("c", nil)
			if err := c.Client().Create(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			for _, labels := range []map[string]string{web, nil} {
				config.Labels = labels
				if err := c.Client().Update(t.Context(), config); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Client().Delete(t.Context(), namedConfigMap("b", nil)); err != nil {
				t.Fatal(err)
			}
			expect(t, w, test.want...)
			w.Stop()
			w.Stop()
			expect(t, w, "closed")
		})
	}
}

func TestWatchTypes(t *testing.T) {
	kind := corev1.SchemeGroupVersion.WithKind("ConfigMapList")
	u, partial := &unstructured.UnstructuredList{}, &metav1.PartialObjectMetadataList{}
	u.SetGroupVersionKind(kind)
	partial.SetGroupVersionKind(kind)
	tests := []struct {
		name string
		list client.ObjectList
		want string
	}{
		{"typed", &corev1.ConfigMapList{}, "*v1.ConfigMap /, Kind="},
		{"unstructured", u, "*unstructured.Unstructured /v1, Kind=ConfigMap"},
		{"metadata", partial, "*v1.PartialObjectMetadata /v1, Kind=ConfigMap"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{PrimaryCNI: "none", Objects: []client.Object{namedConfigMap("a", map[string]string{"x": "y"})}})
			w, err := c.Client().Watch(t.Context(), test.list)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			event := <-w.ResultChan()
			object, ok := event.Object.(client.Object)
			if !ok {
				t.Fatalf("%T", event.Object)
			}
			if got := fmt.Sprintf("%T %s", object, object.GetObjectKind().GroupVersionKind()); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if object.GetLabels()["x"] != "y" || object.GetUID() == "" || object.GetResourceVersion() == "" {
				t.Errorf("object %+v", object)
			}
			object.GetLabels()["x"] = "changed"
			if got := get[corev1.ConfigMap](t, c, "default", "a"); got.Labels["x"] != "y" {
				t.Error("the watch shares objects with the cluster")
			}
		})
	}
}

// from is the option to begin a watch at a resource version.
func from(version string) client.ListOption {
	return &client.ListOptions{Namespace: "default", Raw: &metav1.ListOptions{ResourceVersion: version}}
}

func TestWatchFromResourceVersion(t *testing.T) {
	c := newCluster(t, multustest.Options{PrimaryCNI: "none", Objects: []client.Object{namedConfigMap("a", nil)}})
	list := &corev1.ConfigMapList{}
	if err := c.Client().List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Create(t.Context(), namedConfigMap("b", nil)); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Delete(t.Context(), namedConfigMap("a", nil)); err != nil {
		t.Fatal(err)
	}
	w, err := c.Client().Watch(t.Context(), list, from(list.ResourceVersion))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	expect(t, w, "ADDED b", "DELETED a")
	anywhen, err := c.Client().Watch(t.Context(), list, from("0"))
	if err != nil {
		t.Fatal(err)
	}
	defer anywhen.Stop()
	expect(t, anywhen, "ADDED b")
	if _, err := c.Client().Watch(t.Context(), list, from("x")); !apierrors.IsBadRequest(err) {
		t.Errorf("error %v, want BadRequest", err)
	}
	initial := &client.ListOptions{Raw: &metav1.ListOptions{SendInitialEvents: new(true)}}
	if _, err := c.Client().Watch(t.Context(), list, initial); !apierrors.IsInvalid(err) {
		t.Errorf("error %v, want Invalid", err)
	}
}

// TestWatchFromTooLongAgo: the deletion's event has the version of the
// deletion, and the history ends somewhere.
func TestWatchFromTooLongAgo(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: make([]multustest.Node, 2000), PrimaryCNI: "cilium"})
	for n := range 8 {
		apply(t, c, multusSet("multus:"+strconv.Itoa(n)))
	}
	if _, err := c.Client().Watch(t.Context(), &corev1.PodList{}, from("1")); !apierrors.IsResourceExpired(err) {
		t.Errorf("error %v, want Expired", err)
	}
}

func TestWatchDeletedVersion(t *testing.T) {
	c := newCluster(t, multustest.Options{PrimaryCNI: "none", Objects: []client.Object{namedConfigMap("a", nil)}})
	w, err := c.Client().Watch(t.Context(), &corev1.ConfigMapList{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	before := get[corev1.ConfigMap](t, c, "default", "a").ResourceVersion
	if err := c.Client().Delete(t.Context(), namedConfigMap("a", nil)); err != nil {
		t.Fatal(err)
	}
	<-w.ResultChan()
	if got := (<-w.ResultChan()).Object.(*corev1.ConfigMap).ResourceVersion; got == before || got == "" {
		t.Errorf("resource version of the deleted object %q, of the last one before %q", got, before)
	}
}

func TestWatchEnds(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	unread, err := c.Client().Watch(ctx, &corev1.NamespaceList{})
	if err != nil {
		t.Fatal(err)
	}
	idle, err := c.Client().Watch(ctx, &corev1.SecretList{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	expect(t, idle, "closed")
	for next(t, unread) != "closed" {
	}
	if _, err := c.Client().Watch(ctx, &corev1.SecretList{}); err == nil {
		t.Error("a watch begins after its context has ended")
	}
	broken, err := c.Client().Watch(t.Context(), &corev1.SecretList{})
	if err != nil {
		t.Fatal(err)
	}
	c.BreakWatches()
	expect(t, broken, "closed")
	again, err := c.Client().Watch(t.Context(), &corev1.ConfigMapList{}, client.MatchingFields{"metadata.name": "kube-flannel-cfg"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Stop()
	expect(t, again, "ADDED kube-flannel-cfg")
}

// TestWatchLosesNothing: writers, watches and breaks at the same time; each
// watch sees every object once, whenever it begins.
func TestWatchLosesNothing(t *testing.T) {
	const writers, each = 4, 25
	c := newCluster(t, multustest.Options{PrimaryCNI: "none"})
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for n := range each {
				if err := c.Client().Create(t.Context(), namedConfigMap(fmt.Sprintf("%d-%d", writer, n), nil)); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			w, err := c.Client().Watch(t.Context(), &corev1.ConfigMapList{})
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Stop()
			seen := map[string]bool{}
			deadline := time.After(patience)
			for len(seen) < writers*each {
				select {
				case event := <-w.ResultChan():
					name := event.Object.(*corev1.ConfigMap).Name
					if event.Type != watch.Added || seen[name] {
						t.Errorf("%s %s, seen %t", event.Type, name, seen[name])
					}
					seen[name] = true
				case <-deadline:
					t.Errorf("%d objects seen, want %d", len(seen), writers*each)
					return
				}
			}
		})
	}
	group.Go(func() {
		for range each {
			w, err := c.Client().Watch(t.Context(), &corev1.NodeList{})
			if err != nil {
				t.Error(err)
				continue
			}
			c.ResetRequests()
			_, _ = c.Step()
			w.Stop()
		}
	})
	group.Wait()
}
