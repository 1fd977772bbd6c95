// Command vm-on-lan shows how a VM gets onto the LAN of its node: the network
// that suits VMs, the pair of interface and network in the VM's spec, and what
// KubeVirt would have admitted without a word.
//
//	go run ./examples/vm-on-lan
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/kubevirt"
	"github.com/multihome/multihome/nad"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vm-on-lan:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	// What the guides for pods have, and what does not work for VMs.
	macvlan, err := nad.Macvlan("lan", nad.MacvlanConfig{Master: "eth0"})
	if err != nil {
		return err
	}
	macvlan.Namespace = "vms"
	vm, err := newVM("web", "vms/lan")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "== On macvlan")
	if err := check(out, vm, macvlan); err == nil {
		return errors.New("the macvlan network has no finding")
	}

	// The same VM on a bridge of the nodes; talos.BridgePatch makes one.
	bridge, err := kubevirt.BridgeNAD("lan", kubevirt.BridgeNADConfig{Bridge: "br0"})
	if err != nil {
		return err
	}
	bridge.Namespace = "vms"
	fmt.Fprintln(out, "== On a bridge")
	if err := check(out, vm, bridge); err != nil {
		return err
	}
	fmt.Fprintf(out, "its pod calls the interface %s\n", kubevirt.PodInterfaceName("lan"))
	return printYAML(out, bridge, vm)
}

// newVM returns a VM with an interface of its own on the network, beside the
// one that it has on the cluster's.
func newVM(name, network string) (*kubevirtv1.VirtualMachine, error) {
	vm := &kubevirtv1.VirtualMachine{
		TypeMeta:   metav1.TypeMeta{APIVersion: kubevirtv1.GroupVersion.String(), Kind: "VirtualMachine"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "vms", Name: name},
		Spec:       kubevirtv1.VirtualMachineSpec{Template: &kubevirtv1.VirtualMachineInstanceTemplateSpec{}},
	}
	iface, source := kubevirt.BridgeInterface("lan", network)
	return vm, kubevirt.Attach(&vm.Spec.Template.Spec, iface, source)
}

// check prints what is wrong with the VM on the network, and fails as a webhook
// would.
func check(out io.Writer, vm *kubevirtv1.VirtualMachine, network *netattdefv1.NetworkAttachmentDefinition) error {
	findings := kubevirt.CheckVM(vm, kubevirt.NADs(network))
	for _, finding := range findings {
		fmt.Fprintln(out, finding)
		if finding.Severity == multihome.SeverityError {
			fmt.Fprintln(out, "  source:", finding.Source)
		}
	}
	if len(findings) == 0 {
		fmt.Fprintln(out, "no findings")
	}
	_, err := kubevirt.Admit(nil, findings)
	return err
}

func printYAML(out io.Writer, objects ...any) error {
	for _, object := range objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "---\n%s", text)
	}
	return nil
}
