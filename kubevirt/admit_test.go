package kubevirt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/kubevirt"
)

func TestAdmit(t *testing.T) {
	broken := multihome.Finding{Code: "kubevirt/nad-missing", Severity: multihome.SeverityError, Path: "spec.networks[0]", Message: "there is no NAD vms/a", Remedy: "create it"}
	moved := broken
	moved.Path = "spec.networks[1]"
	other := broken
	other.Message = "there is no NAD vms/b"
	warning := multihome.Finding{Code: "kubevirt/ipam-bridge", Severity: multihome.SeverityWarning, Path: "spec", Message: "gives an address"}
	info := multihome.Finding{Code: "kubevirt/x", Severity: multihome.SeverityInfo, Path: "spec", Message: "is so"}
	tests := []struct {
		name         string
		old, current []multihome.Finding
		warnings     []string
		refused      []string // paths
	}{
		{name: "nothing"},
		{name: "info", current: []multihome.Finding{info, {Message: "no severity"}}},
		{name: "new", current: []multihome.Finding{broken, other, warning, info}, warnings: []string{"spec: kubevirt/ipam-bridge: gives an address"}, refused: []string{"spec.networks[0]", "spec.networks[0]"}},
		{name: "known", old: []multihome.Finding{broken}, current: []multihome.Finding{moved}, warnings: []string{"spec.networks[1]: kubevirt/nad-missing: there is no NAD vms/a; create it"}},
		{name: "one more", old: []multihome.Finding{broken}, current: []multihome.Finding{broken, other}, warnings: []string{"spec.networks[0]: kubevirt/nad-missing: there is no NAD vms/a; create it"}, refused: []string{"spec.networks[0]"}},
		{name: "mended", old: []multihome.Finding{broken}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			warnings, err := kubevirt.Admit(tt.old, tt.current)
			if diff := cmp.Diff(tt.warnings, warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			var refused []string
			if err != nil {
				for _, part := range parts(err) {
					if problem, ok := errors.AsType[*field.Error](part); ok && strings.HasPrefix(problem.Detail, "kubevirt/") {
						refused = append(refused, problem.Field)
					}
				}
			}
			if diff := cmp.Diff(tt.refused, refused); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
