package multus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/multihome/multihome/multus"
)

// server lists by pages, as an API server does and the fake client does not.
type server struct {
	objects  []client.Object
	requests []string // "list NodeList 500 from 1000", "get ConfigMap kube-system/cilium-config"
	fail     func(request string) error
}

var _ client.Reader = (*server)(nil)

func (s *server) record(format string, args ...any) error {
	request := fmt.Sprintf(format, args...)
	s.requests = append(s.requests, request)
	if s.fail == nil {
		return nil
	}
	return s.fail(request)
}

func kindOf(object client.Object) string {
	gvk, err := apiutil.GVKForObject(object, scheme.Scheme)
	if err != nil {
		return ""
	}
	return gvk.Kind
}

func (s *server) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind := into.GetObjectKind().GroupVersionKind().Kind
	if err := s.record("get %s %s", kind, key); err != nil {
		return err
	}
	for _, object := range s.objects {
		if kindOf(object) == kind && client.ObjectKeyFromObject(object) == key {
			data, err := json.Marshal(object)
			if err != nil {
				return err
			}
			return json.Unmarshal(data, &into.(*unstructured.Unstructured).Object)
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
}

func (s *server) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	kind := into.GetObjectKind().GroupVersionKind().Kind
	if err := s.record("list %s %d from %s", kind, o.Limit, o.Continue); err != nil {
		return err
	}
	from := 0
	if o.Continue != "" {
		from, _ = strconv.Atoi(o.Continue)
	}
	var items []client.Object
	for _, object := range s.objects {
		if kindOf(object)+"List" == kind {
			items = append(items, object)
		}
	}
	metadata := map[string]any{"resourceVersion": "1"}
	if to := from + int(o.Limit); to < len(items) {
		metadata["continue"] = strconv.Itoa(to)
		items = items[:to]
	}
	data, err := json.Marshal(map[string]any{
		"kind": kind, "apiVersion": into.GetObjectKind().GroupVersionKind().GroupVersion().String(), "metadata": metadata, "items": items[from:],
	})
	if err != nil {
		return err
	}
	return into.(*unstructured.UnstructuredList).UnmarshalJSON(data)
}

// manyNodes are n nodes, the last of which is the oldest.
func manyNodes(n int) []client.Object {
	var out []client.Object
	for i := range n {
		image := talos13
		if i == n-1 {
			image = "Talos (v1.12.7)"
		}
		out = append(out, testNode(fmt.Sprintf("node-%04d", i), osImage(image)))
	}
	return out
}

func TestDetectRequests(t *testing.T) {
	many := []string{"list DaemonSetList 500 from ", "list NodeList 500 from "}
	for from := 500; from < 5000; from += 500 {
		many = append(many, "list NodeList 500 from "+strconv.Itoa(from))
	}
	tests := []struct {
		name    string
		objects []client.Object
		want    []string
	}{
		{
			name: "no known CNI",
			want: []string{"list DaemonSetList 500 from ", "list NodeList 500 from "},
		},
		{
			name:    "cilium",
			objects: []client.Object{ciliumDaemonSet()},
			want:    []string{"list DaemonSetList 500 from ", "list NodeList 500 from ", "get ConfigMap kube-system/cilium-config"},
		},
		{
			name: "flannel, one ConfigMap for two DaemonSets",
			objects: []client.Object{
				testDaemonSet("kube-system", "kube-flannel-ds", "flannel"),
				withLabel(testDaemonSet("kube-system", "kube-flannel-ds-arm64", "flannel"), "app", "flannel"),
			},
			want: []string{"list DaemonSetList 500 from ", "list NodeList 500 from ", "get ConfigMap kube-system/kube-flannel-cfg"},
		},
		{
			name:    "5,000 nodes",
			objects: manyNodes(5000),
			want:    many,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &server{objects: tt.objects}
			if _, err := multus.Detect(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, s.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// A list that expires half-way begins again, once, and counts no node twice.
func TestDetectListExpires(t *testing.T) {
	expire := func(times int) *server {
		s := &server{objects: manyNodes(1200)}
		s.fail = func(request string) error {
			if request == "list NodeList 500 from 1000" && times > 0 {
				times--
				return apierrors.NewResourceExpired("the continue token is too old")
			}
			return nil
		}
		return s
	}
	got, err := multus.Detect(t.Context(), expire(1))
	if err != nil {
		t.Fatal(err)
	}
	if got.Nodes != 1200 || got.Platform.Talos != "v1.12.7" || got.TalosNewest != "v1.13.9" {
		t.Errorf("Detection = %+v, want 1200 nodes of Talos v1.12.7 to v1.13.9", got)
	}
	if _, err = multus.Detect(t.Context(), expire(2)); !apierrors.IsResourceExpired(err) {
		t.Errorf("error = %v, want that the list expired", err)
	}
}

// refuse is a client of a cluster with one node and CNI, that answers requests
// which begin with one of the words with err.
func refuse(err error, words ...string) client.Client {
	answer := func(request string) error {
		for _, word := range words {
			if strings.HasPrefix(request, word) {
				return err
			}
		}
		return nil
	}
	return fake.NewClientBuilder().WithObjects(
		testNode("a"), ciliumDaemonSet(), ciliumConfig(map[string]string{"write-cni-conf-when-ready": ciliumWrites}),
		testDaemonSet("kube-flannel", "kube-flannel-ds", "flannel"), testConfigMap("kube-flannel", "kube-flannel-cfg", nil),
	).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if err := answer("list " + list.GetObjectKind().GroupVersionKind().Kind); err != nil {
				return err
			}
			return c.List(ctx, list, options...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if err := answer("get " + key.Name); err != nil {
				return err
			}
			return c.Get(ctx, key, object, options...)
		},
	}).Build()
}

// What may not be read is a finding that names the permission, and the rest is
// detected all the same.
func TestDetectForbidden(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "", errors.New("no"))
	tests := []struct {
		name     string
		requests []string
		want     multus.Platform
		remedies []string
	}{
		{
			name:     "nodes",
			requests: []string{"list NodeList"},
			remedies: []string{"allow the verb list on nodes", "give Config.Platform.PrimaryCNI, and PrimaryCNIConfig if its file has another name than usual"},
		},
		{
			name:     "daemonsets",
			requests: []string{"list DaemonSetList"},
			want:     multus.Platform{Talos: "v1.13.9", Architectures: []string{"amd64"}, Kubernetes: "v1.37.2", Runtime: "containerd://2.1.5"},
			remedies: []string{"allow the verb list on daemonsets.apps in all namespaces"},
		},
		{
			name:     "configmaps",
			requests: []string{"get cilium-config", "get kube-flannel-cfg"},
			want:     multus.Platform{Talos: "v1.13.9", Architectures: []string{"amd64"}, Kubernetes: "v1.37.2", Runtime: "containerd://2.1.5"},
			remedies: []string{
				"allow the verb get on configmap cilium-config in namespace kube-system",
				"allow the verb get on configmap kube-flannel-cfg in namespace kube-flannel",
				"give Config.Platform.PrimaryCNI, and PrimaryCNIConfig if its file has another name than usual",
			},
		},
		{
			name:     "everything",
			requests: []string{"list", "get"},
			remedies: []string{"allow the verb list on daemonsets.apps in all namespaces", "allow the verb list on nodes"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := multus.Detect(t.Context(), refuse(forbidden, tt.requests...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Platform); diff != "" {
				t.Errorf("Platform (-want +got):\n%s", diff)
			}
			var remedies []string
			for _, f := range got.Findings {
				remedies = append(remedies, f.Remedy)
			}
			if diff := cmp.Diff(tt.remedies, remedies); diff != "" {
				t.Errorf("remedies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDetectErrors(t *testing.T) {
	cause := errors.New("connection reset by peer")
	tests := []struct {
		name    string
		request string
		want    string
	}{
		{name: "daemonsets", request: "list DaemonSetList", want: "list daemonsets: connection reset by peer"},
		{name: "nodes", request: "list NodeList", want: "list nodes: connection reset by peer"},
		{name: "cilium", request: "get cilium-config", want: "get ConfigMap kube-system/cilium-config: connection reset by peer"},
		{name: "flannel", request: "get kube-flannel-cfg", want: "get ConfigMap kube-flannel/kube-flannel-cfg: connection reset by peer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := multus.Detect(t.Context(), refuse(cause, tt.request))
			if !errors.Is(err, cause) || err.Error() != tt.want {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
			if diff := cmp.Diff(multus.Detection{}, got); diff != "" {
				t.Errorf("Detection (-want +got):\n%s", diff)
			}
		})
	}
}

// A context that ends between two pages ends the call.
func TestDetectCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &server{objects: manyNodes(1200)}
	s.fail = func(request string) error {
		if request == "list NodeList 500 from 500" {
			cancel()
		}
		return ctx.Err()
	}
	if _, err := multus.Detect(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
	if got := len(s.requests); got != 3 {
		t.Errorf("%d requests, want 3: %q", got, s.requests)
	}
}
