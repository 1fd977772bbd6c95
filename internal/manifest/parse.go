package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	goyaml "go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Parse reads a stream of YAML or JSON documents separated by "---" lines, one
// object each, in the order of the stream. Documents without content are
// skipped. A duplicate key, content after the end of a document and an object
// without apiVersion, kind or metadata.name are errors. The error holds the
// problems of all documents, each with the document's number (counted from 1)
// and, where it is known, the object. No objects are returned with an error.
func Parse(data []byte) ([]*unstructured.Unstructured, error) {
	var (
		objects []*unstructured.Unstructured
		errs    []error
	)
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for number := 1; ; number++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// The reader cannot go on behind a broken separator.
			errs = append(errs, fmt.Errorf("document %d: %w", number, err))
			break
		}
		object, err := parseDocument(document)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("document %d: %w", number, err))
		case object != nil:
			objects = append(objects, object)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return objects, nil
}

// parseDocument returns nil for a document without content.
func parseDocument(document []byte) (*unstructured.Unstructured, error) {
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	if err := checkTrailing(document); err != nil {
		return nil, err
	}
	var content any
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, err
	}
	if content == nil {
		return nil, nil
	}
	fields, ok := content.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("is %s, not an object; write apiVersion, kind and metadata", jsonType(content))
	}
	object := &unstructured.Unstructured{Object: fields}
	if err := checkIdentity(object); err != nil {
		return nil, fmt.Errorf("%s: %w", describe(object), err)
	}
	return object, nil
}

// checkTrailing refuses what the YAML library would drop: it reads one
// document and ignores the bytes behind it.
func checkTrailing(document []byte) error {
	decoder := goyaml.NewDecoder(bytes.NewReader(document))
	var ignored any
	if err := decoder.Decode(&ignored); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := decoder.Decode(&ignored); !errors.Is(err, io.EOF) {
		return errors.New("content after the end of the document; separate documents by a line ---")
	}
	return nil
}

// checkIdentity returns an error for each missing part of what names an object.
func checkIdentity(object *unstructured.Unstructured) error {
	var errs []error
	for _, path := range [][]string{{"apiVersion"}, {"kind"}, {"metadata", "name"}} {
		value, _, err := unstructured.NestedString(object.Object, path...)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s is not a string", strings.Join(path, ".")))
		case value == "":
			errs = append(errs, fmt.Errorf("%s is missing", strings.Join(path, ".")))
		}
	}
	return errors.Join(errs...)
}

// describe names an object as far as it is named: "DaemonSet kube-system/x".
func describe(object *unstructured.Unstructured) string {
	kind, name := object.GetKind(), object.GetName()
	if kind == "" {
		kind = "object"
	}
	if namespace := object.GetNamespace(); namespace != "" {
		name = namespace + "/" + name
	}
	return strings.TrimSpace(kind + " " + name)
}

func jsonType(value any) string {
	switch value.(type) {
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	default:
		return "a number"
	}
}
