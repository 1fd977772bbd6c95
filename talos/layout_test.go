package talos_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/talos"
)

// step is one call of a layout; exactly one field is set. internal/conformance
// reads the same files.
type step struct {
	Bridge *talos.BridgeConfig `json:"bridge"`
	Bond   *talos.BondConfig   `json:"bond"`
	VLAN   *talos.VLANConfig   `json:"vlan"`
	Link   *talos.LinkConfig   `json:"link"`
	DHCP   *talos.DHCPConfig   `json:"dhcp"`
}

func (s step) patch(version string) (talos.Patch, error) {
	switch {
	case s.Bridge != nil:
		return talos.BridgePatch(version, *s.Bridge)
	case s.Bond != nil:
		return talos.BondPatch(version, *s.Bond)
	case s.VLAN != nil:
		return talos.VLANPatch(version, *s.VLAN)
	case s.Link != nil:
		return talos.LinkPatch(version, *s.Link)
	case s.DHCP != nil:
		return talos.DHCPPatch(version, *s.DHCP)
	}
	return talos.Patch{}, fmt.Errorf("a step without a patch")
}

// layout builds the patch that a file of testdata describes.
func layout(tb testing.TB, path, version string) (talos.Patch, error) {
	tb.Helper()
	decoder := json.NewDecoder(bytes.NewReader(golden.Section(tb, golden.Archive(tb, path), "config.json")))
	decoder.DisallowUnknownFields()
	var steps []step
	if err := decoder.Decode(&steps); err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	var patches []talos.Patch
	for _, s := range steps {
		p, err := s.patch(version)
		if err != nil {
			return talos.Patch{}, err
		}
		patches = append(patches, p)
	}
	if len(patches) == 1 {
		return patches[0], nil
	}
	return talos.Combine(patches...)
}

// layouts lists the files of a folder of testdata.
func layouts(tb testing.TB, folder string) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/" + folder + "/*.txtar")
	if err != nil || len(files) == 0 {
		tb.Fatalf("%d files, error %v", len(files), err)
	}
	return files
}

// printed is what a golden section holds.
func printed(p talos.Patch, err error) string {
	if err != nil {
		return "# refused\n# " + strings.ReplaceAll(err.Error(), "\n", "\n# ") + "\n"
	}
	return p.String()
}

// TestLayouts: the versions of one line get the same patch.
func TestLayouts(t *testing.T) {
	lines := [][]string{
		{"v1.7", "v1.7.6"},
		{"v1.8", "v1.8.3"},
		{"v1.9", "v1.9.5", "v1.10.6", "1.11.6"},
		{"v1.12", "v1.12.7", "v1.13.9", "v1.14.1", "v1.15.0-alpha.0"},
	}
	for _, path := range append(layouts(t, "layouts"), layouts(t, "wrong")...) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			for _, line := range lines {
				first := printed(layout(t, path, line[0]))
				golden.Check(t, path, line[0]+".yaml", []byte(first))
				for _, version := range line[1:] {
					want := strings.ReplaceAll(first, "Talos "+line[0], "Talos "+version)
					if got := printed(layout(t, path, version)); got != want {
						t.Errorf("%s differs from %s:\n%s", version, line[0], got)
					}
				}
			}
			p, err := layout(t, path, "v1.13.9")
			if wrong := strings.HasPrefix(path, "testdata/wrong") && !strings.HasSuffix(path, "bridge-form-documents.txtar"); (err != nil) != wrong {
				t.Errorf("refused: %v, want %t", err, wrong)
			}
			golden.Check(t, path, "findings.txt", findings(p.Findings))
		})
	}
}

// findings prints one finding a line.
func findings(all []multihome.Finding) []byte {
	var b bytes.Buffer
	for _, f := range all {
		fmt.Fprintln(&b, f)
	}
	if b.Len() == 0 {
		b.WriteString("none\n")
	}
	return b.Bytes()
}
