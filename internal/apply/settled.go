package apply

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Settled reports whether an apply of s.Desired by owner would change nothing:
// owner's last apply set the same fields, and they still have the same values.
// It is pure and errs on the side of false, for an apply then finds out: for
// instance where it does not know how the API server writes a value.
func (s State) Settled(owner string) bool {
	if s.Desired == nil || s.Live == nil {
		return false
	}
	mine, others, ok := ownership(s.Live, owner, s.Desired.GetAPIVersion())
	if !ok {
		return false
	}
	desired := ownable(completed(s.Desired))
	if len(desired) == 0 { // a ServiceAccount: whoever applies it owns nothing
		return mine.Empty()
	}
	return settled(nil, desired, s.Live.Object, false, mine, others)
}

// ownership returns the fields that owner's last apply set, and those of
// everybody else. ok is false if the apply was one of another API version,
// whose fields may be called otherwise, or if managedFields are unreadable.
func ownership(live *unstructured.Unstructured, owner, apiVersion string) (mine, others *fieldpath.Set, ok bool) {
	mine, others = &fieldpath.Set{}, &fieldpath.Set{}
	for _, entry := range live.GetManagedFields() {
		fields, err := fieldsOf(entry)
		if err != nil {
			return nil, nil, false
		}
		if !isApplyOf(entry, owner) {
			others = others.Union(fields)
			continue
		}
		if entry.APIVersion != apiVersion {
			return nil, nil, false
		}
		mine = mine.Union(fields)
	}
	// Status is written by controllers. Controller-runtime's fake client has it
	// owned by whoever applies; an API server does not.
	status := fieldpath.NewSet(fieldpath.Path{fieldpath.FieldNameElement("status")})
	return mine.RecursiveDifference(status), others, true
}

func isApplyOf(entry metav1.ManagedFieldsEntry, owner string) bool {
	return entry.Manager == owner && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == ""
}

func fieldsOf(entry metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	fields := &fieldpath.Set{}
	if entry.FieldsV1 == nil {
		return fields, nil
	}
	err := fields.FromJSON(entry.FieldsV1.GetRawReader())
	return fields, err
}

// ownable returns the content of object, which it changes, without what nobody
// can own.
func ownable(object *unstructured.Unstructured) map[string]any {
	content := object.Object
	delete(content, "apiVersion")
	delete(content, "kind")
	if metadata, ok := content["metadata"].(map[string]any); ok {
		for key := range serverMetadata {
			delete(metadata, key)
		}
		delete(metadata, "name")
		delete(metadata, "namespace")
		if len(metadata) == 0 {
			delete(content, "metadata")
		}
	}
	return content
}

// settled compares one value of the desired object with the live one. own
// tells whether owner owns the value itself, mine what it owns below, others
// what everybody else owns below.
func settled(path []string, desired, live any, own bool, mine, others *fieldpath.Set) bool {
	if own && mine.Empty() {
		// Owned as a whole: a scalar, an atomic list or map, or an empty map.
		// If others own parts of it, it was applied as an empty map.
		if !others.Empty() {
			m, ok := desired.(map[string]any)
			return ok && len(m) == 0
		}
		return live == nil && isZero(desired) || normalized(path, desired, live)
	}
	switch desired := desired.(type) {
	case map[string]any:
		live, _ := live.(map[string]any)
		return settledMap(path, desired, live, mine, others)
	case []any:
		live, _ := live.([]any)
		return settledList(path, desired, live, mine, others)
	}
	return false
}

func settledMap(path []string, desired, live map[string]any, mine, others *fieldpath.Set) bool {
	for _, element := range elements(mine) {
		if element.FieldName == nil {
			return false
		}
		if _, ok := desired[*element.FieldName]; !ok {
			return false // an apply would remove it
		}
	}
	for key, value := range desired {
		element := fieldpath.FieldNameElement(key)
		if !settled(child(path, key), value, live[key], mine.Members.Has(element), below(mine, element), below(others, element)) {
			return false
		}
	}
	return len(desired) > 0 // an empty map would be owned as a whole
}

// settledList handles lists whose items have owners of their own. Lists with
// one owner are not taken apart.
func settledList(path []string, desired, live []any, mine, others *fieldpath.Set) bool {
	owned := elements(mine)
	if len(owned) != len(desired) {
		return false
	}
	last := -1
	for _, item := range desired {
		element, ok := elementOf(item, owned)
		if !ok || !mine.Members.Has(element) {
			return false
		}
		i := position(live, element)
		if i <= last {
			return false // missing, or an apply would change the order
		}
		last = i
		if !settled(path, item, live[i], true, below(mine, element), below(others, element)) {
			return false
		}
	}
	return len(desired) > 0 // nobody owns an empty list, so that its field may not even exist
}

// elements returns what a set names at its first level, each once.
func elements(set *fieldpath.Set) []fieldpath.PathElement {
	var out []fieldpath.PathElement
	set.Members.Iterate(func(element fieldpath.PathElement) { out = append(out, element) })
	set.Children.Iterate(func(element fieldpath.PathElement) {
		if !set.Members.Has(element) {
			out = append(out, element)
		}
	})
	return out
}

func below(set *fieldpath.Set, element fieldpath.PathElement) *fieldpath.Set {
	if children, ok := set.Children.Get(element); ok {
		return children
	}
	return &fieldpath.Set{}
}

// elementOf returns the element under which item is owned. The API server
// fills in keys that item may leave out (protocol: TCP), so that these match
// anything as long as only one element matches.
func elementOf(item any, owned []fieldpath.PathElement) (fieldpath.PathElement, bool) {
	var found []fieldpath.PathElement
	for _, element := range owned {
		if isElement(item, element, true) {
			found = append(found, element)
		}
	}
	if len(found) != 1 {
		return fieldpath.PathElement{}, false
	}
	return found[0], true
}

// position returns the index of the only item of list that element means, or -1.
func position(list []any, element fieldpath.PathElement) int {
	at := -1
	for i, item := range list {
		if !isElement(item, element, false) {
			continue
		}
		if at >= 0 {
			return -1
		}
		at = i
	}
	return at
}

func isElement(item any, element fieldpath.PathElement, lenient bool) bool {
	switch {
	case element.Value != nil:
		return equal(item, (*element.Value).Unstructured())
	case element.Key != nil:
		item, ok := item.(map[string]any)
		for _, key := range *element.Key {
			value, has := item[key.Name]
			ok = ok && (lenient && !has || equal(value, key.Value.Unstructured()))
		}
		return ok
	}
	return false
}
