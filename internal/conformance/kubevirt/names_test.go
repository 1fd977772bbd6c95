package kubevirt_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"kubevirt.io/kubevirt/pkg/network/link"
	"kubevirt.io/kubevirt/pkg/network/namescheme"

	"github.com/multihome/multihome/kubevirt"
)

// TestPodInterfaceName: names of pod interfaces are KubeVirt's, for any name.
func TestPodInterfaceName(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		name := make([]byte, random.IntN(80))
		for i := range name {
			name[i] = byte(random.UintN(256))
		}
		if got, want := kubevirt.PodInterfaceName(string(name)), namescheme.GenerateHashedInterfaceName(string(name)); got != want {
			t.Fatalf("%q: got %s, want %s", name, got, want)
		}
	}
}

// TestInterfaces: the pod interface of each network is the one that KubeVirt
// looks for, with names of both kinds.
func TestInterfaces(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	compared := 0
	for range 2000 {
		vmi := &kubevirtv1.VirtualMachineInstance{}
		first := random.IntN(3)
		for n := range 1 + random.IntN(5) {
			network := kubevirtv1.Network{Name: fmt.Sprintf("n%d-%d", n, random.IntN(1000))}
			network.Multus = &kubevirtv1.MultusNetwork{NetworkName: "lan"}
			switch {
			case n == first && random.IntN(2) == 0:
				network.Multus.Default = true
			case n == first:
				network.Multus, network.Pod = nil, &kubevirtv1.PodNetwork{}
			}
			vmi.Spec.Networks = append(vmi.Spec.Networks, network)
		}
		names := namescheme.CreateHashedNetworkNameScheme(vmi.Spec.Networks)
		if random.IntN(2) == 0 {
			names = namescheme.CreateOrdinalNetworkNameScheme(vmi.Spec.Networks)
		}
		var status []netattdefv1.NetworkStatus
		text := ""
		for _, network := range vmi.Spec.Networks {
			status = append(status, netattdefv1.NetworkStatus{Name: "vms/lan", Interface: names[network.Name]})
			text += fmt.Sprintf(`,{"name":"vms/lan","interface":%q}`, names[network.Name])
		}
		pod := &corev1.Pod{}
		pod.Annotations = map[string]string{netattdefv1.NetworkStatusAnnot: "[" + text[1:] + "]"}
		interfaces, err := kubevirt.Interfaces(vmi, pod)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		for _, i := range interfaces {
			got[i.Name] = i.Pod
			if !i.Attached {
				t.Errorf("%s is not attached", i.Name)
			}
		}
		if diff := cmp.Diff(namescheme.CreateFromNetworkStatuses(vmi.Spec.Networks, status), got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", text, diff)
		}
		compared += len(got)
	}
	t.Logf("%d interfaces", compared)
}

// TestBridgeName: what the doc comment of GuestInterface.Pod says of the bridge.
func TestBridgeName(t *testing.T) {
	name := kubevirt.PodInterfaceName("lan")
	if got, want := link.GenerateBridgeName(name), "k6t-"+name[len("pod"):]; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
