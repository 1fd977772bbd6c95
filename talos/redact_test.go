package talos_test

import (
	"strings"
	"testing"

	"github.com/multihome/multihome/talos"
)

// TestNoSecrets: whatever is wrong with a machine config, no error and no
// finding has a value of it.
func TestNoSecrets(t *testing.T) {
	const secret = "s3cr3t0"
	configs := []string{
		"machine:\n  token: [" + secret + "]\n",
		"machine:\n  token: {a: " + secret + "}\n",
		"machine:\n  certSANs: " + secret + "\n",
		"machine:\n  ca: " + secret + "\n",
		"machine:\n  ca: {crt: " + secret + ", key: \"" + secret + "!\"}\n",
		"machine:\n  unknown: " + secret + "\n",
		"machine:\n  unknown: [{a: [" + secret + "]}, " + secret + "]\n",
		"machine:\n  token: \"" + secret + "\n",
		"machine:\n  token: '" + secret + "\n",
		"machine:\n  token: " + secret + ": " + secret + "\n",
		"machine:\n  token: *" + secret + "\n",
		"machine:\n  token: !!int " + secret + "\n",
		"machine:\n  token: !!binary " + secret + "\n",
		"machine:\n  time: {bootTimeout: " + secret + "}\n",
		"machine:\n  features: {rbac: " + secret + "}\n",
		"machine:\n  network:\n    interfaces: [{mtu: " + secret + "}]\n",
		"machine:\n  install: {disk: {" + secret + ": 1}, wipe: " + secret + "}\n",
		"cluster:\n  secret: [\"" + secret + "\"]\n  controlPlane: {endpoint: \":" + secret + "%\"}\n",
		"cluster:\n  aescbcEncryptionSecret: |\n   " + secret + "\n  " + secret + "\n",
		"apiVersion: v1alpha1\nkind: WireguardConfig\nname: wg0\nprivateKey: [" + secret + "]\n",
		"apiVersion: v1alpha1\nkind: WireguardConfig\nname: wg0\npeers: " + secret + "\n",
		"apiVersion: v1alpha1\nkind: TrustedRootsConfig\nname: a\ncertificate: " + secret + "\n",
		"apiVersion: v1alpha1\nkind: SideroLinkConfig\napiUrl: \"%" + secret + "\"\n",
		secret, "- " + secret, "a: [" + secret, "\"" + secret, "a: b\n" + secret + "\n", "machine: &a {token: " + secret + "}\nx: *a\n",
	}
	p, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br0", Links: []string{"eno1"}})
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, config := range configs {
		if _, err := p.Apply([]byte(config)); err != nil {
			wrong++
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q\nApply: %v", config, err)
			}
		}
		for _, f := range append(talos.LintNetwork([]byte(config)), talos.LintPatch([]byte("machine: {}\n"), []byte(config))...) {
			if strings.Contains(f.String(), secret) {
				t.Errorf("%q\n%s", config, f)
			}
		}
	}
	if wrong < len(configs)-4 {
		t.Errorf("only %d of %d configs are rejected", wrong, len(configs))
	}
}
