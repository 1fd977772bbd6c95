package kubevirt_test

import (
	"testing"

	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome/kubevirt"
)

func TestPodInterfaceName(t *testing.T) {
	tests := []struct{ network, want string }{ // sha256sum has the digits
		{"", "pode3b0c44298f"},
		{"lan", "pod094a367b026"},
	}
	for _, tt := range tests {
		if got := kubevirt.PodInterfaceName(tt.network); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.network, got, tt.want)
		}
	}
}

// TestNameCollision: the two names have the same first 44 bits of SHA-256.
func TestNameCollision(t *testing.T) {
	const one, other = "lan199895", "lan12031954"
	if kubevirt.PodInterfaceName(one) != kubevirt.PodInterfaceName(other) {
		t.Fatalf("%s and %s differ", kubevirt.PodInterfaceName(one), kubevirt.PodInterfaceName(other))
	}
	spec := &kubevirtv1.VirtualMachineInstanceSpec{}
	for _, name := range []string{one, other, "dmz"} {
		iface, network := kubevirt.BridgeInterface(name, "vms/lan")
		if err := kubevirt.Attach(spec, iface, network); err != nil {
			t.Fatal(err)
		}
	}
	findings := kubevirt.Check("vms", spec, kubevirt.NADs(defs(t)...))
	if len(findings) != 1 || findings[0].Code != "kubevirt/interface-name" || findings[0].Path != "spec.networks[2].name" {
		t.Errorf("got %v", findings)
	}
}
