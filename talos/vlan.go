package talos

import (
	"cmp"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// VLANMode is the protocol of a VLAN tag.
type VLANMode string

// The protocols that Talos knows.
const (
	VLANMode8021Q  VLANMode = "802.1q"
	VLANMode8021AD VLANMode = "802.1ad"
)

// VLANConfig is a VLAN of a link. A VLAN with a bridge of its own above it is
// what gives pods a tagged network on Talos.
type VLANConfig struct {
	// Parent is the link that carries the tagged packets, "bond0". Required.
	Parent string `json:"parent"`
	// ID of the VLAN, 1 to 4094. Required.
	ID int `json:"id"`
	// Name of the VLAN link. Empty is the name that Talos gives it,
	// "bond0.100", the only one in the legacy form.
	Name string `json:"name,omitempty"`
	// Mode is the protocol of the tag. Empty is VLANMode8021Q, the only one
	// in the legacy form.
	Mode VLANMode `json:"mode,omitempty"`
	// MTU in bytes. Zero is that of the parent.
	MTU int `json:"mtu,omitempty"`
	// Addresses with prefix length.
	Addresses []string `json:"addresses,omitempty"`
	// Routes through the VLAN.
	Routes []Route `json:"routes,omitempty"`
	// DHCPv4 asks for an IPv4 address.
	DHCPv4 bool `json:"dhcpv4,omitempty"`
	// DHCPv6 asks for an IPv6 address.
	DHCPv6 bool `json:"dhcpv6,omitempty"`
	// DHCPRouteMetric is the metric of routes that DHCP gives. Zero is Talos'
	// default, 1024.
	DHCPRouteMetric uint32 `json:"dhcpRouteMetric,omitempty"`
	// VIP is the shared address of the control planes that the VLAN carries.
	VIP string `json:"vip,omitempty"`
	// PrimaryLink keeps the node reachable; see [BridgeConfig].
	PrimaryLink PrimaryLink `json:"primaryLink,omitzero"`
	// Form is the way to write it. Empty is what fits the version.
	Form Form `json:"form,omitempty"`
}

// VLANPatch returns the patch that gives a node a VLAN: VLANConfig and its
// companions, or an entry of its parent's vlans before Talos v1.12. It
// replaces the VLAN of that ID. The errors are those of [BridgePatch].
func VLANPatch(talosVersion string, config VLANConfig) (Patch, error) {
	l := link{
		kind: kindVLAN, owns: ownsLink, primary: config.PrimaryLink,
		parent: config.Parent, vlanID: config.ID, vlanMode: config.Mode,
		addressing: addressing{
			mtu: config.MTU, addresses: config.Addresses, routes: config.Routes, dhcp4: config.DHCPv4, dhcp6: config.DHCPv6,
			metric: config.DHCPRouteMetric, metric6: config.DHCPRouteMetric, vips: present(config.VIP),
		},
	}
	given := vlanName(config.Parent, config.ID)
	l.name = cmp.Or(config.Name, given)
	return build(talosVersion, config.Form, l, func(v version, form Form) field.ErrorList {
		errs := validateLinkName(field.NewPath("parent"), config.Parent)
		if config.ID < 1 || config.ID > 4094 {
			errs = append(errs, field.Invalid(field.NewPath("id"), config.ID, "must be between 1 and 4094"))
		} else if config.Parent != "" {
			errs = append(errs, validateLinkName(field.NewPath("name"), l.name)...)
		}
		errs = append(errs, validateEnum(field.NewPath("mode"), config.Mode, VLANMode8021Q, VLANMode8021AD)...)
		if form == FormLegacy {
			if l.name != given {
				errs = append(errs, unsupported(field.NewPath("name"), "a VLAN name other than "+given, v, "v1.12"))
			}
			if config.Mode == VLANMode8021AD {
				errs = append(errs, unsupported(field.NewPath("mode"), "VLAN mode 802.1ad", v, "v1.12"))
			}
		}
		return errs
	})
}

func itoa(n int) string { return strconv.Itoa(n) }
