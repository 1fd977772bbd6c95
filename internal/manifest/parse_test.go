package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/internal/manifest"
)

func TestParse(t *testing.T) {
	account := map[string]any{
		"apiVersion": "v1",
		"kind":       "ServiceAccount",
		"metadata":   map[string]any{"name": "multus", "namespace": "kube-system"},
	}
	config := map[string]any{
		"apiVersion": "v1",
		"kind":       "ConfigMap",
		"metadata":   map[string]any{"name": "c"},
		"data":       map[string]any{"a": "1\n---indented by YAML\n"},
		"number":     int64(9007199254740993),
		"fraction":   0.5,
	}
	const (
		accountYAML = "kind: ServiceAccount\napiVersion: v1\nmetadata: {name: multus, namespace: kube-system}\n"
		configYAML  = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: |\n    1\n    ---indented by YAML\n" +
			"number: 9007199254740993\nfraction: 0.5\n"
	)
	tests := []struct {
		name string
		in   string
		want []map[string]any
	}{
		{name: "empty"},
		{name: "only comments", in: "# one\n---\n# two\n---\n"},
		{name: "one", in: accountYAML, want: []map[string]any{account}},
		{name: "order is kept", in: configYAML + "---\n" + accountYAML, want: []map[string]any{config, account}},
		{name: "empty documents", in: "---\n---\n# c\n---\n" + accountYAML + "---\n", want: []map[string]any{account}},
		{name: "comment behind a separator", in: configYAML + "--- # next\n" + accountYAML, want: []map[string]any{config, account}},
		{name: "end marker", in: accountYAML + "...\n# end\n", want: []map[string]any{account}},
		{
			name: "JSON",
			in:   `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"multus","namespace":"kube-system"}}`,
			want: []map[string]any{account},
		},
		{name: "CRLF", in: strings.ReplaceAll(accountYAML, "\n", "\r\n"), want: []map[string]any{account}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			objects, err := manifest.Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			var got []map[string]any
			for _, object := range objects {
				got = append(got, object.Object)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	const good = "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n"
	tests := []struct {
		name string
		in   string
		want []string // all parts of the error
	}{
		{"not YAML", "a: [", []string{"document 1: yaml: "}},
		{"duplicate key", good + "kind: B\n", []string{"document 1: ", `key "kind" already set in map`}},
		{"a list", "[1]", []string{"document 1: is a list, not an object"}},
		{"a string", "text", []string{"document 1: is a string, not an object"}},
		{"a number", "1", []string{"document 1: is a number, not an object"}},
		{"a boolean", "true", []string{"document 1: is a boolean, not an object"}},
		{"no kind", "apiVersion: v1\nmetadata: {name: a}\n", []string{"document 1: object a: kind is missing"}},
		{"no name", good + "---\nkind: A\napiVersion: v1\n", []string{"document 2: A: metadata.name is missing"}},
		{"wrong types", "apiVersion: 1\nkind: A\nmetadata: []\n", []string{
			"document 1: A: apiVersion is not a string", "metadata.name is not a string",
		}},
		{"namespaced", "kind: A\nmetadata: {name: a, namespace: ns}\n", []string{"document 1: A ns/a: apiVersion is missing"}},
		{"content after the end marker", good + "...\nb: c\n", []string{"document 1: content after the end of the document"}},
		{"content after a flow mapping", "{kind: A, apiVersion: v1, metadata: {name: a}}\nb: c\n", []string{"document 1: content after the end"}},
		{"broken separator", good + "---x\n" + good, []string{"document 1: invalid Yaml document separator: x"}},
		{"not a JSON value", good + "a: .nan\n", []string{"document 1: "}},
		{"all documents", "a: b\n---\n" + good + "---\n[]\n", []string{"document 1: object: apiVersion is missing", "document 3: is a list"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			objects, err := manifest.Parse([]byte(tt.in))
			if err == nil || objects != nil {
				t.Fatalf("got %d objects and error %v, want none and an error", len(objects), err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "---\n", "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n# c\n",
		"apiVersion: v1\nkind: A\nmetadata: {name: a, creationTimestamp: null}\nstatus: {}\n",
		"a: &a [*a]\n", "1: 2\n...\n3", "a: !!binary /w==\n", "{\"a\": 1e400}",
		"apiVersion: v1\nkind: A\nmetadata: {name: a}\nx: [1.0, -0, 1e21, 0x10, ~, 'y', 2020-01-01]\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, err := manifest.Parse(data)
		if err != nil {
			return
		}
		// The first Format may drop noise; from then on nothing changes.
		printed, want := reprint(t, objects)
		again, got := reprint(t, want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("objects after Format and Parse (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(printed, again); diff != "" {
			t.Errorf("bytes after Parse and Format (-want +got):\n%s", diff)
		}
	})
}

// reprint returns the objects as Format prints them, and what Parse reads there.
func reprint(t *testing.T, objects []*unstructured.Unstructured) (string, []*unstructured.Unstructured) {
	t.Helper()
	printed, err := manifest.Format(objects...)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := manifest.Parse(printed)
	if err != nil {
		t.Fatalf("Parse refuses what Format printed: %v\n%s", err, printed)
	}
	return string(printed), parsed
}
