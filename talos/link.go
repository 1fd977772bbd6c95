package talos

import (
	"slices"

	"github.com/siderolabs/talos/pkg/machinery/nethelpers"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// link is what BridgeConfig, BondConfig, VLANConfig, LinkConfig and DHCPConfig
// have in common, from which both forms are written.
type link struct {
	kind         string
	name         string
	owns         ownership // in the legacy form
	ports        []string
	selectors    []LinkSelector
	hardwareAddr string
	stp          bool
	filtering    bool
	bondMode     BondMode
	bondTuning   bondTuning
	parent       string
	vlanID       int
	vlanMode     VLANMode
	addressing   addressing
	primary      PrimaryLink
}

// build validates version and form, then what check finds, and writes the
// patch.
func build(talosVersion string, asked Form, l link, check func(version, Form) field.ErrorList) (Patch, error) {
	v, err := parseVersion(talosVersion)
	if err != nil {
		return Patch{}, err
	}
	form, err := v.form(asked)
	if err != nil {
		return Patch{}, err
	}
	errs := check(v, form)
	errs = append(errs, l.addressing.validate(nil)...)
	errs = append(errs, validateHardwareAddr(field.NewPath("hardwareAddr"), l.hardwareAddr, v, form)...)
	errs = append(errs, validatePrimary(field.NewPath("primaryLink"), l.primary)...)
	if l.primary.Name != "" && l.primary.Name == l.name && len(l.primary.Addresses) > 0 {
		errs = append(errs, field.Forbidden(field.NewPath("primaryLink", "addresses"), "the patch itself configures this link: set addresses and routes there"))
	}
	if len(errs) > 0 {
		return Patch{}, joinErrors(errs)
	}
	p := Patch{version: v, form: form, primary: l.primary.Name}
	l, assumed := l.takeOver()
	if assumed {
		p.assumed = []string{l.name}
	}
	if form == FormLegacy {
		p.legacy.Machine = &legacyMachine{Network: &legacyNetwork{Interfaces: l.devices()}}
	} else {
		p.documents = l.documents()
	}
	return p.finish()
}

// takeOver moves the addressing of the primary link to a master that has it as
// a port: what is known of it, else DHCP, which is then an assumption.
func (l link) takeOver() (moved link, assumed bool) {
	if l.primary.Name == "" || !slices.Contains(l.ports, l.primary.Name) || !l.addressing.unset() {
		return l, false
	}
	l.addressing.addresses, l.addressing.routes = slices.Clone(l.primary.Addresses), slices.Clone(l.primary.Routes)
	l.addressing.dhcp4 = len(l.primary.Addresses) == 0
	return l, l.addressing.dhcp4
}

// keepsPrimary reports whether the patch has to say something about the
// primary link because nothing else in it does.
func (l link) keepsPrimary() bool {
	return l.primary.Name != "" && l.primary.Name != l.name && !slices.Contains(l.ports, l.primary.Name)
}

// documents writes the link and what belongs to it, in the order in which a
// person would: aliases, the link, its DHCP and VIP, the primary link.
func (l link) documents() []document {
	var out []document
	ports := slices.Clone(l.ports)
	for i, s := range l.selectors {
		alias := newDocument(kindAlias, s.alias(l.name, i))
		alias.Selector = &aliasSelector{Match: s.match()}
		out = append(out, alias)
		ports = append(ports, alias.Name)
	}
	d := newDocument(l.kind, l.name)
	d.HardwareAddr, d.Links = l.hardwareAddr, ports
	d.Parent, d.VLANID, d.VLANMode = l.parent, l.vlanID, string(l.vlanMode)
	d.BondMode, d.bondTuning = string(l.bondMode), l.bondTuning
	if l.stp {
		d.STP = &toggle{true}
	}
	if l.filtering {
		d.VLAN = &filtering{true}
	}
	rest := l.addressing.documents(&d)
	if l.owns != ownsDHCP {
		out = append(out, d)
	}
	out = append(out, rest...)
	if l.keepsPrimary() {
		out = append(out, l.primary.companion())
	}
	return out
}

// companion is the document that keeps the primary link up and addressed.
func (p PrimaryLink) companion() document {
	d := newDocument(kindDHCPv4, p.Name)
	if len(p.Addresses) > 0 {
		d = newDocument(kindLink, p.Name)
		addressing{addresses: p.Addresses, routes: p.Routes}.documents(&d)
	}
	d.companion = true
	return d
}

// devices writes the link in the legacy form. The primary link needs nothing
// there: links that are not named keep what they have.
func (l link) devices() []device {
	if l.kind == kindVLAN {
		return []device{{Interface: l.parent, VLANs: []legacyVLAN{
			{VLANID: l.vlanID, MTU: l.addressing.mtu, deviceAddressing: l.addressing.legacy()},
		}}}
	}
	d := device{Interface: l.name, MTU: l.addressing.mtu, deviceAddressing: l.addressing.legacy(), owns: l.owns}
	out := []device{d}
	switch l.kind {
	case kindBridge:
		out[0].Bridge = &legacyBridge{Interfaces: slices.Clone(l.ports)}
		if l.stp {
			out[0].Bridge.STP = &toggle{true}
		}
		if l.filtering {
			out[0].Bridge.VLAN = &legacyFiltering{true}
		}
		for _, s := range l.selectors {
			selector := s.device()
			out = append(out, device{DeviceSelector: &selector, BridgePort: &legacyPort{Master: l.name}, owns: ownsLink})
		}
	case kindBond:
		out[0].Bond = &legacyBond{Interfaces: slices.Clone(l.ports), Mode: string(l.bondMode), bondTuning: l.bondTuning}
		for _, s := range l.selectors {
			out[0].Bond.DeviceSelectors = append(out[0].Bond.DeviceSelectors, s.device())
		}
	}
	return out
}

// LinkConfig configures a physical link by name.
type LinkConfig struct {
	// Name of the link, "eno2", or of a link alias. Required.
	Name string `json:"name"`
	// MTU in bytes. Zero is the driver's.
	MTU int `json:"mtu,omitempty"`
	// Addresses with prefix length.
	Addresses []string `json:"addresses,omitempty"`
	// Routes through the link.
	Routes []Route `json:"routes,omitempty"`
	// DHCPv4 asks for an IPv4 address.
	DHCPv4 bool `json:"dhcpv4,omitempty"`
	// DHCPv6 asks for an IPv6 address.
	DHCPv6 bool `json:"dhcpv6,omitempty"`
	// DHCPRouteMetric is the metric of routes that DHCP gives. Zero is Talos'
	// default, 1024.
	DHCPRouteMetric uint32 `json:"dhcpRouteMetric,omitempty"`
	// VIP is the shared address of the control planes that the link carries.
	VIP string `json:"vip,omitempty"`
	// PrimaryLink keeps the node reachable; see [BridgeConfig].
	PrimaryLink PrimaryLink `json:"primaryLink,omitzero"`
	// Form is the way to write it. Empty is what fits the version.
	Form Form `json:"form,omitempty"`
}

// LinkPatch returns the patch that configures a physical link: LinkConfig, or
// an entry of machine.network.interfaces before Talos v1.12. The errors are
// those of [BridgePatch].
func LinkPatch(talosVersion string, config LinkConfig) (Patch, error) {
	l := link{
		kind: kindLink, name: config.Name, owns: ownsAddressing, primary: config.PrimaryLink,
		addressing: addressing{
			mtu: config.MTU, addresses: config.Addresses, routes: config.Routes, dhcp4: config.DHCPv4, dhcp6: config.DHCPv6,
			metric: config.DHCPRouteMetric, metric6: config.DHCPRouteMetric, vips: present(config.VIP),
		},
	}
	return build(talosVersion, config.Form, l, func(version, Form) field.ErrorList {
		return validateLinkName(field.NewPath("name"), config.Name)
	})
}

// vlanName is what Talos calls a VLAN in the legacy form.
func vlanName(parent string, id int) string {
	return nethelpers.VLANLinkName(parent, uint16(id&0xffff)) //nolint:gosec // checked where it is written
}

// present is a list of the one value, or empty.
func present(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
