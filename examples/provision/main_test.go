package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/multihome/multihome/talos"
)

func TestProvision(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "provision")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := filepath.Join(t.TempDir(), "lab")
	out, err := exec.CommandContext(t.Context(), binary, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wants := map[string][]string{
		"controlplane.yaml":  {"type: controlplane", "kind: BridgeConfig", "kind: DHCPv4Config\nname: eno1", "name: none", "disabled: true", "name: multus", "kube-multus-ds"},
		"worker.yaml":        {"type: worker", "kind: BridgeConfig", "kind: DHCPv4Config\nname: eno1", "name: none"},
		"talosconfig":        {"context: lab"},
		"cilium-values.yaml": {"exclusive: false", "kubeProxyReplacement: true", "hostNamespaceOnly: true", "k8sServicePort: 7445"},
	}
	for name, want := range wants {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !bytes.Contains(content, []byte(text)) {
				t.Errorf("%s: no %q", name, text)
			}
		}
		if !strings.Contains(string(out), "wrote "+name) {
			t.Errorf("no word of %s in:\n%s", name, out)
		}
		if name == "worker.yaml" && bytes.Contains(content, []byte("multus")) {
			t.Error("a worker has the manifest of Multus")
		}
		if strings.HasSuffix(name, "er.yaml") || strings.HasPrefix(name, "control") {
			for _, finding := range talos.LintNetwork(content) {
				t.Logf("%s: %s", name, finding)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), binary).CombinedOutput(); err == nil {
		t.Errorf("without a directory: %s", out)
	}
}
