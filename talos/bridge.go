package talos

import "k8s.io/apimachinery/pkg/util/validation/field"

// BridgeConfig is a bridge of the node, the thing that a NAD of type bridge
// names.
type BridgeConfig struct {
	// Name of the bridge, "br0". Required; at most 15 bytes.
	Name string `json:"name"`
	// Links are the ports: physical links, bonds or VLANs by name, or link
	// aliases among documents. A port carries no address of its own: what the
	// machine config gives it, Apply moves to the bridge. No port at all makes
	// a bridge that only pods and VMs of the node share.
	Links []string `json:"links,omitempty"`
	// Selectors are further ports, found by their hardware.
	Selectors []LinkSelector `json:"selectors,omitempty"`
	// STP runs the spanning tree protocol: needed where two bridges can form
	// a loop, and else a delay of up to 30 s before the first packet.
	STP bool `json:"stp,omitempty"`
	// VLANFiltering makes the bridge look at VLAN tags; since Talos v1.8.
	// Talos cannot allow tags on a port, so the ports drop tagged packets.
	VLANFiltering bool `json:"vlanFiltering,omitempty"`
	// MTU in bytes. Zero is that of the ports.
	MTU int `json:"mtu,omitempty"`
	// HardwareAddr fixes the MAC address, which else changes with the ports,
	// and with it the node's DHCP lease. Only among documents (Talos v1.12).
	HardwareAddr string `json:"hardwareAddr,omitempty"`
	// Addresses with prefix length, "172.16.1.60/24". Where Addresses, Routes
	// and DHCP are all left out, Apply takes those that the ports have.
	Addresses []string `json:"addresses,omitempty"`
	// Routes through the bridge.
	Routes []Route `json:"routes,omitempty"`
	// DHCPv4 asks for an IPv4 address.
	DHCPv4 bool `json:"dhcpv4,omitempty"`
	// DHCPv6 asks for an IPv6 address.
	DHCPv6 bool `json:"dhcpv6,omitempty"`
	// DHCPRouteMetric is the metric of routes that DHCP gives. Zero is Talos'
	// default, 1024.
	DHCPRouteMetric uint32 `json:"dhcpRouteMetric,omitempty"`
	// VIP is the shared address of the control planes. Empty: Apply moves the
	// one that a port has.
	VIP string `json:"vip,omitempty"`
	// PrimaryLink is the link by which the node is reached. With the first
	// document for a link Talos stops to configure all other links by itself,
	// so a patch that knows the primary link adds what keeps it: DHCPv4Config,
	// or LinkConfig with its addresses. Where it is one of Links, the bridge
	// takes over its addresses or DHCP.
	PrimaryLink PrimaryLink `json:"primaryLink,omitzero"`
	// Form is the way to write it. Empty is what fits the version.
	Form Form `json:"form,omitempty"`
}

// BridgePatch returns the patch that gives a node a bridge: BridgeConfig and
// its companions, or machine.network.interfaces before Talos v1.12. It
// replaces a bridge of that name.
//
// The error holds all problems of config, each a *field.Error or a
// *NotSupportedError for what the version lacks.
func BridgePatch(talosVersion string, config BridgeConfig) (Patch, error) {
	l := link{
		kind: kindBridge, name: config.Name, owns: ownsLink, primary: config.PrimaryLink,
		ports: config.Links, selectors: config.Selectors, stp: config.STP, filtering: config.VLANFiltering,
		hardwareAddr: config.HardwareAddr,
		addressing: addressing{
			mtu: config.MTU, addresses: config.Addresses, routes: config.Routes, dhcp4: config.DHCPv4, dhcp6: config.DHCPv6,
			metric: config.DHCPRouteMetric, metric6: config.DHCPRouteMetric, vips: present(config.VIP),
		},
	}
	return build(talosVersion, config.Form, l, func(v version, form Form) field.ErrorList {
		errs := validateLinkName(field.NewPath("name"), config.Name)
		errs = append(errs, validatePorts(field.NewPath("links"), config.Name, config.Links)...)
		errs = append(errs, validateSelectors(field.NewPath("selectors"), config.Name, config.Selectors, v, form, version.bridgePort)...)
		if config.VLANFiltering && !v.vlanFiltering() {
			errs = append(errs, unsupported(field.NewPath("vlanFiltering"), "VLAN filtering of a bridge", v, "v1.8"))
		}
		return errs
	})
}
