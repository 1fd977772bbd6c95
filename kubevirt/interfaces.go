package kubevirt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome/nad"
)

// GuestInterface is an interface of a guest, and of the pod that it comes from.
type GuestInterface struct {
	// Name is the logical name, spec.networks[].name. "" is an interface that
	// the guest made itself.
	Name string
	// Guest is the name in the guest, "enp1s0". Only the guest agent tells it.
	Guest string
	// MAC is the hardware address in the guest.
	MAC string
	// IPs are the addresses in the guest, as the guest agent or KubeVirt's DHCP
	// tells them.
	IPs []string
	// LinkState is up or down, "" if KubeVirt does not tell.
	LinkState string
	// Pod is the name in the pod, "pod37a8eec1ce1". For a bridge-bound interface
	// it is the one that Multus made; the bridge has k6t- in its name instead
	// of pod.
	Pod string
	// Attached says that the pod got the interface.
	Attached bool
	// NAD is the network, "namespace/name": the one that the pod got, else the
	// one that the VM asks for. "" is the cluster's own.
	NAD string
	// PodMAC is the hardware address that the CNI plugin gave the interface.
	PodMAC string
	// PodIPs are the addresses that the CNI plugin gave the interface.
	PodIPs []string
}

// Interfaces says which interface of the guest is which interface of its pod on
// which NAD, from the VM's spec and status and the pod's network-status, in the
// order of spec.networks. What only the guest knows comes last. Pods that
// started before KubeVirt v1.0 and have ordinal names, net1, net2, are
// understood. Without a pod it is what the VM's status says.
//
// It is an error if the pod's network-status cannot be read.
func Interfaces(vmi *kubevirtv1.VirtualMachineInstance, pod *corev1.Pod) ([]GuestInterface, error) {
	if vmi == nil {
		return nil, errors.New("virtual machine instance: must not be nil")
	}
	var got []netattdefv1.NetworkStatus
	if pod != nil {
		var err error
		if got, err = nad.Status(pod); err != nil {
			return nil, fmt.Errorf("virtual machine instance %s/%s: %w", vmi.Namespace, vmi.Name, err)
		}
	}
	names := podInterfaceNames(vmi.Spec.Networks, hasOrdinals(vmi, got))
	var out []GuestInterface
	known := make(map[string]bool)
	for i := range vmi.Spec.Networks {
		network := &vmi.Spec.Networks[i]
		known[network.Name] = true
		g := GuestInterface{Name: network.Name, Pod: names[network.Name]}
		if isDefault(network) {
			if at := slices.IndexFunc(got, func(s netattdefv1.NetworkStatus) bool { return s.Default && s.Interface != "" }); at >= 0 {
				g.Pod = got[at].Interface
			}
		}
		if network.Multus != nil {
			g.NAD = nameOf(nadKey(vmi.Namespace, network.Multus.NetworkName))
		}
		if at := slices.IndexFunc(vmi.Status.Interfaces, func(s kubevirtv1.VirtualMachineInstanceNetworkInterface) bool { return s.Name == network.Name }); at >= 0 {
			g.guest(&vmi.Status.Interfaces[at])
		}
		g.pod(got, network)
		out = append(out, g)
	}
	for i := range vmi.Status.Interfaces {
		if status := &vmi.Status.Interfaces[i]; !known[status.Name] {
			g := GuestInterface{Name: status.Name}
			g.guest(status)
			out = append(out, g)
		}
	}
	return out, nil
}

// hasOrdinals reports whether the pod's interfaces have names of before v1.0.
// What KubeVirt itself says comes first: a binding plugin's own NAD has an
// ordinal name in every pod.
func hasOrdinals(vmi *kubevirtv1.VirtualMachineInstance, got []netattdefv1.NetworkStatus) bool {
	for i := range vmi.Spec.Networks {
		if network := &vmi.Spec.Networks[i]; secondary(network) {
			hashed := PodInterfaceName(network.Name)
			for _, status := range got {
				if status.Interface == hashed {
					return false
				}
			}
		}
	}
	return slices.ContainsFunc(got, func(s netattdefv1.NetworkStatus) bool { return isOrdinal(s.Interface) })
}

func (g *GuestInterface) guest(status *kubevirtv1.VirtualMachineInstanceNetworkInterface) {
	g.Guest, g.MAC, g.IPs, g.LinkState = status.InterfaceName, status.MAC, slices.Clone(status.IPs), status.LinkState
	if len(g.IPs) == 0 && status.IP != "" {
		g.IPs = []string{status.IP}
	}
	if status.PodInterfaceName != "" {
		g.Pod = status.PodInterfaceName
	}
}

func (g *GuestInterface) pod(got []netattdefv1.NetworkStatus, network *kubevirtv1.Network) {
	if g.Pod == "" {
		return
	}
	at := slices.IndexFunc(got, func(s netattdefv1.NetworkStatus) bool { return s.Interface == g.Pod })
	if at < 0 {
		return
	}
	status := &got[at]
	g.Attached, g.PodMAC, g.PodIPs = true, status.Mac, slices.Clone(status.IPs)
	if network.Multus != nil && strings.Contains(status.Name, "/") {
		g.NAD = status.Name
	}
}
