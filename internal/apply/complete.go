package apply

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// wholeDefaults are the defaults inside of maps that are owned as a whole, by
// the map's name and the key. Elsewhere the API server adds a default as a
// field without an owner, which is in nobody's way. In here it belongs to the
// value: who leaves it out wants another value than the same manifest applied
// by kubectl has, which is a conflict about nothing.
var wholeDefaults = map[string]map[string]any{
	"fieldRef":            {"apiVersion": "v1"},
	"resourceFieldRef":    {"divisor": "0"},
	"roleRef":             {"apiGroup": "rbac.authorization.k8s.io"},
	"serviceAccountToken": {"expirationSeconds": int64(3600)},
}

// completed returns a copy of desired with the defaults that the API server
// would add to values that are owned as a whole. In other groups than those
// with pod templates and roles the same names may mean something else.
func completed(desired *unstructured.Unstructured) *unstructured.Unstructured {
	out := desired.DeepCopy()
	switch out.GroupVersionKind().Group {
	case "", "apps", "batch", "rbac.authorization.k8s.io":
		complete("", out.Object)
	}
	return out
}

func complete(name string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			complete(key, item)
		}
		for key, item := range wholeDefaults[name] {
			if _, ok := value[key]; !ok {
				value[key] = item
			}
		}
	case []any:
		for _, item := range value {
			complete("", item)
		}
	}
}
