package nad

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
)

// An encoder writes structs as compact JSON: keys in the order of the fields,
// then those of Extra sorted. Zero fields are left out; an empty slice or map
// that is not nil is written.
type encoder struct {
	buf bytes.Buffer
	err error
}

// key writes the name of the next member of an object.
func (e *encoder) key(name string) {
	if last := e.buf.Len() - 1; last >= 0 && e.buf.Bytes()[last] != '{' {
		e.buf.WriteByte(',')
	}
	e.string(name)
	e.buf.WriteByte(':')
}

func (e *encoder) string(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			e.any(s)
			return
		}
	}
	e.buf.WriteByte('"')
	e.buf.WriteString(s)
	e.buf.WriteByte('"')
}

// any leaves the writing to encoding/json.
func (e *encoder) any(v any) {
	enc := json.NewEncoder(&e.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		e.err = err
		return
	}
	e.buf.Truncate(e.buf.Len() - 1) // the newline
}

// raw writes JSON that somebody else wrote.
func (e *encoder) raw(name string, value json.RawMessage) {
	if err := json.Compact(&e.buf, value); err != nil {
		e.err = fmt.Errorf("%s: %w", name, err)
	}
}

// fields writes the members of a struct without the braces.
func (e *encoder) fields(v reflect.Value) {
	s := schemaOf(v.Type())
	for _, key := range s.keys {
		if f := v.FieldByIndex(key.index); !f.IsZero() {
			e.key(key.name)
			e.value(f)
		}
	}
	if s.extra == nil {
		return
	}
	extra := v.FieldByIndex(s.extra).Interface().(extraKeys)
	for _, name := range sortedKeys(extra) {
		e.key(name)
		e.raw(name, extra[name])
	}
}

// typed writes a plugin or an IPAM.
func (e *encoder) typed(v reflect.Value) {
	e.buf.WriteByte('{')
	e.plugin(v)
	e.buf.WriteByte('}')
}

func (e *encoder) plugin(v reflect.Value) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		e.err = errors.New("plugin or ipam: must not be nil")
		return
	}
	if typed, ok := reflect.TypeAssert[interface{ Type() string }](v); ok && typed.Type() != "" {
		e.key("type")
		e.string(typed.Type())
	}
	e.fields(v)
}

func (e *encoder) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		e.value(v.Elem())
	case reflect.String:
		e.string(v.String())
	case reflect.Bool:
		e.buf.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Struct:
		e.buf.WriteByte('{')
		e.fields(v)
		e.buf.WriteByte('}')
	case reflect.Slice:
		e.buf.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				e.buf.WriteByte(',')
			}
			e.value(v.Index(i))
		}
		e.buf.WriteByte(']')
	case reflect.Uint64, reflect.Uint32, reflect.Uint:
		e.buf.WriteString(strconv.FormatUint(v.Uint(), 10))
	case reflect.Map:
		e.any(v.Interface())
	case reflect.Interface:
		e.typed(v.Elem())
	default:
		e.buf.WriteString(strconv.FormatInt(v.Int(), 10))
	}
}
