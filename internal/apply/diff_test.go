package apply_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/internal/apply"
)

func TestDiff(t *testing.T) {
	type fields = []apply.Field
	tests := []struct {
		name     string
		from, to string
		want     fields
	}{
		{"same", "spec: {a: [1, {b: c}], d: 1.0}", "spec: {d: 1, a: [1.0, {b: c}]}", nil},
		{"scalar", "spec: {a: 1}", "spec: {a: 2}", fields{{"spec.a", "1", "2"}}},
		{"another type", "spec: {a: 1}", "spec: {a: '1'}", fields{{"spec.a", "1", `"1"`}}},
		{"added and removed, sorted", "spec: {b: true}", "spec: {a: <x>}", fields{{"spec.a", "", `"<x>"`}, {"spec.b", "true", ""}}},
		{"map", "spec: {}", "spec: {a: {b: c, d: [1]}}", fields{{"spec.a", "", `{"b":"c","d":[1]}`}}},
		{"map becomes scalar", "spec: {a: {b: c}}", "spec: {a: b}", fields{{"spec.a", `{"b":"c"}`, `"b"`}}},
		{"list becomes scalar", "spec: {a: [b]}", "spec: {a: b}", fields{{"spec.a", `["b"]`, `"b"`}}},
		{"null is absent", "spec: {a: null}", "spec: {}", nil},
		{"empty is not absent", "spec: {a: {}, b: []}", "spec: {}", fields{{"spec.a", "{}", ""}, {"spec.b", "[]", ""}}},
		{"scalars of a list", "spec: {args: [a, b]}", "spec: {args: [a, c]}", fields{{"spec.args", `["a","b"]`, `["a","c"]`}}},
		{"mixed list", "spec: {a: [{name: x}, w]}", "spec: {a: [{name: z}, w]}", fields{{"spec.a", `[{"name":"x"},"w"]`, `[{"name":"z"},"w"]`}}},
		{"items by name", "spec: {containers: [{name: a, image: x}, {name: b}]}", "spec: {containers: [{name: c}, {name: a, image: z}]}", fields{
			{"spec.containers[name=a].image", `"x"`, `"z"`},
			{"spec.containers[name=b]", `{"name":"b"}`, ""},
			{"spec.containers[name=c]", "", `{"name":"c"}`},
		}},
		{"order of items", "spec: {initContainers: [{name: a}, {name: b}]}", "spec: {initContainers: [{name: b}, {name: new}, {name: a}]}", fields{
			{"spec.initContainers[name=new]", "", `{"name":"new"}`},
			{"spec.initContainers", `["name=a","name=b"]`, `["name=b","name=a"]`},
		}},
		{"mounts by path", "volumeMounts: [{name: a, mountPath: /x}, {name: a, mountPath: /y}]", "volumeMounts: [{name: a, mountPath: /x}, {name: b, mountPath: /y}]", fields{
			{"volumeMounts[mountPath=/y].name", `"a"`, `"b"`},
		}},
		{"ports", "ports: [{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]", "ports: [{containerPort: 53, protocol: TCP, name: dns}]", fields{
			{"ports[containerPort=53,protocol=TCP].name", "", `"dns"`},
			{"ports[containerPort=53,protocol=UDP]", `{"containerPort":53,"protocol":"UDP"}`, ""},
		}},
		{"tolerations", "tolerations: [{operator: Exists, effect: NoSchedule}, {operator: Exists, effect: NoExecute}]", "tolerations: [{operator: Exists, effect: NoSchedule}]", fields{
			{"tolerations[effect=NoExecute,operator=Exists]", `{"effect":"NoExecute","operator":"Exists"}`, ""},
		}},
		{"no key", "rules: [{verbs: [get]}, {verbs: [list]}]", "rules: [{verbs: [get]}, {verbs: [watch]}, {verbs: [patch]}]", fields{
			{"rules[1].verbs", `["list"]`, `["watch"]`},
			{"rules[2]", "", `{"verbs":["patch"]}`},
		}},
		{"fewer without a key", "rules: [{verbs: [get]}, {verbs: [list]}]", "rules: [{verbs: [get]}]", fields{{"rules[1]", `{"verbs":["list"]}`, ""}}},
		{"same key twice", "env: [{name: A, value: x}, {name: A, value: w}]", "env: [{name: A, value: x}, {name: A, value: z}]", fields{{"env[1].value", `"w"`, `"z"`}}},
		{"what the API server writes", `
metadata: {uid: a, resourceVersion: '1', generation: 1, creationTimestamp: x, selfLink: z, managedFields: [], name: k, annotations: {deprecated.daemonset.template.generation: '1'}}
status: {a: b}`, `
metadata: {uid: b, resourceVersion: '2', generation: 2, name: m, annotations: {deprecated.daemonset.template.generation: '2'}}
status: {a: c}`, fields{{"metadata.name", `"k"`, `"m"`}}},
		{"the same names elsewhere", "spec: {uid: a, metadata: {generation: 1}, status: x}", "spec: {uid: b, metadata: {generation: 2}, status: z}", fields{
			{"spec.metadata.generation", "1", "2"}, {"spec.status", `"x"`, `"z"`}, {"spec.uid", `"a"`, `"b"`},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const head = "apiVersion: v1\nkind: Thing\n"
			from, to := object(t, "%s", head+tt.from), object(t, "%s", head+tt.to)
			if diff := cmp.Diff(tt.want, apply.Diff(from, to)); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffOfNoObject(t *testing.T) {
	if got := apply.Diff(nil, nil); got != nil {
		t.Errorf("got %v, want none", got)
	}
	want := []apply.Field{{Path: "apiVersion", To: `"v1"`}, {Path: "kind", To: `"Thing"`}}
	if diff := cmp.Diff(want, apply.Diff(nil, object(t, "{apiVersion: v1, kind: Thing}"))); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestDiffOfWhatIsNotJSON(t *testing.T) {
	got := apply.Diff(nil, &unstructured.Unstructured{Object: map[string]any{"a": math.NaN()}})
	if diff := cmp.Diff([]apply.Field{{Path: "a", To: "NaN"}}, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

// TestDeepObjects: an API server takes objects that are thousands of levels
// deep, if a CRD lets it.
func TestDeepObjects(t *testing.T) {
	const depth = 9000
	live := object(t, "%s", "apiVersion: v1\nkind: Thing\nspec: "+strings.Repeat("{a: ", depth)+"b"+strings.Repeat("}", depth))
	live = owned(live, owner, "Apply", `{"f:spec":`+strings.Repeat(`{"f:a":`, depth)+"{}"+strings.Repeat("}", depth+1))
	s := apply.State{Desired: object(t, "{apiVersion: v1, kind: Thing, spec: {a: {a: c}}}"), Live: live}
	if s.Settled(owner) {
		t.Error("settled")
	}
	if got := s.Drift(); len(got) != 1 || got[0].Path != "spec.a.a" {
		t.Errorf("drift: %d fields", len(got))
	}
	same := apply.State{Desired: live, Live: live}
	if got := same.Drift(); len(got) != 0 {
		t.Errorf("drift from itself: %d fields", len(got))
	}
}
