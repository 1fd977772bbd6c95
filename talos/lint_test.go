package talos_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/talos"
)

func TestLintNetwork(t *testing.T) {
	codes := make(map[string]bool)
	for _, path := range layouts(t, "machine") {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/machine/"), ".txtar"), func(t *testing.T) {
			found := talos.LintNetwork(golden.Section(t, golden.Archive(t, path), "config.yaml"))
			checkFindings(t, found)
			for _, f := range found {
				codes[f.Code] = true
			}
			golden.Check(t, path, "findings.txt", findings(found))
		})
	}
	if len(codes) < 28 {
		t.Errorf("%d rules are shown, want all: %v", len(codes), codes)
	}
}

// TestLintPatch takes configuration as it is published, on a node that Talos
// configures by DHCP.
func TestLintPatch(t *testing.T) {
	node := []byte("machine:\n  type: worker\n---\napiVersion: v1alpha1\nkind: TimeSyncConfig\nenabled: true\n")
	for _, path := range layouts(t, "published") {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/published/"), ".txtar")
		t.Run(name, func(t *testing.T) {
			found := talos.LintPatch(node, golden.Section(t, golden.Archive(t, path), "patch.yaml"))
			checkFindings(t, found)
			isWrong := len(found) > 0 && found[0].Severity == multihome.SeverityError
			if right := strings.HasPrefix(name, "right-"); right && isWrong || strings.HasPrefix(name, "wrong-") && !isWrong {
				t.Errorf("errors found: %t", isWrong)
			}
			golden.Check(t, path, "findings.txt", findings(found))
		})
	}
}

// TestLintPatchBefore: what was wrong before is not the patch's fault, what is
// appended to is.
func TestLintPatchBefore(t *testing.T) {
	const bridge = "apiVersion: v1alpha1\nkind: BridgeConfig\nname: br0\nlinks: [eno1]\nstp: {enabled: true}\naddresses: [{address: 10.0.0.5/24}]\n"
	tests := []struct {
		name   string
		config string
		patch  string
		want   []string
	}{
		{"a second time", bridge, bridge, []string{"talos/duplicate-address", "talos/duplicate-link"}},
		{"an unrelated patch", bridge, "apiVersion: v1alpha1\nkind: DHCPv4Config\nname: eno2\n", nil},
		{"an unreadable config", "a: [", bridge, []string{"talos/machine-config"}},
		{"a config that is rejected", "machine:\n  x: y\n", bridge, []string{"talos/machine-config"}},
		{"a config that conflicts", bridge + "---\n" + bridge, bridge, []string{"talos/machine-config"}},
		{"a static node", "machine:\n  network:\n    interfaces: [{interface: eno1, addresses: [10.0.0.5/24]}]\n", "apiVersion: v1alpha1\nkind: DHCPv4Config\nname: eno2\n", nil},
		{"an entry without content", "machine:\n  network:\n    interfaces: [{interface: eno1, dhcp: true}]\n", "machine:\n  network:\n    interfaces:\n      -\n", []string{"talos/rejected"}},
		{"a kind that is not known", bridge, "apiVersion: v1alpha1\nkind: VethConfig\nname: veth0\n", []string{"talos/unknown-kind"}},
		{
			"the implicit DHCP", "machine:\n  type: worker\n", "apiVersion: v1alpha1\nkind: DHCPv4Config\nname: eno2\n",
			[]string{"talos/implicit-dhcp"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, f := range talos.LintPatch([]byte(test.config), []byte(test.patch)) {
				got = append(got, f.Code)
			}
			if strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// checkFindings: a finding says what and why, and never a secret.
func checkFindings(t *testing.T, found []multihome.Finding) {
	t.Helper()
	for _, f := range found {
		if !strings.HasPrefix(f.Code, "talos/") || f.Severity == "" || f.Message == "" || f.Remedy == "" || f.Source == "" {
			t.Errorf("incomplete: %#v", f)
		}
		if strings.Contains(f.String(), "secretsecret") {
			t.Errorf("quotes a value: %s", f)
		}
	}
}

// TestLintManyLinks: the work is bounded, and that is said.
func TestLintManyLinks(t *testing.T) {
	var config strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&config, "---\napiVersion: v1alpha1\nkind: DHCPv4Config\nname: eno%d\n", i)
	}
	found := talos.LintNetwork([]byte(config.String()))
	checkFindings(t, found)
	if len(found) != 1 || found[0].Code != "talos/too-many-links" {
		t.Errorf("%v", found)
	}
	p, err := talos.DHCPPatch("v1.13.9", talos.DHCPConfig{Link: "eno1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply([]byte(config.String())); err == nil || !strings.Contains(err.Error(), "more than 1000 links") {
		t.Errorf("Apply: %v", err)
	}
	ports := make([]string, 1001)
	for i := range ports {
		ports[i] = fmt.Sprintf("eno%d", i)
	}
	if _, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br0", Links: ports}); err == nil || !strings.Contains(err.Error(), "more than 1000 links") {
		t.Errorf("BridgePatch: %v", err)
	}
}
