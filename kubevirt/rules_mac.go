package kubevirt

import (
	"net"
	"slices"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/nad"
)

var (
	macDropped = rule{
		"mac-dropped", multihome.SeverityWarning,
		`leave macAddress out, or add the plugin tuning with "capabilities": {"mac": true} to the NAD`,
		annotationSource + "; CNI conventions, mac",
	}
	macDefault = rule{
		"mac-dropped", multihome.SeverityWarning, "leave macAddress out, or make it a network beside the pod's own",
		"kubevirt pkg/network/pod/annotations/generator.go at v1.9.0",
	}
	macTwice = rule{
		"mac-twice", multihome.SeverityWarning, "give each interface an address of its own, or none", "kubevirt pkg/network/admitter at v1.9.0 compares no addresses",
	}
	spoofCheck = rule{
		"spoof-check", multihome.SeverityInfo, "leave macspoofchk out if guests make interfaces of their own", "containernetworking/plugins v1.9.1 main/bridge, macspoofchk",
	}
	spoofCheckNested = rule{
		"spoof-check", multihome.SeverityWarning, spoofCheck.remedy, spoofCheck.source,
	}
	containerInterface = rule{
		"container-interface", multihome.SeverityInfo, "set disableContainerInterface (kubevirt.BridgeNAD; from plugins v1.4.1 on)", "kubevirt/user-guide PR #764",
	}
	defaultVLAN = rule{
		"default-vlan", multihome.SeverityWarning, "set preserveDefaultVlan in the NAD (kubevirt.BridgeNAD)", "containernetworking/plugins v1.3.0 and v1.8.0 main/bridge, preserveDefaultVlan",
	}
	nameCollision = rule{
		"interface-name", multihome.SeverityError, "rename one of the networks", "kubevirt pkg/network/namescheme at v1.9.0",
	}
)

// bridge looks at what the plugin bridge does to guests.
func (c *check) bridge(p *pair) {
	bridge, isBridge := p.network.main.(nad.BridgeConfig)
	if !isBridge || !p.binding.bridged() {
		return
	}
	path := p.srcPath + ".multus.networkName"
	switch {
	case bridge.MACSpoofCheck && c.nested():
		c.report(spoofCheckNested, path, "NAD %s checks hardware addresses, and this guest can run guests of its own, whose frames are dropped", p.key)
	case bridge.MACSpoofCheck:
		c.report(spoofCheck, path, "NAD %s checks hardware addresses: what nested bridges, VRRP and bonds in the guest send is dropped", p.key)
	}
	if !bridge.DisableContainerInterface && p.network.ipam == nil && secondary(p.source) {
		c.report(containerInterface, path, "the pod's end of NAD %s is up, so that the target of a migration announces itself too early", p.key)
	}
	if bridge.PreserveDefaultVLAN == nil && (bridge.VLAN != 0 || bridge.VLANTrunk != nil) {
		c.report(defaultVLAN, path, "NAD %s does not say preserveDefaultVlan: with plugins v1.3.0 to v1.7 the guest is in VLAN 1 too, with others it is not", p.key)
	}
}

// nested reports whether a guest can run virtual machines.
func (c *check) nested() bool {
	cpu := c.spec.Domain.CPU
	if cpu == nil {
		return false
	}
	for _, feature := range cpu.Features {
		if (feature.Name == "vmx" || feature.Name == "svm") && feature.Policy != "disable" && feature.Policy != "forbid" {
			return true
		}
	}
	return cpu.Model == "host-passthrough"
}

// hardwareAddress looks whether the pod's interface gets the address that the
// VM wants.
func (c *check) hardwareAddress(p *pair) {
	path := p.ifacePath + ".macAddress"
	switch mac := p.iface.MacAddress; {
	case mac == "" || p.binding.bridged() && (p.network.kind() == "macvlan" || p.network.kind() == "ipvlan"): // said already
	case isDefault(p.source):
		c.report(macDefault, path, "%s is not asked of NAD %s, because a default network is asked for by name alone", mac, p.key)
	case slices.ContainsFunc(nad.CheckAttachment(p.network.def, nad.Attachment{Name: p.network.def.Name, MAC: mac}), func(f multihome.Finding) bool {
		return f.Path == "mac" && f.Severity == multihome.SeverityWarning
	}):
		c.report(macDropped, path, "%s is dropped: no plugin of NAD %s sets the address that is asked for", mac, p.key)
	}
}

// macs looks for one hardware address twice in a VM.
func (c *check) macs(pairs []pair) {
	seen := make(map[string]string)
	for i := range pairs {
		p := &pairs[i]
		mac, err := net.ParseMAC(p.iface.MacAddress)
		if err != nil { // none, or refused
			continue
		}
		if other, twice := seen[mac.String()]; twice {
			c.report(macTwice, p.ifacePath+".macAddress", "%s is the address of the interface %s too", p.iface.MacAddress, other)
		}
		seen[mac.String()] = p.iface.Name
	}
}

// names looks for two networks that are one interface of the pod.
func (c *check) names(pairs []pair) {
	seen := make(map[string]string)
	for i := range pairs {
		p := &pairs[i]
		if !secondary(p.source) {
			continue
		}
		name := PodInterfaceName(p.source.Name)
		if other, twice := seen[name]; twice && other != p.source.Name { // KubeVirt refuses the same name
			c.report(nameCollision, p.srcPath+".name", "is the interface %s in the pod, as is the network %s", name, other)
		}
		seen[name] = p.source.Name
	}
}
