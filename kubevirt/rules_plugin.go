package kubevirt

import "github.com/multihome/multihome"

var (
	macMoves = rule{
		"mac-moves", multihome.SeverityError,
		"use a NAD of the plugin bridge (kubevirt.BridgeNAD) or ovs, or the macvtap plugin with its binding",
		"kubevirt #5483, #7001, #2925; user-guide, Invalid CNIs for secondary networks",
	}
	macvtapBridged = rule{
		"binding-mismatch", multihome.SeverityError, "use the binding plugin macvtap, or a NAD of the plugin bridge",
		"kubevirt user-guide, macvtap binding plugin; " + netpodSource,
	}
	sriovBridged = rule{
		"binding-mismatch", multihome.SeverityWarning, "use the binding sriov", netpodSource,
	}
	notSRIOV = rule{
		"binding-mismatch", multihome.SeverityError, "use the binding bridge, or a NAD of the plugin sriov", "kubevirt docs/network/sriov.md",
	}
	sriovOnPod = rule{
		"binding-mismatch", multihome.SeverityError, "use the binding masquerade, or sriov on a NAD of the plugin sriov", notSRIOV.source,
	}
	notTap = rule{
		"binding-mismatch", multihome.SeverityError, "use a NAD whose plugin makes tap devices, such as macvtap, or the binding bridge",
		"kubevirt docs/network/network-binding-plugin.md, domainAttachmentType tap",
	}
	resourceMissing = rule{
		"resource-missing", multihome.SeverityError,
		"annotate the NAD with k8s.v1.cni.cncf.io/resourceName, the resource of a device plugin; functions for sriov have the driver vfio-pci",
		"kubevirt docs/network/sriov.md; sriov-cni v2.10",
	}
	resourceInjection = rule{
		"resource-injection", multihome.SeverityInfo, "make sure that network-resources-injector runs, or the pod gets no device",
		"kubevirt pkg/virt-config/featuregate at v1.9.0, ExternalNetResourceInjection",
	}
)

// noDevice are plugins that make an interface in software, so that there is no
// PCI device to hand to a guest.
var noDevice = map[string]bool{
	"bridge": true, "dummy": true, "ipvlan": true, "loopback": true, "macvlan": true, "macvtap": true, "ptp": true, "tap": true, "vlan": true,
}

// noTap are plugins that make an interface which is no tap device.
var noTap = map[string]bool{
	"bridge": true, "dummy": true, "ipvlan": true, "loopback": true, "macvlan": true, "ptp": true, "vlan": true, "sriov": true,
}

// mainPlugin compares what makes the interface in the pod with what takes it to
// the guest.
func (c *check) mainPlugin(p *pair) {
	kind := p.network.kind()
	path := p.srcPath + ".multus.networkName"
	migrations := c.isMigrationNetwork(p)
	if migrations {
		c.report(migrationNetwork, path, "NAD %s is the one for live migrations%s", p.key, map[bool]string{
			true: ", and a guest gets no replies over its " + kind + " interface", false: ", which a guest then shares",
		}[p.binding.bridged() && (kind == "macvlan" || kind == "ipvlan")])
	}
	switch {
	case p.binding.bridged() && (kind == "macvlan" || kind == "ipvlan"):
		if !migrations {
			c.report(macMoves, path, "NAD %s is of the plugin %s, which receives only what is sent to its own hardware address; the binding %s gives that to the guest, so replies are lost",
				p.key, kind, p.binding)
		}
	case p.binding.bridged() && kind == "macvtap":
		c.report(macvtapBridged, path, "NAD %s is of the plugin macvtap, whose device cannot serve the binding %s", p.key, p.binding)
	case p.binding.bridged() && (kind == "sriov" || kind == "ib-sriov"):
		c.report(sriovBridged, path, "NAD %s hands out virtual functions; the binding %s finds no interface of one that has the driver vfio-pci, and takes the hardware address from any other",
			p.key, p.binding)
	case p.binding == bindingSRIOV && noDevice[kind]:
		c.report(notSRIOV, path, "NAD %s is of the plugin %s, which has no PCI device that the binding sriov could hand to the guest", p.key, kind)
	case p.binding == bindingTap && noTap[kind]:
		c.report(notTap, path, "NAD %s is of the plugin %s, which makes no tap device for the binding plugin %s to open", p.key, kind, p.iface.Binding.Name)
	}
}

// devices looks at what the kubelet has to allocate for the VM.
func (c *check) devices(p *pair) {
	kind, resource := p.network.kind(), p.network.parsed.ResourceName
	path := p.srcPath + ".multus.networkName"
	device := p.binding == bindingSRIOV && !noDevice[kind] || p.binding == bindingTap && kind == "macvtap"
	switch {
	case device && resource == "":
		c.report(resourceMissing, path, "NAD %s names no resource, so that the VM gets no device", p.key)
	case resource != "" && c.cluster.ExternalResourceInjection:
		c.report(resourceInjection, path, "KubeVirt does not request %s for the VM, because ExternalNetResourceInjection is on", resource)
	}
}

// onPod looks at an interface on the pod's own network.
func (c *check) onPod(p *pair) {
	if p.binding == bindingSRIOV {
		c.report(sriovOnPod, p.ifacePath, "the pod's own network has no virtual function that the binding sriov could hand to the guest")
	}
	c.podCIDRs(p)
}
