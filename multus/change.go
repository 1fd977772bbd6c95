package multus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/apply"
)

// FieldManager is the name under which every field that this library sets is
// owned, as metadata.managedFields shows it.
const FieldManager = "multihome"

// Action says what happened, or would happen, to an object.
type Action string

const (
	// ActionNone means that the object is as wanted; nothing is written.
	ActionNone Action = "unchanged"
	// ActionCreate means that the object is new.
	ActionCreate Action = "created"
	// ActionUpdate means that fields of the object change.
	ActionUpdate Action = "updated"
	// ActionRemove means that the object goes: the DaemonSet of an
	// architecture that Config.ArchImages names no more.
	ActionRemove Action = "removed"
)

// Change is one object of a [Plan] or a [Result].
type Change struct {
	// Object is "Kind namespace/name", or "Kind name" without a namespace.
	Object string `json:"object"`
	Action Action `json:"action"`
	// Fields that change, in the object's order. Empty for a new object and
	// for one whose previous state was not read.
	Fields []FieldChange `json:"fields,omitempty"`
	// Conflicts are fields that another field manager owns with another
	// value. They are in a Plan only: a Result has none.
	Conflicts []Conflict `json:"conflicts,omitempty"`
}

// FieldChange is one field of a [Change].
type FieldChange struct {
	// Path is written as in JSON; items of lists are named by their key:
	// "spec.template.spec.containers[name=kube-multus].image".
	Path string `json:"path"`
	// From and To are JSON. Empty: the field is absent.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Conflict is a field that somebody else owns.
type Conflict struct {
	Path string `json:"path"`
	// Manager is the field manager: "kubectl-client-side-apply", "helm".
	Manager string `json:"manager"`
}

// String returns the change on one line, with a line more for each field.
func (c Change) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", c.Object, c.Action)
	for _, f := range c.Fields {
		fmt.Fprintf(&b, "\n  %s: %s -> %s", f.Path, orAbsent(f.From), orAbsent(f.To))
	}
	for _, f := range c.Conflicts {
		fmt.Fprintf(&b, "\n  %s: owned by %s", f.Path, f.Manager)
	}
	return b.String()
}

func orAbsent(value string) string {
	if value == "" {
		return "(absent)"
	}
	return value
}

// toChange translates what the engine reports.
func toChange(c apply.Change) Change {
	out := Change{Object: c.Object, Action: Action(c.Action)}
	for _, f := range c.Fields {
		out.Fields = append(out.Fields, FieldChange(f))
	}
	for _, f := range c.Conflicts {
		out.Conflicts = append(out.Conflicts, Conflict(f))
	}
	return out
}

// ConflictPolicy says what Install does about fields that others own.
type ConflictPolicy string

const (
	// ConflictFail leaves everything as it is and returns a [ConflictError].
	ConflictFail ConflictPolicy = ""
	// ConflictForce takes the fields that are wanted. Their owner may take
	// them back; fields that only the owner wants stay.
	ConflictForce ConflictPolicy = "force"
	// ConflictAdopt takes over the objects from those who installed them by
	// kubectl, Helm, Talos' inline manifests, Flux or Argo CD: their fields
	// become ours, and what is not wanted goes.
	ConflictAdopt ConflictPolicy = "adopt"
)

// validate refuses what is none of the constants.
func (p ConflictPolicy) validate() error {
	if known := []ConflictPolicy{ConflictFail, ConflictForce, ConflictAdopt}; !slices.Contains(known, p) {
		return fmt.Errorf("conflicts: %q is none of %q", p, known)
	}
	return nil
}

// ConflictError says that fields are owned by others with other values. The
// objects that it names were not changed.
type ConflictError struct {
	// Changes holds the objects with conflicts.
	Changes []Change
}

// Error names every field and its owner.
func (e *ConflictError) Error() string {
	var lines []string
	for _, change := range e.Changes {
		for _, c := range change.Conflicts {
			lines = append(lines, fmt.Sprintf("%s %s is owned by %s", change.Object, c.Path, c.Manager))
		}
	}
	return "conflicts: " + strings.Join(lines, "; ") +
		"; set InstallOptions.Conflicts to ConflictAdopt to take over from whoever installed them, or to ConflictForce to take these fields alone"
}

// PreflightError says that the cluster is not ready for the install or
// uninstall. Nothing was changed.
type PreflightError struct {
	// Findings are those that stand against it and were not ignored.
	Findings []multihome.Finding
}

// Error lists the findings, at most ten.
func (e *PreflightError) Error() string {
	const most = 10
	var lines []string
	for _, f := range e.Findings[:min(most, len(e.Findings))] {
		lines = append(lines, f.String())
	}
	if len(e.Findings) > most {
		lines = append(lines, fmt.Sprintf("and %d more", len(e.Findings)-most))
	}
	return "preflight: " + strings.Join(lines, "; ")
}

// blocking returns the findings that stop an install.
func blocking(findings []multihome.Finding, ignored []string) []multihome.Finding {
	var out []multihome.Finding
	for _, f := range findings {
		if f.Severity == multihome.SeverityError && !slices.Contains(ignored, f.Code) {
			out = append(out, f)
		}
	}
	return out
}
