package nad

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
)

// A problem is what a rule found: as an error for a builder, as a Finding for
// Lint.
type problem struct {
	severity multihome.Severity
	code     string
	err      field.Error
	remedy   string
	source   string
}

func (p problem) finding(object string) multihome.Finding {
	message := p.err.Detail
	if p.severity == multihome.SeverityError {
		message = p.err.ErrorBody()
	}
	return multihome.Finding{
		Code: "nad/" + p.code, Severity: p.severity, Object: object, Path: p.err.Field,
		Message: message, Remedy: p.remedy, Source: p.source,
	}
}

// A report collects problems and is shared by all checkers of one network.
type report struct {
	problems []problem
	errs     int      // how many of them are errors
	zeros    []string // paths of keys that say "" or 0 in so many words
	nulls    []string // paths of keys that say null
}

// add bounds errors and advice apart, so that much advice hides no error.
func (r *report) add(p problem) {
	isError := p.severity == multihome.SeverityError
	if isError && r.errs >= most || !isError && len(r.problems)-r.errs >= most {
		return
	}
	if isError {
		r.errs++
	}
	if r.problems == nil {
		r.problems = make([]problem, 0, 4) // they are large, and seldom more
	}
	r.problems = append(r.problems, p)
}

// errors returns what stops a builder.
func (r *report) errors() field.ErrorList {
	var errs field.ErrorList
	for _, p := range r.problems {
		if p.severity == multihome.SeverityError {
			errs = append(errs, &p.err)
		}
	}
	return errs
}

// findings returns everything, sorted.
func (r *report) findings(object string) []multihome.Finding {
	findings := make([]multihome.Finding, len(r.problems))
	for i, p := range r.problems {
		findings[i] = p.finding(object)
	}
	sortFindings(findings)
	return findings
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
