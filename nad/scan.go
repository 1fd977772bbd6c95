package nad

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// A tree is a JSON value taken apart: the first node is the value itself, those
// after it are what is inside, in the order of the text.
type tree struct {
	source string
	nodes  []node
}

// A node is one value, by its place in the text: without pointers it costs the
// garbage collector nothing.
type node struct {
	name  span // the key of a member of an object, with its quotes
	value span
	size  int32 // how many nodes it has, itself included
}

// A span is a part of a text.
type span struct {
	from, to int32
	plain    bool // a string of ASCII without escapes
}

// longest is how long a text may be: ten times what the API server stores.
const longest = 16 << 20

func newSpan(from, to int, plain bool) span { return span{int32(from), int32(to), plain} }

func (t tree) key() string  { return t.unquote(t.nodes[0].name) }
func (t tree) text() string { return t.source[t.nodes[0].value.from:t.nodes[0].value.to] }

// stringValue returns what a value that is a string stands for.
func (t tree) stringValue() string { return t.unquote(t.nodes[0].value) }

func (t tree) isNull() bool   { return t.is('n') }
func (t tree) isString() bool { return t.is('"') }
func (t tree) isObject() bool { return t.is('{') }
func (t tree) isArray() bool  { return t.is('[') }

// is reports whether the value is of the type that begins with the letter.
func (t tree) is(first byte) bool { return t.source[t.nodes[0].value.from] == first }

// inside returns the members of an object, duplicates too, or the elements of
// an array, in their order.
func (t tree) inside() iter.Seq[tree] {
	return func(yield func(tree) bool) {
		for i := 1; i < len(t.nodes); {
			next := i + int(t.nodes[i].size)
			if !yield(tree{t.source, t.nodes[i:next]}) {
				return
			}
			i = next
		}
	}
}

// count returns how many members or elements there are.
func (t tree) count() int {
	n := 0
	for i := 1; i < len(t.nodes); i += int(t.nodes[i].size) {
		n++
	}
	return n
}

// unquote returns the string that a JSON string stands for.
func (t tree) unquote(s span) string {
	if s.plain {
		return t.source[s.from+1 : s.to-1]
	}
	return unquote(t.source[s.from:s.to])
}

func unquote(quoted string) string {
	if quoted == "" {
		return "" // the key of what has none
	}
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

// newTree takes a text apart in one pass. It reports whether the text is JSON,
// and agrees in that with json.Valid, which would take a pass of its own. A text
// that is too long is not.
func newTree(text string) (t tree, ok bool) {
	if len(text) > longest {
		return tree{}, false
	}
	// Each value but the first follows a comma or an opening bracket. More than
	// a thousand are no network, and commas in a string are no values.
	nodes := 1 + strings.Count(text, ",") + strings.Count(text, "{") + strings.Count(text, "[")
	s := scanner{text: text, nodes: make([]node, 0, min(nodes, 1000))}
	end := s.value(s.space(0), span{}, 0)
	return tree{text, s.nodes}, end >= 0 && s.space(end) == len(text)
}

// whyNoTree says what is wrong with a text that newTree refuses.
func whyNoTree(text string) error {
	if len(text) > longest {
		return fmt.Errorf("must have at most %d MiB", longest>>20)
	}
	return json.Unmarshal([]byte(text), new(json.RawMessage))
}

// A scanner reads JSON by the grammar of RFC 8259. Each method is given where
// something begins, which may be the end of the text, and returns where it ends,
// or bad.
type scanner struct {
	text  string
	nodes []node
}

const bad = -1

// deepest is how deep encoding/json follows objects and arrays.
const deepest = 10000

// at returns the byte, or 0, which nothing begins with.
func (s *scanner) at(i int) byte {
	if uint(i) < uint(len(s.text)) {
		return s.text[i]
	}
	return 0
}

func (s *scanner) space(i int) int {
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\n' || s.text[i] == '\t' || s.text[i] == '\r') {
		i++
	}
	return i
}

// value adds a value and what is inside it.
func (s *scanner) value(start int, name span, depth int) int {
	self := len(s.nodes)
	s.nodes = append(s.nodes, node{name: name})
	end, plain := bad, false
	switch c := s.at(start); c {
	case '"':
		end, plain = s.quoted(start)
	case '{', '[':
		if depth < deepest {
			end = s.inside(start+1, c == '{', depth+1)
		}
	case 't':
		end = s.word(start, "true")
	case 'f':
		end = s.word(start, "false")
	case 'n':
		end = s.word(start, "null")
	default:
		end = s.number(start)
	}
	s.nodes[self].value, s.nodes[self].size = newSpan(start, end, plain), int32(len(s.nodes)-self)
	return end
}

// inside adds the members of an object, or the elements of an array.
func (s *scanner) inside(i int, isObject bool, depth int) int {
	last := byte(']')
	if isObject {
		last = '}'
	}
	if i = s.space(i); s.at(i) == last {
		return i + 1
	}
	for {
		var name span
		if isObject {
			if name = s.name(i); name.to == bad {
				return bad
			}
			i = s.space(s.space(int(name.to)) + 1) // beyond the colon
		}
		if i = s.value(i, name, depth); i == bad {
			return bad
		}
		switch i = s.space(i); s.at(i) {
		case last:
			return i + 1
		case ',':
			i = s.space(i + 1)
		default:
			return bad
		}
	}
}

// name reads a key that a colon follows.
func (s *scanner) name(start int) span {
	if s.at(start) != '"' {
		return span{to: bad}
	}
	end, plain := s.quoted(start)
	if end == bad || s.at(s.space(end)) != ':' {
		return span{to: bad}
	}
	return newSpan(start, end, plain)
}

func (s *scanner) quoted(i int) (end int, plain bool) {
	plain = true
	for i++; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			return i + 1, plain
		case c < ' ':
			return bad, false
		case c == '\\':
			plain = false
			if i = s.escape(i + 1); i == bad {
				return bad, false
			}
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return bad, false
}

// escape returns where the last byte is.
func (s *scanner) escape(i int) int {
	switch s.at(i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		for range 4 {
			i++
			if c := s.at(i); !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return bad
			}
		}
		return i
	}
	return bad
}

func (s *scanner) word(i int, word string) int {
	if strings.HasPrefix(s.text[i:], word) {
		return i + len(word)
	}
	return bad
}

func (s *scanner) number(i int) int {
	if s.at(i) == '-' {
		i++
	}
	if s.at(i) == '0' {
		i++
	} else if i = s.digits(i); i == bad {
		return bad
	}
	if s.at(i) == '.' {
		if i = s.digits(i + 1); i == bad {
			return bad
		}
	}
	if c := s.at(i); c == 'e' || c == 'E' {
		if c := s.at(i + 1); c == '+' || c == '-' {
			i++
		}
		return s.digits(i + 1)
	}
	return i
}

// digits reads at least one.
func (s *scanner) digits(start int) int {
	i := start
	for isDigit(s.at(i)) {
		i++
	}
	if i == start {
		return bad
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
