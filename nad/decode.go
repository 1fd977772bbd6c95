package nad

import (
	"encoding/json"
	"fmt"
	"reflect"
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

func (d *decoder) at() string {
	var b strings.Builder
	for i, s := range d.path {
		switch {
		case s.isIndex:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case i == 0 || b.Len() == 0:
			b.WriteString(s.key)
		default:
			b.WriteString("." + s.key)
		}
	}
	return b.String()
}

func (d *decoder) note(kind noteKind, m member, s *schema) {
	if len(d.notes) >= most {
		return
	}
	d.push(m.key)
	d.notes = append(d.notes, note{kind, d.at(), m.key, s})
	d.pop()
}

func (d *decoder) wrongType(value, want string) {
	if len(d.errs) < most {
		d.errs = append(d.errs, field.TypeInvalid(field.NewPath(d.at()), shorten(value), "must be "+want))
	}
}

// object reads an object into a struct. The keys of skip are left to the caller.
func (d *decoder) object(value string, out reflect.Value, skip ...string) {
	if isNull(value) {
		return
	}
	if value[0] != '{' {
		d.wrongType(value, "an object")
		return
	}
	d.members(members(value), out, skip...)
}

func (d *decoder) members(all []member, out reflect.Value, skip ...string) {
	s := schemaOf(out.Type())
	var seen keySet
	for _, m := range all {
		key, known := s.find(m.key)
		if !seen.add(key, known, m.key) {
			d.note(duplicateKey, m, s)
		}
		if containsFold(skip, m.key) {
			continue
		}
		if !known {
			if out.Type() != reflect.TypeFor[Raw]() {
				d.note(unknownKey, m, s)
			}
			d.keep(m, s, out)
			continue
		}
		if key.name != m.key {
			d.note(otherCase, m, s)
		}
		d.push(key.name)
		d.value(m.value, out.FieldByIndex(key.index))
		d.pop()
	}
}

// keep stores an unknown key.
func (d *decoder) keep(m member, s *schema, out reflect.Value) {
	if s.extra == nil {
		return
	}
	extra := out.FieldByIndex(s.extra).Addr().Interface().(*extraKeys)
	if *extra == nil {
		*extra = make(extraKeys)
	}
	(*extra)[m.key] = compact(m.value)
}

func (d *decoder) value(value string, out reflect.Value) {
	if isNull(value) {
		if len(d.nulls) < most {
			d.nulls = append(d.nulls, d.at())
		}
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
		d.value(value, fresh.Elem())
		out.Set(fresh)
	case reflect.Struct:
		d.object(value, out)
	case reflect.Slice:
		d.array(value, out)
	case reflect.Map:
		d.mapping(value, out)
	case reflect.Interface:
		d.ipam(value, out)
	default:
		d.scalar(value, out)
		if out.IsZero() && out.Kind() != reflect.Bool && len(d.zeros) < most {
			d.zeros = append(d.zeros, d.at())
		}
	}
}

// ipam reads an object into the struct of its type. An empty one is none.
func (d *decoder) ipam(value string, out reflect.Value) {
	if value[0] != '{' {
		d.wrongType(value, "an object")
		return
	}
	all := members(value)
	if len(all) == 0 {
		out.SetZero()
		return
	}
	plugin := d.typeOf(all)
	config := reflect.ValueOf(&Raw{Plugin: plugin}).Elem()
	if known, ok := ipamTypes[plugin]; ok {
		config = reflect.New(known).Elem()
	}
	d.members(all, config, "type")
	if config.IsZero() && plugin == "" {
		out.SetZero() // only the type of none
		return
	}
	out.Set(config)
}

// typeOf returns the key type, or "".
func (d *decoder) typeOf(all []member) string {
	var plugin string
	d.only(all, "type", reflect.ValueOf(&plugin).Elem())
	return plugin
}

// only reads one key.
func (d *decoder) only(all []member, key string, out reflect.Value) {
	for _, m := range all {
		if strings.EqualFold(m.key, key) {
			d.push(key)
			d.value(m.value, out)
			d.pop()
		}
	}
}

func (d *decoder) array(value string, out reflect.Value) {
	if value[0] != '[' {
		d.wrongType(value, "an array")
		return
	}
	all := elements(value)
	slice := reflect.MakeSlice(out.Type(), len(all), len(all))
	for i, element := range all {
		d.pushIndex(i)
		if isNull(element) {
			d.wrongType(element, "a value, not null")
		} else {
			d.value(element, slice.Index(i))
		}
		d.pop()
	}
	out.Set(slice)
}

// mapping reads an object into a map. Values of type any keep their numbers as
// they are written.
func (d *decoder) mapping(value string, out reflect.Value) {
	if value[0] != '{' {
		d.wrongType(value, "an object")
		return
	}
	if out.Type().Elem().Kind() == reflect.Interface {
		if err := json.Unmarshal([]byte(value), new(any)); err != nil {
			d.wrongType(value, "an object with numbers that a float64 can hold")
			return
		}
		numbers := json.NewDecoder(strings.NewReader(value))
		numbers.UseNumber()
		_ = numbers.Decode(out.Addr().Interface()) // it is a valid object
		return
	}
	result := reflect.MakeMap(out.Type())
	all := members(value)
	var seen keySet
	for _, m := range all {
		if !seen.add(schemaKey{}, false, m.key) {
			d.note(duplicateKey, m, nil)
		}
		element := reflect.New(out.Type().Elem()).Elem()
		d.push(m.key)
		d.value(m.value, element)
		d.pop()
		result.SetMapIndex(reflect.ValueOf(m.key).Convert(out.Type().Key()), element)
	}
	out.Set(result)
}

func (d *decoder) scalar(value string, out reflect.Value) {
	switch out.Kind() {
	case reflect.String:
		if value[0] != '"' {
			d.wrongType(value, "a string")
			return
		}
		out.SetString(unquote(value))
	case reflect.Bool:
		if value[0] != 't' && value[0] != 'f' {
			d.wrongType(value, "true or false")
			return
		}
		out.SetBool(value[0] == 't')
	case reflect.Uint64, reflect.Uint32, reflect.Uint:
		n, err := strconv.ParseUint(value, 10, out.Type().Bits())
		if err != nil {
			d.wrongType(value, fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<out.Type().Bits()-1))
			return
		}
		out.SetUint(n)
	default:
		n, err := strconv.ParseInt(value, 10, out.Type().Bits())
		if err != nil {
			d.wrongType(value, "a whole number")
			return
		}
		out.SetInt(n)
	}
}

func containsFold(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// A keySet tells duplicate keys: known ones by their place in the schema, others
// by their text.
type keySet struct {
	known uint64
	other map[string]bool
}

// add reports whether the key is new.
func (s *keySet) add(key schemaKey, known bool, text string) bool {
	if known {
		bit := uint64(1) << key.place
		isNew := s.known&bit == 0
		s.known |= bit
		return isNew
	}
	if s.other == nil {
		s.other = make(map[string]bool)
	}
	isNew := !s.other[text]
	s.other[text] = true
	return isNew
}
