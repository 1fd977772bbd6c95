//go:build unix

package multus_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome/multus"
)

// TestStartupProbe runs the probe's program, as rendered, on directories of
// this machine, with each shell: it says whether Multus' configuration is there,
// and then takes thin Multus' away, but not before.
func TestStartupProbe(t *testing.T) {
	probe := startupProbe(t, multus.Platform{PrimaryCNI: "flannel", Runtime: "containerd://2.1.5"})
	const net, binary = "etc/cni/net.d/", "opt/cni/bin/multus"
	primary := map[string]string{net + "10-flannel.conflist": conflist}
	thin := map[string]string{
		net + "10-flannel.conflist": conflist, net + "00-multus.conflist": "{}", net + "multus.d/multus.kubeconfig": "x", net + "multus.d/other": "y",
		binary: "b", binary + "-shim": "s",
	}
	thick := map[string]string{net + "10-flannel.conflist": conflist, net + "00-multus.conf": "{}"}
	both := map[string]string{net + "00-multus.conf": "{}"}
	maps.Copy(both, thin)
	tests := []struct {
		name          string
		before, after map[string]string
		ready         bool
	}{
		{"not yet", primary, primary, false},
		{"not yet, thin Multus before", thin, thin, false},
		{"there", thick, thick, true},
		{"there, thin Multus before", both, map[string]string{
			net + "10-flannel.conflist": conflist, net + "00-multus.conf": "{}", net + "multus.d/other": "y", binary + "-shim": "s",
		}, true},
	}
	for _, tt := range tests {
		for _, shell := range shells(t) {
			t.Run(tt.name+" "+shell.name, func(t *testing.T) {
				node := newCleanNode(t, shell, corev1.Container{}, tt.before)
				for _, word := range probe {
					if strings.HasPrefix(word, "/host/") || strings.HasPrefix(word, "/opt/") {
						word = filepath.Join(node.root, strings.TrimPrefix(word, "/host"))
					}
					node.program.Command = append(node.program.Command, word)
				}
				if out, err := node.clean(); (err == nil) != tt.ready {
					t.Errorf("ready: %v, want %t\n%s", err, tt.ready, out)
				}
				if diff := cmp.Diff(tt.after, node.files()); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// startupProbe is the command of the probe on a platform.
func startupProbe(t *testing.T, platform multus.Platform) []string {
	t.Helper()
	bundle, err := multus.Render(multus.Config{Platform: platform})
	if err != nil {
		t.Fatal(err)
	}
	return bundle.DaemonSets[0].Spec.Template.Spec.Containers[0].StartupProbe.Exec.Command
}

// TestThinBinary goes where the runtime is known not to miss it.
func TestThinBinary(t *testing.T) {
	for _, tt := range []struct {
		platform multus.Platform
		want     bool
	}{
		{multus.Platform{}, false},
		{multus.Platform{Runtime: "cri-o://1.34.0"}, false},
		{multus.Platform{Runtime: "containerd://1.7.28"}, true},
		{multus.Platform{Talos: "v1.13.9"}, true},
	} {
		if got := slices.Contains(startupProbe(t, tt.platform), "/opt/cni/bin/multus"); got != tt.want {
			t.Errorf("%+v: the probe removes thin Multus' binary: %t, want %t", tt.platform, got, tt.want)
		}
	}
}
