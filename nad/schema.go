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

// find returns the key that encoding/json would take for name, the same one or
// else one that differs in case alone, or its place among the keys to skip. The
// key is nil and the place is -1 without.
func (s *schema) find(name string, skip []string) (key *schemaKey, skipped int) {
	if skipped = slices.Index(skip, name); skipped >= 0 {
		return nil, skipped
	}
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i], -1
		}
	}
	if len(name) >= 64 { // longer than any key
		return nil, -1
	}
	if skipped = indexFold(skip, name); skipped >= 0 {
		return nil, skipped
	}
	for i := range s.keys {
		if strings.EqualFold(s.keys[i].name, name) {
			return &s.keys[i], -1
		}
	}
	return nil, -1
}

// knows reports whether the struct has a field for the key.
func (s *schema) knows(name string) bool {
	key, _ := s.find(name, nil)
	return key != nil
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
		if key, _ := s.find(name, nil); key != nil {
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
