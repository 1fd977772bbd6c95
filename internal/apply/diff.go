package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Field is a field that differs between two states of an object.
type Field struct {
	// Path is written as in JSON. Items of lists are named by their key:
	// spec.template.spec.containers[name=kube-multus].image.
	Path string
	// From and To are compact JSON. Empty: the field is absent or null.
	From, To string
}

// serverMetadata are the fields of metadata that the API server writes. They
// say nothing about what was asked for.
var serverMetadata = map[string]bool{
	"creationTimestamp": true,
	"generation":        true,
	"managedFields":     true,
	"resourceVersion":   true,
	"selfLink":          true,
	"uid":               true,
}

// serverFields are left out of a diff. The annotation counts a DaemonSet's
// generations.
var serverFields = map[string]bool{
	"status": true,
	"metadata.annotations.deprecated.daemonset.template.generation": true,
}

// Diff returns the fields that differ between two states of an object, sorted
// by path, without status and what the API server counts and stamps. A map or
// an item that only one side has is one field. Items of lists are matched by
// their key where they have one, else by index; lists of scalars are one
// field. A nil object has no fields.
func Diff(from, to *unstructured.Unstructured) []Field {
	var d differ
	d.maps("", content(from), content(to))
	return d.fields
}

func content(object *unstructured.Unstructured) map[string]any {
	if object == nil {
		return nil
	}
	return object.Object
}

type differ struct{ fields []Field }

func (d *differ) values(path, name string, from, to any) {
	switch from := from.(type) {
	case map[string]any:
		if to, ok := to.(map[string]any); ok {
			d.maps(path, from, to)
			return
		}
	case []any:
		if to, ok := to.([]any); ok {
			d.lists(path, name, from, to)
			return
		}
	}
	if !equal(from, to) {
		d.add(path, from, to)
	}
}

func (d *differ) maps(path string, from, to map[string]any) {
	keys := slices.Collect(maps.Keys(from))
	keys = slices.AppendSeq(keys, maps.Keys(to))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		below := key
		if path != "" {
			below = path + "." + key
		}
		if serverFields[below] || path == "metadata" && serverMetadata[key] {
			continue
		}
		d.values(below, key, from[key], to[key])
	}
}

func (d *differ) lists(path, name string, from, to []any) {
	fromIDs, toIDs := identify(name, from, to)
	if fromIDs == nil {
		if !equal(from, to) {
			d.add(path, from, to)
		}
		return
	}
	for i, id := range fromIDs {
		var other any
		if j := slices.Index(toIDs, id); j >= 0 {
			other = to[j]
		}
		d.values(path+id, "", from[i], other)
	}
	for i, id := range toIDs {
		if !slices.Contains(fromIDs, id) {
			d.values(path+id, "", nil, to[i])
		}
	}
	d.order(path, fromIDs, toIDs)
}

// order reports a list whose items changed places: the order of init
// containers matters.
func (d *differ) order(path string, from, to []string) {
	both := func(ids, other []string) []any {
		var out []any
		for _, id := range ids {
			if slices.Contains(other, id) {
				out = append(out, strings.Trim(id, "[]"))
			}
		}
		return out
	}
	if before, after := both(from, to), both(to, from); !equal(before, after) {
		d.add(path, before, after)
	}
}

func (d *differ) add(path string, from, to any) {
	d.fields = append(d.fields, Field{Path: path, From: compact(from), To: compact(to)})
}

// listKeys are the keys by which the items of a list are told apart, by the
// list's name, as in the API's list-map-keys. Other lists go by name.
var listKeys = map[string][]string{
	"conditions":      {"type"},
	"hostAliases":     {"ip"},
	"ownerReferences": {"uid"},
	"ports":           {"containerPort", "port", "protocol"},
	"tolerations":     {"effect", "key", "operator"},
	"volumeDevices":   {"devicePath"},
	"volumeMounts":    {"mountPath"},
}

// identify returns a "[key=value]" for every item of two lists of objects, or
// an "[index]" if their keys do not tell them apart. It returns nil if the
// lists hold anything else.
func identify(name string, a, b []any) (idsA, idsB []string) {
	for _, item := range slices.Concat(a, b) {
		if _, ok := item.(map[string]any); !ok {
			return nil, nil
		}
	}
	keys := listKeys[name]
	if keys == nil {
		keys = []string{"name"}
	}
	idsA, okA := keyed(keys, a)
	idsB, okB := keyed(keys, b)
	if okA && okB {
		return idsA, idsB
	}
	return indexes(len(a)), indexes(len(b))
}

func keyed(keys []string, list []any) (ids []string, ok bool) {
	ids = make([]string, 0, len(list))
	for _, item := range list {
		var parts []string
		for _, key := range keys {
			if value := item.(map[string]any)[key]; value != nil { // identify looked at the type
				parts = append(parts, fmt.Sprintf("%s=%v", key, value))
			}
		}
		id := "[" + strings.Join(parts, ",") + "]"
		if len(parts) == 0 || slices.Contains(ids, id) {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

func indexes(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("[%d]", i)
	}
	return ids
}

func compact(value any) string {
	if value == nil {
		return ""
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // "<" is to be read by people
	if err := encoder.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
