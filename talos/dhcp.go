package talos

import "k8s.io/apimachinery/pkg/util/validation/field"

// DHCPConfig lets a link get its address by DHCP.
type DHCPConfig struct {
	// Link by name, "eno1", or a link alias among documents. Required.
	Link string `json:"link"`
	// DisableIPv4 leaves out DHCPv4, which is on by default.
	DisableIPv4 bool `json:"disableIPv4,omitempty"`
	// IPv6 asks for an IPv6 address too.
	IPv6 bool `json:"ipv6,omitempty"`
	// RouteMetric is the metric of the routes that DHCP gives. Zero is Talos'
	// default, 1024; the lowest metric wins.
	RouteMetric uint32 `json:"routeMetric,omitempty"`
	// IgnoreHostname keeps the node's name where the server sends another.
	// Only among documents (Talos v1.12).
	IgnoreHostname bool `json:"ignoreHostname,omitempty"`
	// PrimaryLink keeps the node reachable; see [BridgeConfig].
	PrimaryLink PrimaryLink `json:"primaryLink,omitzero"`
	// Form is the way to write it. Empty is what fits the version.
	Form Form `json:"form,omitempty"`
}

// DHCPPatch returns the patch that lets a link use DHCP: DHCPv4Config and
// DHCPv6Config, or an entry of machine.network.interfaces before Talos v1.12.
// The errors are those of [BridgePatch].
func DHCPPatch(talosVersion string, config DHCPConfig) (Patch, error) {
	l := link{
		kind: kindLink, name: config.Link, owns: ownsDHCP, primary: config.PrimaryLink,
		addressing: addressing{dhcp4: !config.DisableIPv4, dhcp6: config.IPv6, metric: config.RouteMetric, metric6: config.RouteMetric, noName: config.IgnoreHostname},
	}
	return build(talosVersion, config.Form, l, func(v version, form Form) field.ErrorList {
		errs := validateLinkName(field.NewPath("link"), config.Link)
		if config.DisableIPv4 && !config.IPv6 {
			errs = append(errs, field.Required(field.NewPath("ipv6"), "with disableIPv4 nothing is left to ask for"))
		}
		if config.IgnoreHostname && form == FormLegacy {
			errs = append(errs, unsupported(field.NewPath("ignoreHostname"), "ignoring the host name of a DHCP server in the legacy form", v, "v1.12"))
		}
		return errs
	})
}
