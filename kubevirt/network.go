package kubevirt

import kubevirtv1 "kubevirt.io/api/core/v1"

// BridgeInterface returns the pair that puts a guest on a NAD through a bridge
// in its pod: an entry for spec.domain.devices.interfaces and one for
// spec.networks, both called name, which must be unique in the VM. The
// networkName is that of the NAD, "namespace/name", or "name" for one in the
// VM's namespace. It is the binding for NADs of the plugins bridge and ovs, and
// not for macvlan and ipvlan. [Attach] adds the pair to a VM.
func BridgeInterface(name, networkName string) (kubevirtv1.Interface, kubevirtv1.Network) {
	return kubevirtv1.Interface{
		Name:                   name,
		InterfaceBindingMethod: kubevirtv1.InterfaceBindingMethod{Bridge: &kubevirtv1.InterfaceBridge{}},
	}, multusNetwork(name, networkName)
}

// SRIOVInterface returns the pair that hands a guest a virtual function of a
// network card. The NAD must be of the plugin sriov, with a resource whose
// functions are bound to the driver vfio-pci. See [BridgeInterface] for the
// names.
func SRIOVInterface(name, networkName string) (kubevirtv1.Interface, kubevirtv1.Network) {
	return kubevirtv1.Interface{
		Name:                   name,
		InterfaceBindingMethod: kubevirtv1.InterfaceBindingMethod{SRIOV: &kubevirtv1.InterfaceSRIOV{}},
	}, multusNetwork(name, networkName)
}

// MasqueradeInterface returns the pair that puts a guest behind its pod's own
// address, on the cluster's network. A VM has at most one such; it can be
// migrated.
func MasqueradeInterface(name string) (kubevirtv1.Interface, kubevirtv1.Network) {
	return kubevirtv1.Interface{
		Name:                   name,
		InterfaceBindingMethod: kubevirtv1.InterfaceBindingMethod{Masquerade: &kubevirtv1.InterfaceMasquerade{}},
	}, podNetwork(name)
}

// BindingInterface returns the pair that puts a guest on a NAD through a
// binding plugin, which the KubeVirt object must have registered: macvtap,
// passt or one of your own. An empty networkName is the pod's own network. See
// [BridgeInterface] for the names.
func BindingInterface(name, networkName, plugin string) (kubevirtv1.Interface, kubevirtv1.Network) {
	network := podNetwork(name)
	if networkName != "" {
		network = multusNetwork(name, networkName)
	}
	return kubevirtv1.Interface{Name: name, Binding: &kubevirtv1.PluginBinding{Name: plugin}}, network
}

func multusNetwork(name, networkName string) kubevirtv1.Network {
	return kubevirtv1.Network{
		Name:          name,
		NetworkSource: kubevirtv1.NetworkSource{Multus: &kubevirtv1.MultusNetwork{NetworkName: networkName}},
	}
}

func podNetwork(name string) kubevirtv1.Network {
	return kubevirtv1.Network{Name: name, NetworkSource: kubevirtv1.NetworkSource{Pod: &kubevirtv1.PodNetwork{}}}
}
