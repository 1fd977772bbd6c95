package lab_test

import (
	"strings"
	"testing"

	"github.com/multihome/multihome/internal/e2e/lab"
)

// TestOptions: what makes no sense is refused before anything is built.
func TestOptions(t *testing.T) {
	tests := []struct {
		name    string
		options lab.Options
		want    string
	}{
		{"layout", lab.Options{Layout: "windows"}, `layout "windows": unknown`},
		{"primary CNI", lab.Options{PrimaryCNI: "cilium"}, `primary CNI "cilium": unknown`},
		{"nodes", lab.Options{Nodes: 101}, "101 nodes: must be 1 to 100"},
		{"release", lab.Options{Multus: []string{"v3.9.3"}}, "multus v3.9.3: not among"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := lab.Build(t.Context(), tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}
