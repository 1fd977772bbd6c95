package apply_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/apply"
)

func TestDrift(t *testing.T) {
	type fields = []apply.Field
	tests := []struct {
		name    string
		desired string
		live    string
		managed string
		want    fields
	}{
		{"none", "spec: {a: 1, list: [x]}", "spec: {a: 1, list: [x], default: z}", "{}", nil},
		{"changed and missing", "spec: {a: 1, b: {c: d}}", "spec: {a: 2}", "{}", fields{{"spec.a", "2", "1"}, {"spec.b", "", `{"c":"d"}`}}},
		{"quantity", "resources: {limits: {cpu: 0.1, memory: 2Gi}}", "resources: {limits: {cpu: 100m, memory: 1Gi}}", "{}", fields{{"resources.limits.memory", `"1Gi"`, `"2Gi"`}}},
		{"dropped by the API server", "spec: {a: false, b: [], c: '', d: 0, e: null, f: {}}", "spec: {}", `{"f:spec":{"f:f":{}}}`, nil},
		{"a choice", "spec: {emptyDir: {}}", "spec: {}", "{}", fields{{"spec.emptyDir", "", "{}"}}},
		{"granular map", "spec: {sel: {a: b}}", "spec: {sel: {a: b, c: d}}", `{"f:spec":{"f:sel":{"f:a":{},"f:c":{}}}}`, nil},
		{"atomic map", "spec: {sel: {a: b}}", "spec: {sel: {a: b, c: d}}", `{"f:spec":{"f:sel":{}}}`, fields{{"spec.sel.c", `"d"`, ""}}},
		{"atomic list", "spec: {list: [{name: a}]}", "spec: {list: [{name: a}, {name: b}]}", `{"f:spec":{"f:list":{}}}`, fields{{"spec.list[name=b]", `{"name":"b"}`, ""}}},
		{
			name:    "granular list",
			desired: "spec: {list: [{name: a, image: x}, {name: c}]}",
			live:    "spec: {list: [{name: a, image: w, default: z}, {name: b}]}",
			managed: `{"f:spec":{"f:list":{"k:{\"name\":\"a\"}":{".":{},"f:image":{}},"k:{\"name\":\"b\"}":{".":{}}}}}`,
			want: fields{
				{"spec.list[name=a].image", `"w"`, `"x"`},
				{"spec.list[name=c]", "", `{"name":"c"}`},
			},
		},
		{"another type", "spec: {a: {b: c}, d: [e]}", "spec: {a: b, d: e}", "{}", fields{{"spec.a", `"b"`, `{"b":"c"}`}, {"spec.d", `"e"`, `["e"]`}}},
		{"unreadable ownership", "spec: {a: b}", "spec: {a: c}", `{"k:{":{}}`, fields{{"spec.a", `"c"`, `"b"`}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const head = "apiVersion: v1\nkind: Thing\n"
			live := owned(object(t, "%s", head+tt.live), "other", "Update", tt.managed)
			s := apply.State{Desired: object(t, "%s", head+tt.desired), Live: live.DeepCopy()}
			if diff := cmp.Diff(tt.want, s.Drift()); diff != "" {
				t.Errorf("drift (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(live, s.Live); diff != "" {
				t.Errorf("Drift changed the live object (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDriftOnRecorded(t *testing.T) {
	for _, kind := range recordedKinds {
		t.Run(kind, func(t *testing.T) {
			s := apply.State{Desired: recorded(t, kind, "desired"), Live: recorded(t, kind, "applied")}
			if got := s.Drift(); got != nil {
				t.Errorf("drift after an apply: %v", got)
			}
			s.Live = recorded(t, kind, "kubectl")
			for _, f := range s.Drift() {
				if !strings.HasPrefix(f.Path, "metadata.labels.") && f.Path != "spec.template.spec.containers[name=kube-multus].image" {
					t.Errorf("drift of what kubectl applied, too: %v", f)
				}
			}
		})
	}
}

func TestDriftWithoutObject(t *testing.T) {
	if got := (apply.State{Desired: object(t, configMap)}).Drift(); got != nil {
		t.Errorf("got %v, want none", got)
	}
	if got := (apply.State{Live: object(t, configMap)}).Drift(); got != nil {
		t.Errorf("got %v, want none", got)
	}
}
