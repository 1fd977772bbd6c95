package nad

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"
)

// A tree is a JSON value taken apart: the first node is the value itself, those
// after it are what is inside, in the order of the text.
type tree []node

// A node is one value of a text.
type node struct {
	key  string // of a member of an object
	text string // the value as it is written
	size int    // how many nodes it has, itself included
}

// newTree takes a text apart in one pass. It is given only what json.Valid
// accepted, so nothing in this file can fail.
func newTree(text string) tree {
	// Each value but the first follows a comma or an opening bracket. More than
	// a thousand are no network, and commas in a string are no values.
	nodes := 1 + strings.Count(text, ",") + strings.Count(text, "{") + strings.Count(text, "[")
	t, _ := appendValue(make(tree, 0, min(nodes, 1000)), "", text, skipSpace(text, 0))
	return t
}

func (t tree) key() string  { return t[0].key }
func (t tree) text() string { return t[0].text }

func (t tree) isNull() bool   { return t.is('n') }
func (t tree) isString() bool { return t.is('"') }
func (t tree) isObject() bool { return t.is('{') }
func (t tree) isArray() bool  { return t.is('[') }

// is reports whether the value is of the type that begins with the letter.
func (t tree) is(first byte) bool { return t[0].text[0] == first }

// inside returns the members of an object, duplicates too, or the elements of
// an array, in their order.
func (t tree) inside() iter.Seq[tree] {
	return func(yield func(tree) bool) {
		for i := 1; i < len(t); i += t[i].size {
			if !yield(t[i : i+t[i].size]) {
				return
			}
		}
	}
}

// count returns how many members or elements there are.
func (t tree) count() int {
	n := 0
	for range t.inside() {
		n++
	}
	return n
}

// appendValue adds the value that begins at i, with what is inside it, and
// returns where it ends.
func appendValue(t tree, key, text string, i int) (all tree, end int) {
	start, self := i, len(t)
	t = append(t, node{key: key})
	switch text[i] {
	case '"':
		i = skipString(text, i)
	case '{', '[':
		t, i = appendInside(t, text, i)
	default:
		i = skipLiteral(text, i)
	}
	t[self].text, t[self].size = text[start:i], len(t)-self
	return t, i
}

// appendInside adds the members of the object, or the elements of the array,
// that begins at i.
func appendInside(t tree, text string, i int) (all tree, end int) {
	isObject := text[i] == '{'
	for i = skipSpace(text, i+1); text[i] != '}' && text[i] != ']'; {
		key := ""
		if isObject {
			end := skipString(text, i)
			key = unquote(text[i:end])
			i = skipSpace(text, skipSpace(text, end)+1) // beyond the colon
		}
		t, i = appendValue(t, key, text, i)
		if i = skipSpace(text, i); text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return t, i + 1
}

func skipSpace(text string, i int) int {
	for i < len(text) && isSpace(text[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func skipString(text string, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipLiteral skips a number, true, false or null.
func skipLiteral(text string, i int) int {
	for i < len(text) && !isSpace(text[i]) && text[i] != ',' && text[i] != ']' && text[i] != '}' {
		i++
	}
	return i
}

// unquote returns the string that a JSON string stands for.
func unquote(quoted string) string {
	inner := quoted[1 : len(quoted)-1]
	if strings.IndexByte(inner, '\\') < 0 && utf8.ValidString(inner) {
		return inner
	}
	var s string
	_ = json.Unmarshal([]byte(quoted), &s) // it is a valid JSON string
	return s
}

// compact returns the value without the space between its parts.
func compact(value string) json.RawMessage {
	var b bytes.Buffer
	_ = json.Compact(&b, []byte(value)) // it is valid JSON
	return b.Bytes()
}
