package nad

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
)

// A report collects what the rules found and is shared by all checkers of one
// network: findings for Lint, errors for a builder.
type report struct {
	found []multihome.Finding
	errs  field.ErrorList // of those findings that are errors
	zeros []string        // paths of keys that say "" or 0 in so many words
	nulls []string        // paths of keys that say null
}

// fail adds an error, up to the limit for errors.
func (r *report) fail(code string, err *field.Error, source string) {
	if len(r.errs) >= most {
		return
	}
	r.errs = append(r.errs, err)
	r.found = append(r.found, multihome.Finding{
		Code: "nad/" + code, Severity: multihome.SeverityError, Path: err.Field, Message: err.ErrorBody(), Source: source,
	})
}

// advise adds what is no error. It has a limit of its own, so that much advice
// hides no error.
func (r *report) advise(f multihome.Finding) {
	if len(r.found)-len(r.errs) < most {
		r.found = append(r.found, f)
	}
}

// warn adds what is accepted and likely wrong.
func (r *report) warn(path, code, message, remedy, source string) {
	r.advise(multihome.Finding{Code: "nad/" + code, Severity: multihome.SeverityWarning, Path: path, Message: message, Remedy: remedy, Source: source})
}

// tell adds what is right and good to know.
func (r *report) tell(path, code, message, remedy, source string) {
	r.advise(multihome.Finding{Code: "nad/" + code, Severity: multihome.SeverityInfo, Path: path, Message: message, Remedy: remedy, Source: source})
}

// findings returns everything about the object, sorted.
func (r *report) findings(object string) []multihome.Finding {
	for i := range r.found {
		r.found[i].Object = object
	}
	sortFindings(r.found)
	return r.found
}

// sortFindings sorts by object, then errors first, then by path.
func sortFindings(findings []multihome.Finding) {
	slices.SortStableFunc(findings, func(a, b multihome.Finding) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(rank(a.Severity), rank(b.Severity)),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
}

func rank(severity multihome.Severity) int {
	switch severity {
	case multihome.SeverityError:
		return 0
	case multihome.SeverityWarning:
		return 1
	default:
		return 2
	}
}
