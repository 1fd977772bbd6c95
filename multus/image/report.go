package image

import (
	"fmt"
	"slices"
	"strings"

	"github.com/multihome/multihome"
)

// Report is what Verify saw of an image. It is a plain value.
type Report struct {
	// Ref is the reference that was asked for.
	Ref string `json:"ref"`
	// Digest of the index, or of the image where there is none. Empty: what
	// was read has none, such as a tarball of docker save.
	Digest string `json:"digest,omitempty"`
	// Platforms holds those asked for, in their order.
	Platforms []Platform `json:"platforms"`
	// Others are platforms of the index that were not asked for.
	Others []string `json:"others,omitempty"`
	// Findings is all that is wrong or good to know.
	Findings []multihome.Finding `json:"findings,omitempty"`
	// Fetched is how many bytes were read: manifests, configurations and as
	// much of the layers as it took.
	Fetched int64 `json:"fetched"`
}

// Platform is the image for one platform.
type Platform struct {
	// Platform is what was asked for: "linux/arm64".
	Platform string `json:"platform"`
	// Present: the index holds an image for it.
	Present bool `json:"present"`
	// Entry of the index that a node of this platform takes: the platform
	// itself or, if that is not present, one that containerd falls back to.
	// Empty: a pull fails.
	Entry string `json:"entry,omitempty"`
	// Digest of the image's manifest.
	Digest string `json:"digest,omitempty"`
	// Size of its layers as they are stored, in bytes.
	Size int64 `json:"size,omitempty"`
	// Programs that the image must hold. Empty: there is no image to look into.
	Programs []Program `json:"programs,omitempty"`
}

// Program is one file that pods run, or copy to the node.
type Program struct {
	// Name is what was looked for: an absolute path or, as in a shell, a name.
	Name string `json:"name"`
	// Path of its file, links followed. Empty: it is not there.
	Path string `json:"path,omitempty"`
	// Layer that holds the file, by digest.
	Layer string `json:"layer,omitempty"`
	// Binary is what the file's header says.
	Binary
}

// ReportError says that an image does not run where it was asked to.
type ReportError struct {
	// Ref is the image.
	Ref string
	// Findings are those of severity error.
	Findings []multihome.Finding
}

// Error lists the findings, at most ten.
func (e *ReportError) Error() string {
	const most = 10
	var lines []string
	for _, f := range e.Findings[:min(most, len(e.Findings))] {
		lines = append(lines, f.String())
	}
	if len(e.Findings) > most {
		lines = append(lines, fmt.Sprintf("and %d more", len(e.Findings)-most))
	}
	return fmt.Sprintf("image %s: %s", e.Ref, strings.Join(lines, "; "))
}

// Err returns a *[ReportError] if a finding of severity error stands, or nil:
// the image runs on every platform that was asked for.
func (r Report) Err() error {
	out := &ReportError{Ref: r.Ref}
	for _, f := range r.Findings {
		if f.Severity == multihome.SeverityError {
			out.Findings = append(out.Findings, f)
		}
	}
	if len(out.Findings) == 0 {
		return nil
	}
	return out
}

// Platform returns the image for one platform, and whether it was asked for.
func (r Report) Platform(name string) (Platform, bool) {
	i := slices.IndexFunc(r.Platforms, func(p Platform) bool { return p.Platform == name })
	if i < 0 {
		return Platform{}, false
	}
	return r.Platforms[i], true
}

// String returns the report for a terminal: a line for each platform and each
// of its programs, then the findings.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Ref, r.Digest)
	for _, p := range r.Platforms {
		switch {
		case p.Entry == "":
			fmt.Fprintf(&b, "  %s: missing\n", p.Platform)
		case p.Present:
			fmt.Fprintf(&b, "  %s: %s\n", p.Platform, p.Digest)
		default:
			fmt.Fprintf(&b, "  %s: missing; nodes take %s in its place: %s\n", p.Platform, p.Entry, p.Digest)
		}
		for _, program := range p.Programs {
			if program.Path == "" {
				fmt.Fprintf(&b, "    %s: missing\n", program.Name)
			} else {
				fmt.Fprintf(&b, "    %s: %s\n", program.Name, program.Binary)
			}
		}
	}
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}
