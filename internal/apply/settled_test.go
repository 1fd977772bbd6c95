package apply_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/internal/apply"
)

// TestSettledOnRecorded: what a real API server makes of an apply is settled,
// what it makes of kubectl apply is not.
func TestSettledOnRecorded(t *testing.T) {
	for _, kind := range recordedKinds {
		t.Run(kind, func(t *testing.T) {
			desired, applied := recorded(t, kind, "desired"), recorded(t, kind, "applied")
			s := apply.State{Desired: desired.DeepCopy(), Live: applied.DeepCopy()}
			if !s.Settled(owner) {
				t.Error("not settled after an apply")
			}
			if diff := cmp.Diff(apply.State{Desired: desired, Live: applied}, s); diff != "" {
				t.Errorf("Settled changed its input (-want +got):\n%s", diff)
			}
			s.Live = recorded(t, kind, "kubectl")
			if kind != "serviceaccount" && s.Settled(owner) { // nobody owns anything of that
				t.Error("settled after kubectl apply")
			}
		})
	}
}

// TestSettledNoticesEverything changes one thing at a time: in what is
// desired, in what is live, and in who owns it.
func TestSettledNoticesEverything(t *testing.T) {
	for _, kind := range recordedKinds {
		desired, applied := recorded(t, kind, "desired"), recorded(t, kind, "applied")
		// A default that is completed before it is sent is no change.
		unstructured.RemoveNestedField(desired.Object, "roleRef", "apiGroup")
		t.Run(kind+"/desired", func(t *testing.T) {
			for _, section := range ownable(desired) {
				eachChange(section, func(what string) {
					if (apply.State{Desired: desired, Live: applied}).Settled(owner) {
						t.Errorf("settled in spite of %s", what)
					}
				})
			}
		})
		t.Run(kind+"/live", func(t *testing.T) {
			live := desired.DeepCopy() // what is live beyond that does not count
			for _, section := range ownable(live) {
				eachChange(section, func(what string) {
					if strings.Contains(what, "add") {
						return
					}
					changed := live.DeepCopy()
					changed.SetManagedFields(applied.GetManagedFields())
					if (apply.State{Desired: desired, Live: changed}).Settled(owner) {
						t.Errorf("settled in spite of %s", what)
					}
				})
			}
		})
		t.Run(kind+"/ownership", func(t *testing.T) {
			entries, _ := applied.Object["metadata"].(map[string]any)["managedFields"].([]any)
			for _, entry := range entries { // of the ServiceAccount there are none
				eachChange(entry.(map[string]any)["fieldsV1"], func(what string) {
					if (apply.State{Desired: desired, Live: applied}).Settled(owner) {
						t.Errorf("settled in spite of %s", what)
					}
				})
			}
		})
	}
}

// ownable returns the parts of an object whose fields have owners.
func ownable(object *unstructured.Unstructured) map[string]any {
	out := maps.Clone(object.Object)
	for _, key := range []string{"apiVersion", "kind", "metadata"} {
		delete(out, key)
	}
	if labels, ok := object.Object["metadata"].(map[string]any)["labels"]; ok {
		out["labels"] = labels
	}
	return out
}

// eachChange changes one value below value after the other, calls check with
// what it did, and undoes it.
func eachChange(value any, check func(what string)) {
	visit := func(key string, item any, set func(any)) {
		switch item.(type) {
		case map[string]any, []any:
			eachChange(item, func(what string) { check(key + "/" + what) })
		default:
			set(fmt.Sprint(item, "x"))
			check("replace " + key)
			set(item)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		for key, item := range maps.Clone(value) {
			if key == "." {
				continue // its value means nothing
			}
			if len(value) > 1 { // in managedFields, an empty map owns everything
				delete(value, key)
				check("delete " + key)
				value[key] = item
			}
			visit(key, item, func(item any) { value[key] = item })
		}
		value["f:extra"] = map[string]any{}
		check("add")
		delete(value, "f:extra")
	case []any:
		for i, item := range value {
			visit(fmt.Sprint(i), item, func(item any) { value[i] = item })
		}
		if len(value) > 1 {
			value[0], value[1] = value[1], value[0]
			check("swap")
			value[0], value[1] = value[1], value[0]
		}
	}
}

func TestSettled(t *testing.T) {
	const (
		cpu    = `{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:resources":{"f:limits":{"f:cpu":{}}}}}}}`
		port   = `{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}}`
		values = `{"f:metadata":{"f:finalizers":{"v:\"a\"":{},"v:\"b\"":{}}}}`
	)
	tests := []struct {
		name    string
		desired string
		live    string
		fields  string // of owner
		others  string
		want    bool
	}{
		{"quantity in other units", "spec: {containers: [{name: a, resources: {limits: {cpu: 0.1}}}]}", "spec: {containers: [{name: a, resources: {limits: {cpu: 100m}}}]}", cpu, "{}", true},
		{"another quantity", "spec: {containers: [{name: a, resources: {limits: {cpu: 0.2}}}]}", "spec: {containers: [{name: a, resources: {limits: {cpu: 100m}}}]}", cpu, "{}", false},
		{"not a quantity", "spec: {containers: [{name: a, resources: {limits: {cpu: x}}}]}", "spec: {containers: [{name: a, resources: {limits: {cpu: 100m}}}]}", cpu, "{}", false},
		{"size limit", "spec: {emptyDir: {sizeLimit: 1024Mi}}", "spec: {emptyDir: {sizeLimit: 1Gi}}", `{"f:spec":{"f:emptyDir":{"f:sizeLimit":{}}}}`, "{}", true},
		{"looks like a quantity", "data: {cpu: '0.1'}", "data: {cpu: 100m}", `{"f:data":{"f:cpu":{}}}`, "{}", false},
		{"integer and float", "spec: {a: 1}", "spec: {a: 1.0}", `{"f:spec":{"f:a":{}}}`, "{}", true},
		{"float and integer", "spec: {a: 1.0}", "spec: {a: 1}", `{"f:spec":{"f:a":{}}}`, "{}", true},
		{"fraction", "spec: {a: 1}", "spec: {a: 1.5}", `{"f:spec":{"f:a":{}}}`, "{}", false},
		{"number and string", "spec: {a: 1}", "spec: {a: '1'}", `{"f:spec":{"f:a":{}}}`, "{}", false},

		{"false is dropped", "spec: {a: false}", "spec: {}", `{"f:spec":{"f:a":{}}}`, "{}", true},
		{"zero is dropped", "spec: {a: 0}", "spec: {}", `{"f:spec":{"f:a":{}}}`, "{}", true},
		{"null is dropped", "spec: {a: null}", "spec: {}", `{"f:spec":{"f:a":{}}}`, "{}", true},
		{"empty list is dropped", "spec: {a: []}", "spec: {}", `{"f:spec":{"f:a":{}}}`, "{}", true},
		{"empty map is dropped", "spec: {a: {}}", "spec: {}", `{"f:spec":{"f:a":{}}}`, "{}", true},
		{"empty map stays", "spec: {a: {}}", "spec: {a: {}}", `{"f:spec":{"f:a":{}}}`, "{}", true},
		{"a value is not dropped", "spec: {a: true}", "spec: {}", `{"f:spec":{"f:a":{}}}`, "{}", false},
		{"false of nobody", "spec: {a: false}", "spec: {}", `{}`, "{}", false},
		{"empty list of nobody", "spec: {a: []}", "spec: {}", `{}`, "{}", false},
		{"empty map of nobody", "spec: {a: {}}", "spec: {}", `{}`, "{}", false},

		{"whole map", "spec: {sel: {a: b}}", "spec: {sel: {a: b}}", `{"f:spec":{"f:sel":{}}}`, "{}", true},
		{"whole map has more", "spec: {sel: {a: b}}", "spec: {sel: {a: b, c: d}}", `{"f:spec":{"f:sel":{}}}`, "{}", false},
		{"whole map has less", "spec: {sel: {a: b, c: d}}", "spec: {sel: {a: b}}", `{"f:spec":{"f:sel":{}}}`, "{}", false},
		{"whole map has another key", "spec: {sel: {a: b}}", "spec: {sel: {c: b}}", `{"f:spec":{"f:sel":{}}}`, "{}", false},
		{"whole map is a scalar", "spec: {sel: {a: b}}", "spec: {sel: b}", `{"f:spec":{"f:sel":{}}}`, "{}", false},
		{"whole list is a scalar", "spec: {sel: [a]}", "spec: {sel: a}", `{"f:spec":{"f:sel":{}}}`, "{}", false},
		{"whole list in another order", "spec: {sel: [a, b]}", "spec: {sel: [b, a]}", `{"f:spec":{"f:sel":{}}}`, "{}", false},
		{"map of others, applied as empty", "spec: {a: {}}", "spec: {a: {x: z}}", `{"f:spec":{"f:a":{}}}`, `{"f:spec":{"f:a":{"f:x":{}}}}`, true},
		{"map of others with our key", "spec: {a: {x: z}}", "spec: {a: {x: z}}", `{"f:spec":{"f:a":{}}}`, `{"f:spec":{"f:a":{"f:x":{}}}}`, false},

		{"others' fields", "data: {a: b}", "data: {a: b, c: d}", `{"f:data":{"f:a":{}}}`, `{"f:data":{"f:c":{}}}`, true},
		{"shared field", "data: {a: b}", "data: {a: b}", `{"f:data":{"f:a":{}}}`, `{"f:data":{"f:a":{}}}`, true},
		{"field of others only", "data: {a: b}", "data: {a: b}", `{}`, `{"f:data":{"f:a":{}}}`, false},
		{"leftover", "data: {a: b}", "data: {a: b, c: d}", `{"f:data":{"f:a":{},"f:c":{}}}`, "{}", false},
		{"empty status", "data: {a: b}", "data: {a: b}", `{"f:data":{"f:a":{}},"f:status":{}}`, "{}", true},
		{"status", "data: {a: b}", "data: {a: b}\nstatus: {c: d}", `{"f:data":{"f:a":{}},"f:status":{"f:c":{}}}`, "{}", true},
		{"status desired", "data: {a: b}\nstatus: {c: d}", "data: {a: b}\nstatus: {c: d}", `{"f:data":{"f:a":{}},"f:status":{"f:c":{}}}`, "{}", false},

		{"defaulted key", "spec: {ports: [{port: 80}]}", "spec: {ports: [{port: 80, protocol: TCP}]}", port, "{}", true},
		{"other key", "spec: {ports: [{port: 80, protocol: UDP}]}", "spec: {ports: [{port: 80, protocol: TCP}]}", port, "{}", false},
		{
			"defaulted key of which of two", "spec: {ports: [{port: 80}, {port: 80, protocol: UDP}]}", "spec: {ports: [{port: 80, protocol: TCP}, {port: 80, protocol: UDP}]}",
			`{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}},"k:{\"port\":80,\"protocol\":\"UDP\"}":{".":{},"f:port":{},"f:protocol":{}}}}}`, "{}", false,
		},
		{"duplicate in live", "spec: {ports: [{port: 80}]}", "spec: {ports: [{port: 80, protocol: TCP}, {port: 80, protocol: TCP}]}", port, "{}", false},
		{"item is gone", "spec: {ports: [{port: 80}]}", "spec: {ports: []}", port, "{}", false},
		{"list is a scalar", "spec: {ports: [{port: 80}]}", "spec: {ports: x}", port, "{}", false},
		{"item is a scalar", "spec: {ports: [x]}", "spec: {ports: [x]}", port, "{}", false},
		{"set", "metadata: {finalizers: [a, b]}", "metadata: {finalizers: [a, b, c]}", values, `{"f:metadata":{"f:finalizers":{"v:\"c\"":{}}}}`, true},
		{"set in another order", "metadata: {finalizers: [a, b]}", "metadata: {finalizers: [b, a]}", values, "{}", false},
		{"set without one", "metadata: {finalizers: [a]}", "metadata: {finalizers: [a, b]}", values, "{}", false},
		{"item by index", "spec: {a: [{b: c}]}", "spec: {a: [{b: c}]}", `{"f:spec":{"f:a":{"i:0":{".":{}}}}}`, "{}", false},
		{"index where a field is", "spec: {a: {b: c}}", "spec: {a: {b: c}}", `{"f:spec":{"f:a":{"i:0":{}}}}`, "{}", false},

		{"nothing to own", "metadata: {resourceVersion: '1'}", "metadata: {labels: {a: b}}", `{}`, `{"f:metadata":{"f:labels":{"f:a":{}}}}`, true},
		{"nothing desired any more", "metadata: {}", "metadata: {labels: {a: b}}", `{"f:metadata":{"f:labels":{"f:a":{}}}}`, "{}", false},
		{"unreadable", "data: {a: b}", "data: {a: b}", `{"f:data":{"f:a":{}}}`, `{"k:{":{}}`, false},
		{"not a set of fields", "data: {a: b}", "data: {a: b}", `[]`, `{}`, false},
	}
	const head = "apiVersion: v1\nkind: Thing\n"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := apply.State{
				Desired: object(t, "%s", head+tt.desired),
				Live:    owned(object(t, "%s", head+tt.live), owner, "Apply", tt.fields, "other", "Update", tt.others),
			}
			if got := s.Settled(owner); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSettledAsksForTheSameApply(t *testing.T) {
	const fields = `{"f:data":{"f:config":{}},"f:metadata":{"f:labels":{"f:app":{}}}}`
	desired := object(t, configMap)
	applied := owned(desired, owner, "Apply", fields)
	change := func(change func(entry map[string]any)) *unstructured.Unstructured {
		out := applied.DeepCopy()
		change(out.Object["metadata"].(map[string]any)["managedFields"].([]any)[0].(map[string]any))
		return out
	}
	tests := []struct {
		name    string
		desired *unstructured.Unstructured
		live    *unstructured.Unstructured
		want    bool
	}{
		{"as applied", desired, applied, true},
		{"no object", desired, nil, false},
		{"nothing desired", nil, applied, false},
		{"nobody owns anything", desired, object(t, configMap), false},
		{"another API version", desired, change(func(e map[string]any) { e["apiVersion"] = "v1beta1" }), false},
		{"an update", desired, change(func(e map[string]any) { e["operation"] = "Update" }), false},
		{"another manager", desired, change(func(e map[string]any) { e["manager"] = "talos" }), false},
		{"a subresource", desired, change(func(e map[string]any) { e["subresource"] = "status" }), false},
		{"no fields", desired, change(func(e map[string]any) { delete(e, "fieldsV1") }), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (apply.State{Desired: tt.desired, Live: tt.live}).Settled(owner); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func BenchmarkSettled(b *testing.B) {
	s := apply.State{Desired: recorded(b, "daemonset", "desired"), Live: recorded(b, "daemonset", "applied")}
	b.ReportAllocs()
	for b.Loop() {
		if !s.Settled(owner) {
			b.Fatal("not settled")
		}
	}
}
