package apply

import (
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
)

// equal compares JSON values. Numbers are equal by value: the same 1 is an
// int64 from a decoder and a float64 from a converter.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, value := range a {
			if other, ok := b[key]; !ok || !equal(value, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case int64:
		if b, ok := b.(float64); ok {
			return float64(a) == b && int64(b) == a
		}
	case float64:
		if b, ok := b.(int64); ok {
			return equal(b, a)
		}
	}
	return reflect.DeepEqual(a, b)
}

// normalized reports whether live is what the API server makes of desired, at
// path. It knows quantities; anything else has to be equal.
func normalized(path []string, desired, live any) bool {
	switch desired := desired.(type) {
	case map[string]any:
		live, ok := live.(map[string]any)
		if !ok || len(desired) != len(live) {
			return false
		}
		for key, value := range desired {
			if other, ok := live[key]; !ok || !normalized(child(path, key), value, other) {
				return false
			}
		}
		return true
	case []any:
		live, ok := live.([]any)
		if !ok || len(desired) != len(live) {
			return false
		}
		for i := range desired {
			if !normalized(path, desired[i], live[i]) {
				return false
			}
		}
		return true
	}
	return equal(desired, live) || isQuantity(path) && sameQuantity(desired, live)
}

// isQuantity reports whether the API server rewrites the value at path:
// "0.1" to "100m".
func isQuantity(path []string) bool {
	n := len(path)
	switch {
	case n >= 3 && path[n-3] == "resources":
		return path[n-2] == "limits" || path[n-2] == "requests"
	case n >= 2:
		return path[n-2] == "emptyDir" && path[n-1] == "sizeLimit"
	}
	return false
}

func sameQuantity(a, b any) bool {
	x, errX := resource.ParseQuantity(fmt.Sprint(a))
	y, errY := resource.ParseQuantity(fmt.Sprint(b))
	return errX == nil && errY == nil && x.Cmp(y) == 0
}

// isZero reports whether value is one that a Go type with omitempty drops.
func isZero(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	case int64:
		return value == 0
	}
	return value == "" || value == false
}

// child returns path with key appended, in memory of its own.
func child(path []string, key string) []string {
	return append(slices.Clip(path), key)
}
