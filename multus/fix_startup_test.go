//go:build unix

package multus_test

import (
	"maps"
	"path/filepath"
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
	bundle, err := multus.Render(onFlannel)
	if err != nil {
		t.Fatal(err)
	}
	probe := bundle.DaemonSets[0].Spec.Template.Spec.Containers[0].StartupProbe.Exec.Command
	const net = "etc/cni/net.d/"
	primary := map[string]string{net + "10-flannel.conflist": conflist}
	thin := map[string]string{
		net + "10-flannel.conflist": conflist, net + "00-multus.conflist": "{}", net + "multus.d/multus.kubeconfig": "x", net + "multus.d/other": "y",
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
			net + "10-flannel.conflist": conflist, net + "00-multus.conf": "{}", net + "multus.d/other": "y",
		}, true},
	}
	for _, tt := range tests {
		for _, shell := range shells(t) {
			t.Run(tt.name+" "+shell.name, func(t *testing.T) {
				node := newCleanNode(t, shell, corev1.Container{}, tt.before)
				for _, word := range probe {
					if onHost, ok := strings.CutPrefix(word, "/host/"); ok {
						word = filepath.Join(node.root, onHost)
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
