package talos

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxLinkName is the longest name of a link in bytes (the kernel's IFNAMSIZ
// without the final zero byte).
const maxLinkName = 15

// joinErrors returns all problems of one input, sorted by field. A problem
// with the version becomes a *NotSupportedError.
func joinErrors(list field.ErrorList) error {
	slices.SortStableFunc(list, func(a, b *field.Error) int { return cmp.Compare(a.Field, b.Field) })
	errs := make([]error, 0, len(list))
	for _, err := range list {
		if missing, ok := err.BadValue.(*NotSupportedError); ok {
			errs = append(errs, missing)
			continue
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unsupported is a *NotSupportedError that travels in a field.ErrorList.
func unsupported(at *field.Path, feature string, v version, minimum string) *field.Error {
	return field.Invalid(at, &NotSupportedError{Field: at.String(), Feature: feature, Version: v.text, Minimum: minimum}, feature)
}

// validateLinkName checks a name that the kernel must accept.
func validateLinkName(at *field.Path, name string) field.ErrorList {
	switch {
	case name == "":
		return field.ErrorList{field.Required(at, "the name of a link such as eno1 or br0")}
	case len(name) > maxLinkName:
		return field.ErrorList{field.TooLong(at, name, maxLinkName)}
	case name == "." || name == ".." || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == ':' || r == '%' }):
		return field.ErrorList{field.Invalid(at, name, "must be printable ASCII without blanks, /, : and %")}
	}
	return nil
}

// validatePorts checks the ports of a bridge or bond.
func validatePorts(at *field.Path, master string, links []string) field.ErrorList {
	var errs field.ErrorList
	for i, name := range links {
		errs = append(errs, validateLinkName(at.Index(i), name)...)
		if slices.Contains(links[:i], name) {
			errs = append(errs, field.Duplicate(at.Index(i), name))
		}
		if name == master && name != "" {
			errs = append(errs, field.Invalid(at.Index(i), name, "is the link itself"))
		}
	}
	return errs
}

func validateHardwareAddr(at *field.Path, value string, v version, form Form) field.ErrorList {
	if value == "" {
		return nil
	}
	if mac, err := net.ParseMAC(value); err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		return field.ErrorList{field.Invalid(at, value, "must be a unicast MAC address such as 00:1a:2b:3c:4d:5e")}
	}
	if form == FormLegacy {
		feature := "a fixed hardware address of a bridge or bond"
		if v.documents() {
			feature += " in the legacy form"
		}
		return field.ErrorList{unsupported(at, feature, v, "v1.12")}
	}
	return nil
}

func validateEnum[T ~string](at *field.Path, value T, allowed ...T) field.ErrorList {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(at, value, allowed)}
}

func validatePrimary(at *field.Path, p PrimaryLink) field.ErrorList {
	if p.Name == "" {
		if len(p.Addresses)+len(p.Routes) > 0 {
			return field.ErrorList{field.Required(at.Child("name"), "it says which link has the addresses and routes")}
		}
		return nil
	}
	errs := validateLinkName(at.Child("name"), p.Name)
	errs = append(errs, validateAddresses(at.Child("addresses"), p.Addresses)...)
	errs = append(errs, validateRoutes(at.Child("routes"), p.Routes)...)
	if len(p.Routes) > 0 && len(p.Addresses) == 0 {
		errs = append(errs, field.Required(at.Child("addresses"), "routes need an address"))
	}
	return errs
}
