package apply

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Drift returns the fields of s.Desired that live does not have, or has with
// other values. It is the part of [Applier.DryRun] that can be told without the
// API server: what admission adds and what an apply would remove is missing,
// and a value that the API server writes in another way shows up. Without a
// live object there is no drift.
func (s State) Drift() []Field {
	if s.Desired == nil || s.Live == nil {
		return nil
	}
	owned := &fieldpath.Set{}
	for _, entry := range s.Live.GetManagedFields() {
		if fields, err := fieldsOf(entry); err == nil {
			owned = owned.Union(fields)
		}
	}
	merged := overlay(nil, completed(s.Desired).Object, s.Live.Object, false, owned)
	expected, _ := merged.(map[string]any) // of two maps, overlay makes a map
	return Diff(s.Live, &unstructured.Unstructured{Object: expected})
}

// overlay returns live with desired written over it. What is owned tells, like
// a schema, where maps and lists merge and where they are replaced: own, that
// the value itself is owned by anybody; owned, what is below.
func overlay(path []string, desired, live any, own bool, owned *fieldpath.Set) any {
	_, isMap := desired.(map[string]any)
	if live == nil && isZero(desired) && (own || !isMap) {
		return nil // as the API server drops it
	}
	whole := own && owned.Empty()
	switch desired := desired.(type) {
	case map[string]any:
		if live, ok := live.(map[string]any); ok && !whole {
			return overlayMap(path, desired, live, owned)
		}
	case []any:
		if live, ok := live.([]any); ok && !owned.Empty() {
			return overlayList(path, desired, live, owned)
		}
	}
	if normalized(path, desired, live) {
		return live
	}
	return desired
}

func overlayMap(path []string, desired, live map[string]any, owned *fieldpath.Set) map[string]any {
	out := maps.Clone(live)
	for key, value := range desired {
		element := fieldpath.FieldNameElement(key)
		merged := overlay(child(path, key), value, live[key], owned.Members.Has(element), below(owned, element))
		if merged != nil {
			out[key] = merged
		}
	}
	return out
}

func overlayList(path []string, desired, live []any, owned *fieldpath.Set) []any {
	out, known := slices.Clone(live), elements(owned)
	for _, item := range desired {
		at := -1
		element, ok := elementOf(item, known)
		if ok {
			at = position(live, element)
		}
		if at < 0 {
			out = append(out, item)
			continue
		}
		out[at] = overlay(path, item, live[at], owned.Members.Has(element), below(owned, element))
	}
	return out
}
