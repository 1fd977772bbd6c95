package kubevirt_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome/kubevirt"
)

// podWith returns a VM's pod with a network-status.
func podWith(status string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "vms", Name: "virt-launcher-web", Annotations: map[string]string{netattdefv1.NetworkStatusAnnot: status}}}
}

// instance returns a VM on the pod's network and on vms/lan and net/dmz.
func instance(status ...kubevirtv1.VirtualMachineInstanceNetworkInterface) *kubevirtv1.VirtualMachineInstance {
	_, first := kubevirt.MasqueradeInterface("default")
	_, lan := kubevirt.BridgeInterface("lan", "lan")
	_, dmz := kubevirt.BridgeInterface("dmz", "net/dmz")
	return &kubevirtv1.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vms", Name: "web"},
		Spec:       kubevirtv1.VirtualMachineInstanceSpec{Networks: []kubevirtv1.Network{first, lan, dmz}},
		Status:     kubevirtv1.VirtualMachineInstanceStatus{Interfaces: status},
	}
}

const primary = `{"name":"cilium","interface":"eth0","ips":["10.244.1.7"],"mac":"0a:00:00:00:00:01","default":true}`

func TestInterfaces(t *testing.T) {
	lan, dmz := kubevirt.PodInterfaceName("lan"), kubevirt.PodInterfaceName("dmz")
	multus := func(vmi *kubevirtv1.VirtualMachineInstance) *kubevirtv1.VirtualMachineInstance {
		_, vmi.Spec.Networks[0] = kubevirt.BridgeInterface("default", "net/first")
		vmi.Spec.Networks[0].Multus.Default = true
		return vmi
	}
	tests := []struct {
		name string
		vmi  *kubevirtv1.VirtualMachineInstance
		pod  *corev1.Pod
		want []kubevirt.GuestInterface
	}{
		{
			name: "running",
			vmi: instance(
				kubevirtv1.VirtualMachineInstanceNetworkInterface{Name: "dmz", PodInterfaceName: dmz, InterfaceName: "enp3s0", MAC: "02:00:00:00:00:03", LinkState: "down"},
				kubevirtv1.VirtualMachineInstanceNetworkInterface{Name: "default", PodInterfaceName: "eth0", InterfaceName: "enp1s0", MAC: "02:00:00:00:00:01", IP: "10.0.2.2"},
				kubevirtv1.VirtualMachineInstanceNetworkInterface{Name: "lan", PodInterfaceName: lan, InterfaceName: "enp2s0", MAC: "02:00:00:00:00:02", IP: "192.168.1.5", IPs: []string{"192.168.1.5", "fe80::1"}},
				kubevirtv1.VirtualMachineInstanceNetworkInterface{InterfaceName: "docker0", MAC: "02:42:00:00:00:01"},
			),
			pod: podWith(`[` + primary + `,{"name":"net/dmz","interface":"` + dmz + `","mac":"0a:00:00:00:00:03"},{"name":"vms/lan","interface":"` + lan + `","ips":["192.168.1.5"]}]`),
			want: []kubevirt.GuestInterface{
				{Name: "default", Guest: "enp1s0", MAC: "02:00:00:00:00:01", IPs: []string{"10.0.2.2"}, Pod: "eth0", Attached: true, PodMAC: "0a:00:00:00:00:01", PodIPs: []string{"10.244.1.7"}},
				{Name: "lan", Guest: "enp2s0", MAC: "02:00:00:00:00:02", IPs: []string{"192.168.1.5", "fe80::1"}, Pod: lan, Attached: true, NAD: "vms/lan", PodIPs: []string{"192.168.1.5"}},
				{Name: "dmz", Guest: "enp3s0", MAC: "02:00:00:00:00:03", LinkState: "down", Pod: dmz, Attached: true, NAD: "net/dmz", PodMAC: "0a:00:00:00:00:03"},
				{Guest: "docker0", MAC: "02:42:00:00:00:01"},
			},
		},
		{
			name: "without a pod", vmi: instance(),
			want: []kubevirt.GuestInterface{{Name: "default", Pod: "eth0"}, {Name: "lan", Pod: lan, NAD: "vms/lan"}, {Name: "dmz", Pod: dmz, NAD: "net/dmz"}},
		},
		{
			name: "not attached", vmi: instance(), pod: podWith(`[` + primary + `,{"name":"vms/lan","interface":"` + lan + `"}]`),
			want: []kubevirt.GuestInterface{
				{Name: "default", Pod: "eth0", Attached: true, PodMAC: "0a:00:00:00:00:01", PodIPs: []string{"10.244.1.7"}},
				{Name: "lan", Pod: lan, NAD: "vms/lan", Attached: true},
				{Name: "dmz", Pod: dmz, NAD: "net/dmz"},
			},
		},
		{
			name: "ordinal names", vmi: instance(), pod: podWith(`[` + primary + `,{"name":"net/dmz","interface":"net2"},{"name":"vms/lan","interface":"net1"}]`),
			want: []kubevirt.GuestInterface{
				{Name: "default", Pod: "eth0", Attached: true, PodMAC: "0a:00:00:00:00:01", PodIPs: []string{"10.244.1.7"}},
				{Name: "lan", Pod: "net1", NAD: "vms/lan", Attached: true},
				{Name: "dmz", Pod: "net2", NAD: "net/dmz", Attached: true},
			},
		},
		{
			name: "a binding plugin's own NAD", vmi: instance(), pod: podWith(`[` + primary + `,{"name":"vms/lan","interface":"` + lan + `"},{"name":"kubevirt/passt","interface":"net2"}]`),
			want: []kubevirt.GuestInterface{
				{Name: "default", Pod: "eth0", Attached: true, PodMAC: "0a:00:00:00:00:01", PodIPs: []string{"10.244.1.7"}},
				{Name: "lan", Pod: lan, NAD: "vms/lan", Attached: true},
				{Name: "dmz", Pod: dmz, NAD: "net/dmz"},
			},
		},
		{
			name: "still on the old NAD", vmi: instance(), pod: podWith(`[{"name":"vms/old","interface":"` + lan + `"}]`),
			want: []kubevirt.GuestInterface{{Name: "default", Pod: "eth0"}, {Name: "lan", Pod: lan, NAD: "vms/old", Attached: true}, {Name: "dmz", Pod: dmz, NAD: "net/dmz"}},
		},
		{
			name: "default of Multus, called otherwise", vmi: multus(instance()), pod: podWith(`[{"name":"net/first","interface":"ovn0","default":true}]`),
			want: []kubevirt.GuestInterface{{Name: "default", Pod: "ovn0", NAD: "net/first", Attached: true}, {Name: "lan", Pod: lan, NAD: "vms/lan"}, {Name: "dmz", Pod: dmz, NAD: "net/dmz"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := kubevirt.Interfaces(tt.vmi, tt.pod)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestInterfacesClaim: a network of a resource claim is no interface of Multus.
func TestInterfacesClaim(t *testing.T) {
	vmi := &kubevirtv1.VirtualMachineInstance{}
	vmi.Spec.Networks = []kubevirtv1.Network{{Name: "vf", NetworkSource: kubevirtv1.NetworkSource{ResourceClaim: &kubevirtv1.ClaimRequest{}}}}
	got, err := kubevirt.Interfaces(vmi, podWith(`[{"name":"a/b","interface":""}]`))
	if diff := cmp.Diff([]kubevirt.GuestInterface{{Name: "vf"}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestInterfacesRefuses(t *testing.T) {
	if _, err := kubevirt.Interfaces(nil, nil); err == nil {
		t.Error("no error without an instance")
	}
	if _, err := kubevirt.Interfaces(instance(), podWith("{")); err == nil {
		t.Error("no error for a network-status that is no JSON")
	}
}
