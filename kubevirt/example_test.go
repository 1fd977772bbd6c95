package kubevirt_test

import (
	"fmt"
	"log"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome/kubevirt"
	"github.com/multihome/multihome/nad"
)

// A VM on a macvlan network: KubeVirt admits it, and it never hears a reply.
func ExampleCheck() {
	lan, err := nad.Macvlan("lan", nad.MacvlanConfig{Master: "eth0"})
	if err != nil {
		log.Fatal(err)
	}
	lan.Namespace = "default"

	spec := &kubevirtv1.VirtualMachineInstanceSpec{}
	iface, network := kubevirt.BridgeInterface("lan", "default/lan")
	if err := kubevirt.Attach(spec, iface, network); err != nil {
		log.Fatal(err)
	}
	for _, finding := range kubevirt.Check("default", spec, kubevirt.NADs(lan)) {
		fmt.Println(finding.Severity, finding.Code, finding.Path)
		fmt.Println(finding.Message)
		fmt.Println(finding.Remedy)
	}
	// Output:
	// error kubevirt/mac-moves spec.networks[1].multus.networkName
	// NAD default/lan is of the plugin macvlan, which receives only what is sent to its own hardware address; the binding bridge gives that to the guest, so replies are lost
	// use a NAD of the plugin bridge (kubevirt.BridgeNAD) or ovs, or the macvtap plugin with its binding
}

// newVM returns a VirtualMachine with an interface on the network.
func newVM(networkName string) *kubevirtv1.VirtualMachine {
	vm := &kubevirtv1.VirtualMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec:       kubevirtv1.VirtualMachineSpec{Template: &kubevirtv1.VirtualMachineInstanceTemplateSpec{}},
	}
	iface, network := kubevirt.BridgeInterface("lan", networkName)
	if err := kubevirt.Attach(&vm.Spec.Template.Spec, iface, network); err != nil {
		log.Fatal(err)
	}
	return vm
}

// A network that is asked for as a pod would.
func ExampleCheckVM() {
	vm := newVM("lan")
	vm.Annotations = map[string]string{"k8s.v1.cni.cncf.io/networks": "dmz"}
	lan, err := kubevirt.BridgeNAD("lan", kubevirt.BridgeNADConfig{Bridge: "br0"})
	if err != nil {
		log.Fatal(err)
	}
	lan.Namespace = "default"
	for _, finding := range kubevirt.CheckVM(vm, kubevirt.NADs(lan)) {
		fmt.Println(finding)
	}
	// Output:
	// warning kubevirt/annotation: VirtualMachine default/web metadata.annotations[k8s.v1.cni.cncf.io/networks]: has no effect on a VirtualMachine: neither its pod nor its guest gets the network; list the network in spec.networks, with an interface (kubevirt.Attach)
}

// A plugin that nobody registered.
func ExampleCheckVMI() {
	vmi := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	iface, network := kubevirt.BindingInterface("default", "", "passt")
	if err := kubevirt.Attach(&vmi.Spec, iface, network); err != nil {
		log.Fatal(err)
	}
	cluster := kubevirt.NADs()
	cluster.Bindings = map[string]kubevirtv1.InterfaceBindingPlugin{"macvtap": {DomainAttachmentType: kubevirtv1.Tap}}
	for _, finding := range kubevirt.CheckVMI(vmi, cluster) {
		fmt.Println(finding)
	}
	// Output:
	// error kubevirt/binding-unregistered: VirtualMachineInstance default/web spec.domain.devices.interfaces[0].binding.name: the binding plugin "passt" is not registered, so that no pod is made for the VM; register it in the KubeVirt object, spec.configuration.network.binding
}

// Another NAD for a running VM, by version of KubeVirt.
func ExampleCheckUpdate() {
	running, changed := newVM("lan").Spec.Template, newVM("dmz").Spec.Template
	for _, version := range []string{"v1.7.0", "v1.8.0", "v1.9.0"} {
		for _, finding := range kubevirt.CheckUpdate(&running.Spec, &changed.Spec, kubevirt.Cluster{Version: version}) {
			fmt.Println(version, finding.Severity, finding.Message)
		}
	}
	// Output:
	// v1.7.0 warning another NAD for a running VM needs KubeVirt v1.8
	// v1.8.0 warning another NAD for a running VM needs the feature gate LiveUpdateNADRef before KubeVirt v1.9
	// v1.9.0 info the network lan moves to NAD dmz with a live migration
}

// The networks that are known, and what else a check should know.
func ExampleNADs() {
	lan, err := kubevirt.BridgeNAD("lan", kubevirt.BridgeNADConfig{Bridge: "br0"})
	if err != nil {
		log.Fatal(err)
	}
	lan.Namespace = "default"
	cluster := kubevirt.NADs(lan)
	cluster.Version = "v1.9.0"
	fmt.Println(len(kubevirt.CheckVM(newVM("lan"), cluster)), "findings")
	for _, finding := range kubevirt.CheckVM(newVM("dmz"), cluster) {
		fmt.Println(finding.Severity, finding.Message)
	}
	// Output:
	// 0 findings
	// error there is no NAD default/dmz
}

// A VM that listed nothing had the pod's network by default, and keeps it.
func ExampleAttach() {
	vm := &kubevirtv1.VirtualMachine{Spec: kubevirtv1.VirtualMachineSpec{Template: &kubevirtv1.VirtualMachineInstanceTemplateSpec{}}}
	iface, network := kubevirt.BridgeInterface("lan", "default/lan")
	iface.MacAddress = "02:00:00:00:00:05"
	if err := kubevirt.Attach(&vm.Spec.Template.Spec, iface, network); err != nil {
		log.Fatal(err)
	}
	for _, i := range vm.Spec.Template.Spec.Domain.Devices.Interfaces {
		fmt.Println(i.Name, i.Masquerade != nil, i.Bridge != nil)
	}
	// Output:
	// default true false
	// lan false true
}

// The pair of a guest on a bridge of the nodes.
func ExampleBridgeInterface() {
	iface, network := kubevirt.BridgeInterface("lan", "default/lan")
	fmt.Println(iface.Name, iface.Bridge != nil, network.Name, network.Multus.NetworkName)
	// Output: lan true lan default/lan
}

// The pair of a guest with a virtual function.
func ExampleSRIOVInterface() {
	iface, network := kubevirt.SRIOVInterface("fast", "default/vf")
	fmt.Println(iface.Name, iface.SRIOV != nil, network.Multus.NetworkName)
	// Output: fast true default/vf
}

// The pair of the pod's own network.
func ExampleMasqueradeInterface() {
	iface, network := kubevirt.MasqueradeInterface("default")
	fmt.Println(iface.Name, iface.Masquerade != nil, network.Pod != nil)
	// Output: default true true
}

// The pair of a guest on macvtap.
func ExampleBindingInterface() {
	iface, network := kubevirt.BindingInterface("lan", "default/macvtap", "macvtap")
	fmt.Println(iface.Binding.Name, network.Multus.NetworkName)
	// Output: macvtap default/macvtap
}

// The network for guests in VLAN 100 of a bridge.
func ExampleBridgeNAD() {
	def, err := kubevirt.BridgeNAD("lan", kubevirt.BridgeNADConfig{Bridge: "br0", VLAN: 100})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(def.Spec.Config)
	// Output:
	// {
	//   "cniVersion": "1.0.0",
	//   "name": "lan",
	//   "type": "bridge",
	//   "bridge": "br0",
	//   "vlan": 100,
	//   "preserveDefaultVlan": false,
	//   "disableContainerInterface": true,
	//   "macspoofchk": false
	// }
}

// What tcpdump in the VM's pod calls the network "lan".
func ExamplePodInterfaceName() {
	fmt.Println(kubevirt.PodInterfaceName("lan"))
	// Output: pod094a367b026
}

// Which interface of the guest is on which network.
func ExampleInterfaces() {
	vmi := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	iface, network := kubevirt.BridgeInterface("lan", "lan")
	if err := kubevirt.Attach(&vmi.Spec, iface, network); err != nil {
		log.Fatal(err)
	}
	vmi.Status.Interfaces = []kubevirtv1.VirtualMachineInstanceNetworkInterface{
		{Name: "default", InterfaceName: "enp1s0", PodInterfaceName: "eth0", IPs: []string{"10.0.2.2"}},
		{Name: "lan", InterfaceName: "enp2s0", PodInterfaceName: "pod094a367b026", IPs: []string{"192.168.1.5"}},
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
		"k8s.v1.cni.cncf.io/network-status": `[
			{"name":"cilium","interface":"eth0","ips":["10.244.1.7"],"default":true},
			{"name":"default/lan","interface":"pod094a367b026","mac":"02:00:00:00:00:05"}]`,
	}}}
	interfaces, err := kubevirt.Interfaces(vmi, pod)
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range interfaces {
		fmt.Printf("%s: %s in the guest, %s in the pod, NAD %q\n", i.Name, i.Guest, i.Pod, i.NAD)
	}
	// Output:
	// default: enp1s0 in the guest, eth0 in the pod, NAD ""
	// lan: enp2s0 in the guest, pod094a367b026 in the pod, NAD "default/lan"
}
