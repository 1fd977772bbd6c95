package talos_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome/talos"
)

func TestVersions(t *testing.T) {
	tests := []struct {
		name    string
		version string
		want    string // in the error; empty for none
	}{
		{"full", "v1.13.9", ""},
		{"without v", "1.13.9", ""},
		{"minor", "v1.7", ""},
		{"alpha", "v1.15.0-alpha.1", ""},
		{"next major", "v2.0.0", ""},
		{"empty", "", `talos version "": must be a version such as v1.13.9`},
		{"latest", "latest", `talos version "latest": must be a version such as v1.13.9`},
		{"old", "v1.6.8", "patching is not supported by Talos v1.6.8, it needs at least v1.7"},
	}
	calls := map[string]func(version string) (talos.Patch, error){
		"bridge":   func(v string) (talos.Patch, error) { return talos.BridgePatch(v, talos.BridgeConfig{Name: "br0"}) },
		"manifest": func(v string) (talos.Patch, error) { return talos.InlineManifestPatch(v, "a", []byte(object)) },
		"cni":      func(v string) (talos.Patch, error) { return talos.NoCNIPatch(v, talos.NoCNIConfig{}) },
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, call := range calls {
				_, err := call(test.version)
				if got := text(err); got != test.want {
					t.Errorf("%s: got %q, want %q", name, got, test.want)
				}
			}
		})
	}
}

// TestErrorTypes: what callers branch on is found in the joined error.
func TestErrorTypes(t *testing.T) {
	_, err := talos.BridgePatch("v1.7.6", talos.BridgeConfig{
		Links: []string{"a b"}, HardwareAddr: "00:1a:2b:3c:4d:5e", VLANFiltering: true,
		Selectors: []talos.LinkSelector{{Driver: "igc"}},
	})
	var missing *talos.NotSupportedError
	if !errors.As(err, &missing) || missing.Version != "v1.7.6" || missing.Minimum == "" || missing.Feature == "" {
		t.Errorf("no NotSupportedError: %v", err)
	}
	if _, ok := errors.AsType[*field.Error](err); !ok {
		t.Errorf("no field.Error: %v", err)
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 5 {
		t.Errorf("%d problems, want 5: %v", lines, err)
	}
	_, err = talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br0", HardwareAddr: "00:1a:2b:3c:4d:5e", Form: talos.FormLegacy})
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "in the legacy form") {
		t.Errorf("%v", err)
	}
	if got := (&talos.NotSupportedError{Feature: "this", Version: "v1.7"}).Error(); got != "this is not supported by Talos v1.7" {
		t.Error(got)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
