package talos

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"

	"github.com/multihome/multihome"
)

// Patch is a change to a machine config. It is a value that is never changed:
// safe for concurrent use. The zero Patch changes nothing.
type Patch struct {
	// Findings is what to know before applying the patch, most severe first.
	// What only the machine config can tell is found by [LintPatch].
	Findings []multihome.Finding

	version   version
	form      Form // of network configuration; empty for other patches
	primary   string
	assumed   []string // masters that use DHCP because nothing else is known
	legacy    legacyConfig
	documents []document
	upgraded  legacyConfig // instead of documents where the config has cluster.network or cluster.proxy
	extra     []multihome.Finding
	yaml      []byte
}

// finish prints the patch and looks at it.
func (p Patch) finish() (Patch, error) {
	var values []any
	if !p.legacy.isZero() {
		values = append(values, p.legacy)
	}
	for _, d := range p.documents {
		values = append(values, d)
	}
	if len(values) > 0 {
		text, err := encode(values...)
		if err != nil {
			return Patch{}, fmt.Errorf("patch: %w", err)
		}
		p.yaml = text
	}
	if p.model().truncated {
		return Patch{}, errors.New("patch: has more than " + itoa(maxViews) + " links or ports, which no node has")
	}
	p.Findings = append(p.lint(), p.extra...)
	sortFindings(p.Findings)
	return p, nil
}

// YAML returns the patch as a person would write it, for talosctl and for
// reading: a strategic merge patch without comments and empty fields. talosctl
// appends to lists, so it must not apply the same patch twice; [Patch.Apply]
// can. The slice is the caller's own.
func (p Patch) YAML() []byte { return slices.Clone(p.yaml) }

// String returns the same as YAML.
func (p Patch) String() string { return string(p.yaml) }

// Patches returns the patch for programs that use Talos' machinery themselves.
// As with talosctl, lists grow if it is applied twice. The error says which
// document machinery does not know, where it is older than the Talos version.
func (p Patch) Patches() ([]configpatcher.Patch, error) {
	if len(p.yaml) == 0 {
		return nil, nil
	}
	chunks, err := readChunks(p.yaml)
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	for _, c := range chunks {
		if c.wire.Kind == "" || c.wire.Patch != "" {
			continue
		}
		loaded, err := c.load(false)
		if err != nil {
			return nil, fmt.Errorf("patch: %w", err)
		}
		if _, unknown := loaded.(opaque); unknown {
			return nil, fmt.Errorf("patch: %s: the linked machinery does not know this kind, Apply does", c.object())
		}
	}
	patch, err := configpatcher.LoadPatch(p.yaml)
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	return []configpatcher.Patch{patch}, nil
}

// model of what the patch writes.
func (p Patch) model() model { return newModel(&p.legacy, p.documents) }

// sortFindings puts errors first and keeps the order of the rest.
func sortFindings(findings []multihome.Finding) {
	rank := func(f multihome.Finding) int {
		return slices.Index([]multihome.Severity{multihome.SeverityError, multihome.SeverityWarning, multihome.SeverityInfo}, f.Severity)
	}
	slices.SortStableFunc(findings, func(a, b multihome.Finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Code, b.Code))
	})
}
