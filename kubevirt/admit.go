package kubevirt

import (
	"errors"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
)

// Admit turns findings into the answer of a validating webhook, as the methods
// of controller-runtime's admission.Validator return it: errors refuse the
// object, warnings are shown to the user, the rest is left out. Old are the
// findings of the object before an update, nil for a new one: what was wrong
// with it already is a warning, so that a VM whose network is broken can still
// be stopped, edited and deleted.
//
// The error joins a *field.Error for each finding that refuses.
func Admit(old, current []multihome.Finding) (warnings []string, err error) {
	type key struct{ code, message string } // paths change with the place in a list
	known := make(map[key]bool, len(old))
	for _, f := range old {
		known[key{f.Code, f.Message}] = true
	}
	var errs []error
	for _, f := range current {
		text := f.Message
		if f.Remedy != "" {
			text += "; " + f.Remedy
		}
		switch {
		case f.Severity == multihome.SeverityError && !known[key{f.Code, f.Message}]:
			errs = append(errs, field.Forbidden(field.NewPath(f.Path), f.Code+": "+text))
		case f.Severity == multihome.SeverityError || f.Severity == multihome.SeverityWarning:
			warnings = append(warnings, f.Path+": "+f.Code+": "+text)
		}
	}
	return warnings, errors.Join(errs...)
}
