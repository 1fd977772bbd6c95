package nad

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A decoder reads valid JSON into structs by the rules of encoding/json:
// letter case of keys does not count, null changes nothing, of duplicate keys
// the last one counts. Other than encoding/json it goes on after a value of
// the wrong type, refuses null as an element of an array, takes each duplicate
// array for itself, and keeps unknown keys in the field Extra.
type decoder struct {
	path  []step
	errs  field.ErrorList
	notes []note
	zeros []string // paths of keys that say "" or 0 in so many words
	nulls []string // paths of keys that say null
}

// A note is about a key that encoding/json accepts without a word.
type note struct {
	kind   noteKind
	path   string
	key    string
	schema *schema
}

type noteKind int

// most bounds how many problems of one kind are listed; more help nobody, and
// a hostile text of one mebibyte could hold half a million.
const most = 100

const (
	unknownKey noteKind = iota
	duplicateKey
	otherCase
)

// A step of a path is a key, or an index.
type step struct {
	key     string
	index   int
	isIndex bool
}

func (d *decoder) push(key string) { d.path = append(d.path, step{key: key}) }
func (d *decoder) pushIndex(i int) { d.path = append(d.path, step{index: i, isIndex: true}) }
func (d *decoder) pop()            { d.path = d.path[:len(d.path)-1] }

// at returns the path as it is written in findings: spec.config.plugins[0].type.
func (d *decoder) at() string {
	path := make([]byte, 0, 64)
	for _, s := range d.path {
		if s.isIndex {
			path = appendIndex(path, s.index)
		} else {
			path = appendKey(path, s.key)
		}
	}
	return string(path)
}

func appendKey(path []byte, key string) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	return append(path, key...)
}

func appendIndex(path []byte, i int) []byte {
	path = append(path, '[')
	path = strconv.AppendInt(path, int64(i), 10)
	return append(path, ']')
}

func (d *decoder) note(kind noteKind, key string, s *schema) {
	if len(d.notes) >= most {
		return
	}
	d.push(key)
	d.notes = append(d.notes, note{kind, d.at(), key, s})
	d.pop()
}

func (d *decoder) noteTwice(isNew bool, key string, s *schema) {
	if !isNew {
		d.note(duplicateKey, key, s)
	}
}

func (d *decoder) wrongType(t tree, want string) {
	if len(d.errs) < most {
		d.errs = append(d.errs, field.TypeInvalid(field.NewPath(d.at()), shorten(t.text()), "must be "+want))
	}
}

// object reads an object into a struct. The keys of skip are left to the caller.
func (d *decoder) object(t tree, out reflect.Value, skip ...string) {
	if !t.isObject() {
		if !t.isNull() {
			d.wrongType(t, "an object")
		}
		return
	}
	s := schemaOf(out.Type())
	var seen keySet
	for m := range t.inside() {
		name := m.key()
		key, skipped := s.find(name, skip)
		switch {
		case skipped >= 0:
			d.noteTwice(seen.addKnown(len(s.keys)+skipped), name, s)
		case key != nil:
			d.noteTwice(seen.addKnown(key.place), name, s)
			if key.name != name {
				d.note(otherCase, name, s)
			}
			d.push(key.name)
			d.value(m, out.FieldByIndex(key.index))
			d.pop()
		default:
			d.noteTwice(seen.other.add(name), name, s)
			if out.Type() != reflect.TypeFor[Raw]() {
				d.note(unknownKey, name, s)
			}
			keep(m, s, out)
		}
	}
}

// keep stores an unknown key.
func keep(m tree, s *schema, out reflect.Value) {
	if s.extra == nil {
		return
	}
	extra := out.FieldByIndex(s.extra).Addr().Interface().(*extraKeys)
	if *extra == nil {
		*extra = make(extraKeys)
	}
	(*extra)[m.key()] = compact(m.text())
}

func (d *decoder) value(t tree, out reflect.Value) {
	if t.isNull() {
		d.noteNull()
		switch out.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			out.SetZero()
		default: // null is no value
		}
		return
	}
	switch out.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(out.Type().Elem())
		if !out.IsNil() {
			fresh.Elem().Set(out.Elem())
		}
		d.value(t, fresh.Elem())
		out.Set(fresh)
	case reflect.Struct:
		d.object(t, out)
	case reflect.Slice:
		d.array(t, out)
	case reflect.Map:
		d.mapping(t, out)
	case reflect.Interface:
		d.ipam(t, out)
	default:
		d.scalar(t, out)
		if out.IsZero() && out.Kind() != reflect.Bool {
			d.noteZero()
		}
	}
}

func (d *decoder) noteNull() {
	if len(d.nulls) < most {
		d.nulls = append(d.nulls, d.at())
	}
}

func (d *decoder) noteZero() {
	if len(d.zeros) < most {
		d.zeros = append(d.zeros, d.at())
	}
}

// ipam reads an object into the struct of its type. An empty one is none.
func (d *decoder) ipam(t tree, out reflect.Value) {
	if !t.isObject() {
		d.wrongType(t, "an object")
		return
	}
	if t.count() == 0 {
		out.SetZero()
		return
	}
	plugin := d.stringOf(t, "type")
	config := newIPAM(plugin)
	d.object(t, config, "type")
	if config.IsZero() && plugin == "" {
		out.SetZero() // only the type of none
		return
	}
	out.Set(config)
}

// stringOf returns the string that an object has under the key, or "".
func (d *decoder) stringOf(t tree, key string) (s string) {
	for m := range t.inside() {
		if !strings.EqualFold(m.key(), key) {
			continue
		}
		d.push(key)
		switch {
		case m.isNull():
			d.noteNull()
		case !m.isString():
			d.wrongType(m, "a string")
		default:
			if s = m.stringValue(); s == "" {
				d.noteZero()
			}
		}
		d.pop()
	}
	return s
}

func (d *decoder) array(t tree, out reflect.Value) {
	if !t.isArray() {
		d.wrongType(t, "an array")
		return
	}
	n := t.count()
	slice := reflect.MakeSlice(out.Type(), n, n)
	i := 0
	for element := range t.inside() {
		d.pushIndex(i)
		if element.isNull() {
			d.wrongType(element, "a value, not null")
		} else {
			d.value(element, slice.Index(i))
		}
		d.pop()
		i++
	}
	out.Set(slice)
}

// mapping reads an object into one of the kinds of maps that the structs of this
// package have.
func (d *decoder) mapping(t tree, out reflect.Value) {
	if !t.isObject() {
		d.wrongType(t, "an object")
		return
	}
	switch m := out.Addr().Interface().(type) {
	case *map[string]string:
		*m = mapOf[string, string](d, t)
	case *map[Capability]bool:
		*m = mapOf[Capability, bool](d, t)
	case *map[string]any:
		d.anything(t, m)
	}
}

// mapOf reads each value by itself; of duplicate keys the last one counts.
func mapOf[K ~string, V any](d *decoder, t tree) map[K]V {
	out := make(map[K]V)
	var value, zero V
	into := reflect.ValueOf(&value).Elem()
	for m := range t.inside() {
		key := K(m.key())
		if _, exists := out[key]; exists {
			d.note(duplicateKey, m.key(), nil)
		}
		value = zero
		d.push(m.key())
		d.value(m, into)
		d.pop()
		out[key] = value
	}
	return out
}

// anything keeps numbers as they are written.
func (d *decoder) anything(t tree, out *map[string]any) {
	if err := json.Unmarshal([]byte(t.text()), new(any)); err != nil {
		d.wrongType(t, "an object with numbers that a float64 can hold")
		return
	}
	numbers := json.NewDecoder(strings.NewReader(t.text()))
	numbers.UseNumber()
	_ = numbers.Decode(out) // it is a valid object
}

func (d *decoder) scalar(t tree, out reflect.Value) {
	switch out.Kind() {
	case reflect.String:
		if !t.isString() {
			d.wrongType(t, "a string")
			return
		}
		out.SetString(t.stringValue())
	case reflect.Bool:
		if !t.is('t') && !t.is('f') {
			d.wrongType(t, "true or false")
			return
		}
		out.SetBool(t.is('t'))
	case reflect.Uint64, reflect.Uint32, reflect.Uint:
		n, err := strconv.ParseUint(t.text(), 10, out.Type().Bits())
		if err != nil {
			d.wrongType(t, fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<out.Type().Bits()-1))
			return
		}
		out.SetUint(n)
	default:
		n, err := strconv.ParseInt(t.text(), 10, out.Type().Bits())
		if err != nil {
			d.wrongType(t, "a whole number")
			return
		}
		out.SetInt(n)
	}
}

func containsFold(names []string, name string) bool { return indexFold(names, name) >= 0 }

func indexFold(names []string, name string) int {
	return slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// A keySet tells duplicate keys: known ones by their place among the keys of the
// schema and those to skip, so that letter case does not count; others by text.
type keySet struct {
	known uint64
	other set[string]
}

// addKnown reports whether the place, which is less than 64, is new.
func (s *keySet) addKnown(place int) bool {
	bit := uint64(1) << place
	isNew := s.known&bit == 0
	s.known |= bit
	return isNew
}

// A set makes a map only for its second element: most lists have one.
type set[T comparable] struct {
	isFilled bool
	first    T
	others   map[T]bool
}

// add reports whether the element is new.
func (s *set[T]) add(element T) bool {
	switch {
	case !s.isFilled:
		s.isFilled, s.first = true, element
		return true
	case s.first == element || s.others[element]:
		return false
	case s.others == nil:
		s.others = make(map[T]bool)
	}
	s.others[element] = true
	return true
}
