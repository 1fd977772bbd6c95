package nad

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// join returns the errors as one, sorted by field, or nil.
func join(errs field.ErrorList) error {
	slices.SortFunc(errs, func(a, b *field.Error) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Error(), b.Error()))
	})
	joined := make([]error, len(errs))
	for i, err := range errs {
		joined[i] = err
	}
	return errors.Join(joined...)
}

// interfaceProblem says why Linux or libcni refuses the name of an interface,
// or "".
func interfaceProblem(name string) string {
	switch {
	case name == "":
		return "must not be empty"
	case len(name) > 15:
		return "must have at most 15 bytes"
	case name == "." || name == "..":
		return "must not be . or .."
	case strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == ':' || unicode.IsSpace(r) }):
		return "must not contain a slash, a colon or a space"
	}
	return ""
}

// isIPOrCIDR reports whether text is an address, with or without prefix length.
func isIPOrCIDR(text string) bool {
	if strings.Contains(text, "/") {
		_, _, err := net.ParseCIDR(text)
		return err == nil
	}
	return net.ParseIP(text) != nil
}

// shorten cuts a value to what fits into a message.
func shorten(value string) string {
	const length = 60
	if len(value) > length {
		return strings.ToValidUTF8(value[:length], "") + "..."
	}
	return value
}
