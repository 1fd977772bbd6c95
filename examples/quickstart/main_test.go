package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestQuickstart(t *testing.T) {
	tests := []struct {
		name string
		args []string
		ok   bool
		want []string // in this order
	}{
		{"simulated", nil, true, []string{
			"3 nodes: Talos v1.13.9, cilium, amd64, arm64",
			"error cilium/exclusive", "== Plan", "DaemonSet kube-system/kube-multus-ds created", "fix netns:",
			"== Install", "node worker-2 ready (3 of 3)", "done: 3 of 3 nodes ready",
			"== Status", "Multus v4.3.0 by multihome: 3 of 3 nodes ready",
			"net1 of default/quickstart has 192.168.1.200",
		}},
		{"render", []string{"-render"}, true, []string{
			"kind: CustomResourceDefinition", "kind: ServiceAccount", "kind: DaemonSet", "path: /var/run/netns/",
		}},
		{"no such kubeconfig", []string{"-kubeconfig", "nowhere"}, false, []string{"nowhere"}},
		{"unknown flag", []string{"-x"}, false, []string{"-x"}},
	}
	binary := filepath.Join(t.TempDir(), "quickstart")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), binary, test.args...).CombinedOutput()
			if ok := err == nil; ok != test.ok {
				t.Errorf("succeeded: %v, want %v", ok, test.ok)
			}
			rest := string(out)
			for _, want := range test.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q, or not in its place, in:\n%s", want, out)
				}
				rest = after
			}
		})
	}
}
