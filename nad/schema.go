package nad

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// extraKeys are the keys of an object that its struct does not know.
type extraKeys = map[string]json.RawMessage

// A schema is what the JSON tags of a struct say about an object. The structs
// are the one place where keys and types are written down: reading, writing,
// unknown keys and wrong types all follow from them.
type schema struct {
	keys  []schemaKey
	extra []int // index of the field for unknown keys, nil without one
	ipam  []int // index of the field for the IPAM, nil without one
}

type schemaKey struct {
	name  string
	index []int
	place int // among the keys of the schema, less than 64
}

// find returns the key that encoding/json would take for name: the same one,
// or else one that differs in case alone.
func (s *schema) find(name string) (schemaKey, bool) {
	for _, key := range s.keys {
		if key.name == name {
			return key, true
		}
	}
	for _, key := range s.keys {
		if len(name) < 64 && strings.EqualFold(key.name, name) {
			return key, true
		}
	}
	return schemaKey{}, false
}

// schemas remembers what reflection found, which never changes.
var schemas sync.Map // of reflect.Type to *schema

func schemaOf(t reflect.Type) *schema {
	if known, ok := schemas.Load(t); ok {
		return known.(*schema)
	}
	s := &schema{}
	s.add(t, nil)
	schemas.Store(t, s)
	return s
}

func (s *schema) add(t reflect.Type, parent []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := slices.Concat(parent, []int{i})
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			s.add(f.Type, index)
		case f.Name == "Extra":
			s.extra = index
		case name != "" && name != "-":
			s.keys = append(s.keys, schemaKey{name, index, len(s.keys)})
			if name == "ipam" {
				s.ipam = index
			}
		}
	}
}

// validateExtra refuses keys in Extra that the struct has a field for, which
// would be written twice, and values that are no JSON.
func validateExtra(owner any, extra extraKeys, at *field.Path) field.ErrorList {
	s := schemaOf(reflect.TypeOf(owner))
	var errs field.ErrorList
	for name, value := range extra {
		if key, known := s.find(name); known {
			errs = append(errs, field.Forbidden(at.Child(name), "has a field of its own, for "+key.name))
		}
		if !json.Valid(value) {
			errs = append(errs, field.Invalid(at.Child(name), shorten(string(value)), "must be JSON"))
		}
	}
	return errs
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func schemaFor[T any]() *schema { return schemaOf(reflect.TypeFor[T]()) }
