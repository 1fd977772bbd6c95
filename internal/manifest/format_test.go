package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/multihome/multihome/internal/manifest"
)

func TestFormat(t *testing.T) {
	object := func(fields map[string]any) *unstructured.Unstructured {
		fields["apiVersion"], fields["kind"] = "v1", "A"
		if fields["metadata"] == nil {
			fields["metadata"] = map[string]any{"name": "a"}
		}
		return &unstructured.Unstructured{Object: fields}
	}
	const head = "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n"
	tests := []struct {
		name    string
		objects []runtime.Object
		want    string
	}{
		{name: "none"},
		{
			name:    "sorted keys, given order of objects",
			objects: []runtime.Object{object(map[string]any{"z": "1", "b": int64(2)}), object(map[string]any{"a": true})},
			want:    "apiVersion: v1\nb: 2\nkind: A\nmetadata:\n  name: a\nz: \"1\"\n---\na: true\n" + head,
		},
		{
			name: "status without content",
			objects: []runtime.Object{object(map[string]any{"status": map[string]any{
				"count": int64(0), "ratio": 0.0, "ready": false, "reason": "", "conditions": nil, "list": []any{},
			}})},
			want: head,
		},
		{
			name:    "status with content",
			objects: []runtime.Object{object(map[string]any{"status": map[string]any{"phase": "Ready"}})},
			want:    head + "status:\n  phase: Ready\n",
		},
		{
			name: "null timestamps, also in templates",
			objects: []runtime.Object{object(map[string]any{
				"metadata":  map[string]any{"name": "a", "creationTimestamp": nil},
				"templates": []any{map[string]any{"metadata": map[string]any{"creationTimestamp": nil}}},
			})},
			want: head + "templates:\n- metadata: {}\n",
		},
		{
			name: "a timestamp that is set, a null that is data",
			objects: []runtime.Object{object(map[string]any{
				"metadata":          map[string]any{"name": "a", "creationTimestamp": "2026-01-02T03:04:05Z"},
				"creationTimestamp": nil,
			})},
			want: "apiVersion: v1\ncreationTimestamp: null\nkind: A\nmetadata:\n  creationTimestamp: \"2026-01-02T03:04:05Z\"\n  name: a\n",
		},
		{
			name: "typed",
			objects: []runtime.Object{&appsv1.DaemonSet{
				TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
				ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "n"},
			}},
			want: "apiVersion: apps/v1\nkind: DaemonSet\nmetadata:\n  name: a\n  namespace: \"n\"\n" +
				"spec:\n  selector: null\n  template:\n    metadata: {}\n    spec:\n      containers: null\n  updateStrategy: {}\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := manifest.Format(tt.objects...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("YAML (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFormatLeavesObjectsAlone(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "A", "status": map[string]any{},
		"metadata": map[string]any{"name": "a", "creationTimestamp": nil},
	}}
	want := object.DeepCopy()
	if _, err := manifest.Format(object); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, object); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}

func TestFormatErrors(t *testing.T) {
	named := metav1.ObjectMeta{Name: "a", Namespace: "n"}
	tests := []struct {
		name   string
		object runtime.Object
		want   string
	}{
		{"no TypeMeta", &corev1.ServiceAccount{ObjectMeta: named}, "object 1: object n/a: apiVersion is missing\nkind is missing"},
		{"not JSON", &unstructured.Unstructured{Object: map[string]any{"kind": "A", "f": func() {}}}, "object 1: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := manifest.Format(tt.object)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %q and error %v, want the error %q", got, err, tt.want)
			}
		})
	}
}
