package multus_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// changes lists the fields that differ, by object and path. An object that is
// new is compared with the first of its kind.
func changes(from, to []*unstructured.Unstructured) []string {
	var lines []string
	for _, object := range to {
		title := object.GetKind() + " " + object.GetName()
		base := find(from, object.GetKind(), object.GetName())
		if base == nil {
			base, title = find(from, object.GetKind(), ""), title+", new"
		}
		if fields := fieldChanges(base, object); len(fields) > 0 {
			lines = append(append(lines, title), fields...)
		}
	}
	for _, object := range from {
		if find(to, object.GetKind(), object.GetName()) == nil {
			lines = append(lines, object.GetKind()+" "+object.GetName()+", gone")
		}
	}
	return lines
}

func fieldChanges(from, to *unstructured.Unstructured) []string {
	before, after := map[string]string{}, map[string]string{}
	if from != nil {
		flatten("", from.Object, before)
	}
	flatten("", to.Object, after)
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if value, ok := after[path]; !ok || value != before[path] {
			lines = append(lines, "- "+path+": "+before[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if value, ok := before[path]; !ok || value != after[path] {
			lines = append(lines, "+ "+path+": "+after[path])
		}
	}
	return lines
}

// find returns the object of that kind and name, nil if there is none. No name
// stands for any.
func find(objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == kind && (name == "" || o.GetName() == name)
	})
	if i < 0 {
		return nil
	}
	return objects[i]
}

// flatten writes the scalars below value by path. Containers, volumes and the
// like go by their name, JSON in a string by its own keys.
func flatten(path string, value any, out map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			flatten(strings.TrimPrefix(path+"."+key, "."), child, out)
		}
		if len(value) == 0 {
			out[path] = "{}"
		}
	case []any:
		for i, child := range value {
			key := any(i)
			if fields, ok := child.(map[string]any); ok && fields["name"] != nil && fields["kind"] == nil {
				key = fields["name"]
			}
			flatten(fmt.Sprintf("%s[%v]", path, key), child, out)
		}
		if len(value) == 0 {
			out[path] = "[]"
		}
	case string:
		var nested map[string]any
		if json.Unmarshal([]byte(value), &nested) == nil {
			flatten(path, nested, out)
			return
		}
		out[path] = fmt.Sprintf("%q", value)
	default:
		out[path] = fmt.Sprint(value)
	}
}
