package multustest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

// names of the items of a list.
func names(t *testing.T, list client.ObjectList) []string {
	t.Helper()
	out := []string{}
	switch l := list.(type) {
	case *corev1.PodList:
		for _, item := range l.Items {
			out = append(out, item.Name)
		}
	case *corev1.NodeList:
		for _, item := range l.Items {
			out = append(out, item.Name)
		}
	case *unstructured.UnstructuredList:
		for _, item := range l.Items {
			out = append(out, item.GetName())
			if item.GetKind() == "" {
				t.Errorf("%s has no kind", item.GetName())
			}
		}
	case *metav1.PartialObjectMetadataList:
		for _, item := range l.Items {
			out = append(out, item.Name)
		}
	default:
		t.Fatalf("list of type %T", list)
	}
	return out
}

func podCluster(t *testing.T) *multustest.Cluster {
	t.Helper()
	b := newPod("b", "")
	b.Labels = map[string]string{"app": "web"}
	elsewhere := newPod("z", "")
	elsewhere.Namespace, elsewhere.Labels = "kube-public", b.Labels
	pinned := newPod("a", "")
	pinned.Spec.NodeName = "worker-2"
	return newCluster(t, multustest.Options{
		Nodes: threeNodes, PrimaryCNI: "none",
		Objects: []client.Object{elsewhere, newPod("c", ""), b, pinned},
	})
}

func TestList(t *testing.T) {
	kind := corev1.SchemeGroupVersion.WithKind("PodList")
	u, partial := &unstructured.UnstructuredList{}, &metav1.PartialObjectMetadataList{}
	u.SetGroupVersionKind(kind)
	partial.SetGroupVersionKind(kind)
	singular := &unstructured.UnstructuredList{}
	singular.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	raw := func(labels, fields string) client.ListOption {
		return &client.ListOptions{Raw: &metav1.ListOptions{LabelSelector: labels, FieldSelector: fields}}
	}
	tests := []struct {
		name    string
		list    client.ObjectList
		options []client.ListOption
		want    []string
	}{
		{"all", &corev1.PodList{}, nil, []string{"a", "b", "c", "z"}},
		{"unstructured", u, nil, []string{"a", "b", "c", "z"}},
		{"unstructured, kind of the items", singular, nil, []string{"a", "b", "c", "z"}},
		{"metadata", partial, nil, []string{"a", "b", "c", "z"}},
		{"namespace", &corev1.PodList{}, []client.ListOption{client.InNamespace("default")}, []string{"a", "b", "c"}},
		{"label", &corev1.PodList{}, []client.ListOption{client.MatchingLabels{"app": "web"}}, []string{"b", "z"}},
		{"raw label", &corev1.PodList{}, []client.ListOption{raw("app!=web", "")}, []string{"a", "c"}},
		{"name", u, []client.ListOption{client.MatchingFields{"metadata.name": "c"}}, []string{"c"}},
		{"raw name", u, []client.ListOption{raw("", "metadata.name=c")}, []string{"c"}},
		{"namespace as a field", u, []client.ListOption{client.MatchingFields{"metadata.namespace": "kube-public"}}, []string{"z"}},
		{"node", &corev1.PodList{}, []client.ListOption{client.MatchingFields{"spec.nodeName": "worker-2"}}, []string{"a"}},
		{"not that node", &corev1.PodList{}, []client.ListOption{client.MatchingFieldsSelector{Selector: fields.OneTermNotEqualSelector("spec.nodeName", "worker-2")}}, []string{"b", "c", "z"}},
		{"label and node", &corev1.PodList{}, []client.ListOption{client.MatchingLabels{"app": "web"}, client.MatchingFields{"spec.nodeName": "worker-2"}}, []string{}},
		{"nothing", &corev1.PodList{}, []client.ListOption{client.InNamespace("nowhere")}, []string{}},
		{"nodes", &corev1.NodeList{}, []client.ListOption{client.MatchingFields{"spec.unschedulable": "false"}}, []string{"cp-1", "worker-1", "worker-2"}},
	}
	c := podCluster(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := c.Client().List(t.Context(), test.list, test.options...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, names(t, test.list)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if test.list.GetResourceVersion() == "" || test.list.GetContinue() != "" {
				t.Errorf("resource version %q, continue %q", test.list.GetResourceVersion(), test.list.GetContinue())
			}
		})
	}
}

func TestListPages(t *testing.T) {
	c := podCluster(t)
	tests := []struct {
		name      string
		options   []client.ListOption
		want      [][]string
		remaining []int64 // -1: not told
	}{
		{"two", []client.ListOption{client.Limit(2)}, [][]string{{"a", "b"}, {"c", "z"}}, []int64{2, -1}},
		{"three", []client.ListOption{client.Limit(3)}, [][]string{{"a", "b", "c"}, {"z"}}, []int64{1, -1}},
		{"exact", []client.ListOption{client.Limit(4)}, [][]string{{"a", "b", "c", "z"}}, []int64{-1}},
		{"selected", []client.ListOption{client.Limit(1), client.MatchingLabels{"app": "web"}}, [][]string{{"b"}, {"z"}}, []int64{-1, -1}},
		{"raw", []client.ListOption{&client.ListOptions{Raw: &metav1.ListOptions{Limit: 3}}}, [][]string{{"a", "b", "c"}, {"z"}}, []int64{1, -1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got [][]string
			var remaining []int64
			list := &corev1.PodList{}
			for {
				if err := c.Client().List(t.Context(), list, append(test.options, client.Continue(list.Continue))...); err != nil {
					t.Fatal(err)
				}
				got = append(got, names(t, list))
				if list.RemainingItemCount == nil {
					remaining = append(remaining, -1)
				} else {
					remaining = append(remaining, *list.RemainingItemCount)
				}
				if list.Continue == "" {
					break
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("pages (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.remaining, remaining); diff != "" {
				t.Errorf("remaining (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListRefused(t *testing.T) {
	c := podCluster(t)
	tests := []struct {
		name   string
		option client.ListOption
	}{
		{"field", client.MatchingFields{"spec.hostname": "a"}},
		{"raw field", &client.ListOptions{Raw: &metav1.ListOptions{FieldSelector: "a=b=c"}}},
		{"raw label", &client.ListOptions{Raw: &metav1.ListOptions{LabelSelector: "a in b"}}},
		{"continue", client.Continue("?")},
		{"continue, no name", client.Continue("YQ")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := c.Client().List(t.Context(), &corev1.PodList{}, test.option); !apierrors.IsBadRequest(err) {
				t.Errorf("error %v, want BadRequest", err)
			}
			if _, err := c.Client().Watch(t.Context(), &corev1.PodList{}, test.option); err != nil && !apierrors.IsBadRequest(err) {
				t.Errorf("watch: error %v, want BadRequest", err)
			}
		})
	}
}

func TestDeleteAllOf(t *testing.T) {
	c := podCluster(t)
	err := c.Client().DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace("default"), client.MatchingLabels{"app": "web"})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Client().DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace("default"), client.MatchingFields{"metadata.name": "c"})
	if err != nil {
		t.Fatal(err)
	}
	list := &corev1.PodList{}
	if err := c.Client().List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "z"}, names(t, list)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if got := c.Requests()[0].String(); got != "deletecollection pods in default" {
		t.Errorf("recorded as %q", got)
	}
	if err := c.Client().DeleteAllOf(t.Context(), &corev1.Pod{}, client.MatchingFields{"x": "y"}); !apierrors.IsBadRequest(err) {
		t.Errorf("error %v, want BadRequest", err)
	}
}

func TestSelectableFields(t *testing.T) {
	c := newCluster(t, multustest.Options{Objects: []client.Object{&corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a.1"}, Reason: "Failed", Type: "Warning",
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "a", UID: "1"},
	}}})
	tests := []struct {
		name string
		list client.ObjectList
		want int
		by   client.MatchingFields
	}{
		{"event", &corev1.EventList{}, 1, client.MatchingFields{"involvedObject.kind": "Pod", "involvedObject.name": "a", "involvedObject.uid": "1", "reason": "Failed", "type": "Warning"}},
		{"other event", &corev1.EventList{}, 0, client.MatchingFields{"reason": "Started"}},
		{"namespace", &corev1.NamespaceList{}, 4, client.MatchingFields{"status.phase": "Active"}},
		{"pod", &corev1.PodList{}, 1, client.MatchingFields{"status.phase": "Running", "spec.hostNetwork": "true"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := c.Client().List(t.Context(), test.list, test.by); err != nil {
				t.Fatal(err)
			}
			u := manifestList(t, test.list)
			if len(u) != test.want {
				t.Errorf("%d objects, want %d", len(u), test.want)
			}
		})
	}
}

func manifestList(t *testing.T, list client.ObjectList) []any {
	t.Helper()
	items, _, err := unstructured.NestedSlice(manifest(t, list).Object, "items")
	if err != nil {
		t.Fatal(err)
	}
	return items
}
