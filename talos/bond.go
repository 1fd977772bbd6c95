package talos

import (
	"cmp"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// BondMode is the way in which a bond uses its ports.
type BondMode string

// The modes of the kernel's bonding driver. All but BondModeActiveBackup,
// BondModeTLB and BondModeALB need a switch that is set up for it.
const (
	BondModeActiveBackup BondMode = "active-backup"
	BondMode8023AD       BondMode = "802.3ad"
	BondModeRoundRobin   BondMode = "balance-rr"
	BondModeXOR          BondMode = "balance-xor"
	BondModeBroadcast    BondMode = "broadcast"
	BondModeTLB          BondMode = "balance-tlb"
	BondModeALB          BondMode = "balance-alb"
)

// HashPolicy says which header fields choose the port of a packet.
type HashPolicy string

// The hash policies that Talos knows.
const (
	HashPolicyLayer2  HashPolicy = "layer2"
	HashPolicyLayer23 HashPolicy = "layer2+3"
	HashPolicyLayer34 HashPolicy = "layer3+4"
	HashPolicyEncap23 HashPolicy = "encap2+3"
	HashPolicyEncap34 HashPolicy = "encap3+4"
)

// LACPRate is how often a bond of mode 802.3ad talks to the switch.
type LACPRate string

// The rates of the protocol: every 30 s, every second.
const (
	LACPRateSlow LACPRate = "slow"
	LACPRateFast LACPRate = "fast"
)

// defaultMIIMon is in milliseconds; the driver's own default of 0 never
// notices a dead link.
const defaultMIIMon = 100

// BondConfig is a bond of links, usually below a bridge or a VLAN.
type BondConfig struct {
	// Name of the bond, "bond0". Required; at most 15 bytes.
	Name string `json:"name"`
	// Links are the ports. At least one here or in Selectors is required.
	Links []string `json:"links,omitempty"`
	// Selectors are further ports, found by their hardware.
	Selectors []LinkSelector `json:"selectors,omitempty"`
	// Mode is the way to use the ports. Empty is BondModeActiveBackup, which
	// works with every switch.
	Mode BondMode `json:"mode,omitempty"`
	// MIIMon is the time between two looks at the links in milliseconds. Zero
	// is 100.
	MIIMon uint32 `json:"miimon,omitempty"`
	// UpDelay is the time in milliseconds before a link that came back is
	// used, a multiple of MIIMon. Zero is none; 200 in mode 802.3ad.
	UpDelay uint32 `json:"upDelay,omitempty"`
	// DownDelay is the time in milliseconds before a dead link is left, a
	// multiple of MIIMon. Zero is none; 200 in mode 802.3ad.
	DownDelay uint32 `json:"downDelay,omitempty"`
	// HashPolicy is the choice of the port. Empty is layer2, or layer3+4 in
	// mode 802.3ad.
	HashPolicy HashPolicy `json:"hashPolicy,omitempty"`
	// LACPRate only exists in mode 802.3ad. Empty is LACPRateSlow.
	LACPRate LACPRate `json:"lacpRate,omitempty"`
	// MinLinks is the number of live ports below which the bond is down. Zero
	// is one.
	MinLinks uint32 `json:"minLinks,omitempty"`
	// MTU in bytes. Zero is 1500.
	MTU int `json:"mtu,omitempty"`
	// HardwareAddr fixes the MAC address. Only among documents (Talos v1.12).
	HardwareAddr string `json:"hardwareAddr,omitempty"`
	// Addresses with prefix length. Where Addresses, Routes and DHCP are all
	// left out, Apply takes those that the ports have.
	Addresses []string `json:"addresses,omitempty"`
	// Routes through the bond.
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
	// PrimaryLink keeps the node reachable; see [BridgeConfig].
	PrimaryLink PrimaryLink `json:"primaryLink,omitzero"`
	// Form is the way to write it. Empty is what fits the version.
	Form Form `json:"form,omitempty"`
}

// tuning fills in the defaults.
func (c BondConfig) tuning() bondTuning {
	t := bondTuning{
		MIIMon: cmp.Or(c.MIIMon, defaultMIIMon), UpDelay: c.UpDelay, DownDelay: c.DownDelay,
		XmitHashPolicy: string(c.HashPolicy), LACPRate: string(c.LACPRate), MinLinks: c.MinLinks,
	}
	if c.Mode == BondMode8023AD {
		// Talos warns where these are missing.
		t.UpDelay, t.DownDelay = cmp.Or(t.UpDelay, 2*t.MIIMon), cmp.Or(t.DownDelay, 2*t.MIIMon)
		t.XmitHashPolicy = cmp.Or(t.XmitHashPolicy, string(HashPolicyLayer34))
	}
	return t
}

// BondPatch returns the patch that gives a node a bond: BondConfig and its
// companions, or machine.network.interfaces before Talos v1.12. It replaces a
// bond of that name. The errors are those of [BridgePatch].
func BondPatch(talosVersion string, config BondConfig) (Patch, error) {
	l := link{
		kind: kindBond, name: config.Name, owns: ownsLink, primary: config.PrimaryLink,
		ports: config.Links, selectors: config.Selectors, hardwareAddr: config.HardwareAddr,
		bondMode: cmp.Or(config.Mode, BondModeActiveBackup), bondTuning: config.tuning(),
		addressing: addressing{
			mtu: config.MTU, addresses: config.Addresses, routes: config.Routes, dhcp4: config.DHCPv4, dhcp6: config.DHCPv6,
			metric: config.DHCPRouteMetric, metric6: config.DHCPRouteMetric, vips: present(config.VIP),
		},
	}
	return build(talosVersion, config.Form, l, func(v version, form Form) field.ErrorList {
		errs := validateLinkName(field.NewPath("name"), config.Name)
		errs = append(errs, validatePorts(field.NewPath("links"), config.Name, config.Links)...)
		errs = append(errs, validateSelectors(field.NewPath("selectors"), config.Name, config.Selectors, v, form, nil)...)
		return append(errs, config.validate()...)
	})
}

func (c BondConfig) validate() field.ErrorList {
	var errs field.ErrorList
	if len(c.Links)+len(c.Selectors) == 0 {
		errs = append(errs, field.Required(field.NewPath("links"), "a bond has at least one port"))
	}
	errs = append(errs, validateEnum(field.NewPath("mode"), c.Mode,
		BondModeActiveBackup, BondMode8023AD, BondModeRoundRobin, BondModeXOR, BondModeBroadcast, BondModeTLB, BondModeALB)...)
	errs = append(errs, validateEnum(field.NewPath("hashPolicy"), c.HashPolicy,
		HashPolicyLayer2, HashPolicyLayer23, HashPolicyLayer34, HashPolicyEncap23, HashPolicyEncap34)...)
	errs = append(errs, validateEnum(field.NewPath("lacpRate"), c.LACPRate, LACPRateSlow, LACPRateFast)...)
	if c.LACPRate != "" && c.Mode != BondMode8023AD {
		errs = append(errs, field.Forbidden(field.NewPath("lacpRate"), "only exists in mode 802.3ad"))
	}
	t := c.tuning()
	for _, delay := range []struct {
		key   string
		value uint32
	}{{"upDelay", t.UpDelay}, {"downDelay", t.DownDelay}} {
		if delay.value%t.MIIMon != 0 {
			errs = append(errs, field.Invalid(field.NewPath(delay.key), delay.value, "must be a multiple of miimon "+itoa(int(t.MIIMon))))
		}
	}
	return errs
}
