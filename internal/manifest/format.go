package manifest

import (
	"bytes"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Format prints objects as canonical YAML: one object a document in the given
// order, a "---" line before each but the first, keys sorted, no comments. What typed
// objects carry without meaning is left out: a status in which nothing is set
// and "creationTimestamp: null" in any metadata. An object without apiVersion,
// kind or metadata.name is an error; typed objects need their TypeMeta filled.
// The objects are not changed.
func Format[T runtime.Object](objects ...T) ([]byte, error) {
	var out bytes.Buffer
	for i, object := range objects {
		fields, err := toFields(object)
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", i+1, err)
		}
		document, err := yaml.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", i+1, err)
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(document)
	}
	return out.Bytes(), nil
}

// toFields returns a copy of the object as its JSON fields, without noise.
func toFields(object runtime.Object) (map[string]any, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	named := &unstructured.Unstructured{Object: fields}
	if err := checkIdentity(named); err != nil {
		return nil, fmt.Errorf("%s: %w", describe(named), err)
	}
	if isUnset(fields["status"]) {
		delete(fields, "status")
	}
	dropNullTimestamps(fields)
	return fields, nil
}

// isUnset reports whether no value inside says anything: null, empty, 0, false.
func isUnset(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case bool:
		return !value
	case int64:
		return value == 0
	case float64:
		return value == 0
	case []any:
		return len(value) == 0
	case map[string]any:
		for _, field := range value {
			if !isUnset(field) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// dropNullTimestamps removes metadata.creationTimestamp where it is null, in
// the object and in the templates inside it.
func dropNullTimestamps(value any) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			dropNullTimestamps(item)
		}
	case map[string]any:
		if metadata, ok := value["metadata"].(map[string]any); ok {
			if timestamp, found := metadata["creationTimestamp"]; found && timestamp == nil {
				delete(metadata, "creationTimestamp")
			}
		}
		for _, field := range value {
			dropNullTimestamps(field)
		}
	}
}
