package nad

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// The functions of this file take JSON apart one level at a time. They are
// given only text that json.Valid accepted, so nothing in them can fail.

// A member is one key of an object with its value, as written.
type member struct {
	key   string
	value string
}

// members returns the members of an object in their order, duplicates too.
func members(object string) []member {
	out := make([]member, 0, 8)
	for i := skipSpace(object, 1); object[i] != '}'; {
		end := skipValue(object, i)
		key := unquote(object[i:end])
		i = skipSpace(object, skipSpace(object, end)+1) // beyond the colon
		end = skipValue(object, i)
		out = append(out, member{key, object[i:end]})
		if i = skipSpace(object, end); object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return out
}

// elements returns the values of an array.
func elements(array string) []string {
	var out []string
	for i := skipSpace(array, 1); array[i] != ']'; {
		end := skipValue(array, i)
		out = append(out, array[i:end])
		if i = skipSpace(array, end); array[i] == ',' {
			i = skipSpace(array, i+1)
		}
	}
	return out
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

func isNull(value string) bool { return value[0] == 'n' }

func skipSpace(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i.
func skipValue(text string, i int) int {
	depth := 0
	for {
		switch text[i] {
		case '"':
			i = skipString(text, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ' ', '\n', '\t', '\r', ',', ':':
			i++
			continue // never the end of a value
		default:
			i = skipLiteral(text, i)
		}
		if depth == 0 {
			return i
		}
	}
}

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
	for ; i < len(text); i++ {
		switch text[i] {
		case ' ', '\n', '\t', '\r', ',', ']', '}':
			return i
		}
	}
	return i
}
