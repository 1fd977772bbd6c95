package talos_test

import (
	"bytes"
	"testing"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/talos"
)

// seeds adds the machine configs of testdata.
func seeds(f *testing.F) {
	for folder, section := range map[string]string{"apply": "config.yaml", "machine": "config.yaml", "published": "patch.yaml"} {
		for _, path := range layouts(f, folder) {
			f.Add(golden.Section(f, golden.Archive(f, path), section))
		}
	}
}

// FuzzApply: no machine config makes Apply panic, and what it returns loads and
// does not change when it is patched again.
func FuzzApply(f *testing.F) {
	seeds(f)
	var patches []talos.Patch
	for _, version := range []string{"v1.11.6", "v1.14.1"} {
		bridge, err := talos.BridgePatch(version, talos.BridgeConfig{Name: "br0", Links: []string{"eno1"}, PrimaryLink: talos.PrimaryLink{Name: "eno1"}})
		if err != nil {
			f.Fatal(err)
		}
		vlan, err := talos.VLANPatch(version, talos.VLANConfig{Parent: "bond0", ID: 100, Addresses: []string{"10.100.0.3/24"}})
		if err != nil {
			f.Fatal(err)
		}
		none, err := talos.NoCNIPatch(version, talos.NoCNIConfig{DisableKubeProxy: true})
		if err != nil {
			f.Fatal(err)
		}
		all, err := talos.Combine(bridge, vlan, none)
		if err != nil {
			f.Fatal(err)
		}
		patches = append(patches, all)
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		for _, p := range patches {
			once, err := p.Apply(config)
			if err != nil {
				continue
			}
			twice, err := p.Apply(once)
			if err != nil {
				t.Fatalf("the result cannot be patched: %v\n%s\n---- from\n%s", err, once, config)
			}
			if !bytes.Equal(once, twice) {
				t.Fatalf("a second time changes it:\n%s\n---- to\n%s", once, twice)
			}
		}
	})
}

// FuzzLintNetwork: no machine config makes it panic, and every finding is whole.
func FuzzLintNetwork(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, config []byte) {
		for _, finding := range talos.LintNetwork(config) {
			if finding.Code == "" || finding.Severity == "" || finding.Message == "" {
				t.Fatalf("%#v", finding)
			}
		}
	})
}

// FuzzLintPatch: no pair of a machine config and a patch makes it panic.
func FuzzLintPatch(f *testing.F) {
	for _, path := range layouts(f, "published") {
		f.Add([]byte("machine:\n  type: worker\n"), golden.Section(f, golden.Archive(f, path), "patch.yaml"))
	}
	f.Fuzz(func(_ *testing.T, config, patch []byte) {
		talos.LintPatch(config, patch)
	})
}
