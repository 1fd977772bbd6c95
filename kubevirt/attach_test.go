package kubevirt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome/kubevirt"
)

// attached is what a test looks at of a spec.
func attached(t *testing.T, spec *kubevirtv1.VirtualMachineInstanceSpec) string {
	t.Helper()
	out, err := yaml.Marshal(map[string]any{"interfaces": spec.Domain.Devices.Interfaces, "networks": spec.Networks})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAttach(t *testing.T) {
	const podAndLAN = `interfaces:
- masquerade: {}
  name: default
- bridge: {}
  name: lan
networks:
- name: default
  pod: {}
- multus:
    networkName: vms/lan
  name: lan
`
	lan, lanNetwork := kubevirt.BridgeInterface("lan", "vms/lan")
	tests := []struct {
		name    string
		spec    func(spec *kubevirtv1.VirtualMachineInstanceSpec)
		iface   func() (kubevirtv1.Interface, kubevirtv1.Network)
		want    string
		already bool
	}{
		{name: "empty", want: podAndLAN},
		{name: "auto", want: podAndLAN, spec: func(s *kubevirtv1.VirtualMachineInstanceSpec) {
			s.Domain.Devices.AutoattachPodInterface = new(true)
		}},
		{
			name: "no pod network wanted", want: "interfaces:\n- bridge: {}\n  name: lan\nnetworks:\n- multus:\n    networkName: vms/lan\n  name: lan\n",
			spec: func(s *kubevirtv1.VirtualMachineInstanceSpec) { s.Domain.Devices.AutoattachPodInterface = new(false) },
		},
		{
			name: "replaced in place", want: strings.ReplaceAll(podAndLAN, "default", "second"),
			spec: func(s *kubevirtv1.VirtualMachineInstanceSpec) {
				i, n := kubevirt.MasqueradeInterface("second")
				old, oldNetwork := kubevirt.SRIOVInterface("lan", "vms/vf")
				s.Domain.Devices.Interfaces, s.Networks = []kubevirtv1.Interface{i, old}, []kubevirtv1.Network{n, oldNetwork}
			},
		},
		{
			name: "half there", want: "interfaces:\n- bridge: {}\n  name: lan\nnetworks:\n- multus:\n    networkName: vms/lan\n  name: lan\n",
			spec: func(s *kubevirtv1.VirtualMachineInstanceSpec) { s.Networks = []kubevirtv1.Network{lanNetwork} },
		},
		{
			name: "the pod's own", want: "interfaces:\n- masquerade: {}\n  name: p\nnetworks:\n- name: p\n  pod: {}\n",
			iface: func() (kubevirtv1.Interface, kubevirtv1.Network) { return kubevirt.MasqueradeInterface("p") },
		},
		{
			name: "called default", want: "interfaces:\n- bridge: {}\n  name: default\nnetworks:\n- multus:\n    networkName: lan\n  name: default\n",
			iface: func() (kubevirtv1.Interface, kubevirtv1.Network) { return kubevirt.BridgeInterface("default", "lan") },
		},
		{
			name: "plugin on the pod's own", want: "interfaces:\n- binding:\n    name: passt\n  name: p\nnetworks:\n- name: p\n  pod: {}\n",
			iface: func() (kubevirtv1.Interface, kubevirtv1.Network) { return kubevirt.BindingInterface("p", "", "passt") },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := &kubevirtv1.VirtualMachineInstanceSpec{}
			if tt.spec != nil {
				tt.spec(spec)
			}
			iface, network := lan, lanNetwork
			if tt.iface != nil {
				iface, network = tt.iface()
			}
			for range 2 { // the second time changes nothing
				if err := kubevirt.Attach(spec, iface, network); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, attached(t, spec)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestAttachKeepsNothing: neither a shared slice nor the pair is kept.
func TestAttachKeepsNothing(t *testing.T) {
	iface, network := kubevirt.BridgeInterface("lan", "vms/lan")
	spec := &kubevirtv1.VirtualMachineInstanceSpec{}
	if err := kubevirt.Attach(spec, iface, network); err != nil {
		t.Fatal(err)
	}
	shared := *spec
	other, _ := kubevirt.SRIOVInterface("lan", "vms/lan")
	network.Multus.NetworkName = "changed"
	if err := kubevirt.Attach(spec, other, network); err != nil {
		t.Fatal(err)
	}
	if got := attached(t, &shared); strings.Contains(got, "changed") || strings.Contains(got, "sriov") {
		t.Errorf("got\n%s", got)
	}
}

func TestAttachRefuses(t *testing.T) {
	lan, lanNetwork := kubevirt.BridgeInterface("lan", "vms/lan")
	pod, podNetwork := kubevirt.MasqueradeInterface("pod")
	both := lan
	both.SRIOV = &kubevirtv1.InterfaceSRIOV{}
	noName, noNameNetwork := kubevirt.BridgeInterface("", "")
	onLAN := lan
	onLAN.Bridge, onLAN.Masquerade = nil, &kubevirtv1.InterfaceMasquerade{}
	tests := []struct {
		name    string
		iface   kubevirtv1.Interface
		network kubevirtv1.Network
		want    []string // paths
	}{
		{"names", lan, podNetwork, []string{"network.name", "network"}},
		{"nothing", kubevirtv1.Interface{}, kubevirtv1.Network{}, []string{"interface.name", "interface", "network"}},
		{"no names", noName, noNameNetwork, []string{"interface.name", "network.multus.networkName"}},
		{"two bindings", both, lanNetwork, []string{"interface"}},
		{"second default", pod, podNetwork, []string{"network"}},
		{"masquerade on a NAD", onLAN, lanNetwork, []string{"interface"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := &kubevirtv1.VirtualMachineInstanceSpec{}
			first, firstNetwork := kubevirt.MasqueradeInterface("default")
			if err := kubevirt.Attach(spec, first, firstNetwork); err != nil {
				t.Fatal(err)
			}
			before := attached(t, spec)
			err := kubevirt.Attach(spec, tt.iface, tt.network)
			var got []string
			for _, part := range parts(err) {
				if problem, ok := errors.AsType[*field.Error](part); ok {
					got = append(got, problem.Field)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%v\n(-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(before, attached(t, spec)); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
		})
	}
	if kubevirt.Attach(nil, lan, lanNetwork) == nil {
		t.Error("no error without a spec")
	}
}

// bridged returns the spec of a VM with one bridge-bound interface, "lan".
func bridged(tb testing.TB, networkName string) *kubevirtv1.VirtualMachineInstanceSpec {
	tb.Helper()
	spec := &kubevirtv1.VirtualMachineInstanceSpec{}
	iface, network := kubevirt.BridgeInterface("lan", networkName)
	if err := kubevirt.Attach(spec, iface, network); err != nil {
		tb.Fatal(err)
	}
	return spec
}
