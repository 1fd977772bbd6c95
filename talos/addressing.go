package talos

import (
	"cmp"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Route is a static route through a link.
type Route struct {
	// Network is the destination, "10.0.0.0/8". "", "0.0.0.0/0" and "::/0"
	// are the default route of the gateway's family, which Talos' documents
	// write without a destination.
	Network string `json:"network,omitempty"`
	// Gateway is the next hop. Empty makes a route of link scope, which a
	// default route cannot be.
	Gateway string `json:"gateway,omitempty"`
	// Source is the source address that packets get. Empty lets the kernel
	// choose.
	Source string `json:"source,omitempty"`
	// Metric is the priority; the lowest wins. Zero is Talos' default, 1024.
	Metric uint32 `json:"metric,omitempty"`
	// MTU of packets that take the route. Zero is that of the link.
	MTU uint32 `json:"mtu,omitempty"`
}

// PrimaryLink is the link by which a node is reached, as the machine config
// has it before the patch. See [BridgeConfig].
type PrimaryLink struct {
	// Name of the link, "eno1". Empty: not known, and the patch carries a
	// finding that says what to look at.
	Name string `json:"name"`
	// Addresses of the link with prefix length. Empty: the link uses DHCP,
	// as Talos does by default.
	Addresses []string `json:"addresses,omitempty"`
	// Routes through the link; with Addresses one of them is usually the
	// default route.
	Routes []Route `json:"routes,omitempty"`
}

// addressing is what any link can carry.
type addressing struct {
	mtu       int
	addresses []string
	routes    []Route
	dhcp4     bool
	dhcp6     bool
	metric    uint32 // of routes received by DHCPv4
	metric6   uint32 // by DHCPv6
	noName    bool   // ignore the host name received by DHCP
	vips      []string
}

// reachable reports whether the link gets an address.
func (a addressing) reachable() bool { return len(a.addresses) > 0 || a.dhcp4 || a.dhcp6 }

// unset reports whether nothing but a VIP and an MTU was asked for.
func (a addressing) unset() bool { return !a.reachable() && len(a.routes) == 0 }

// join adds what b has and a lacks.
func (a *addressing) join(b addressing) {
	for _, value := range b.addresses {
		if !slices.Contains(a.addresses, value) {
			a.addresses = append(a.addresses, value)
		}
	}
	for _, value := range b.routes {
		if !slices.Contains(a.routes, value) {
			a.routes = append(a.routes, value)
		}
	}
	a.dhcp4, a.dhcp6 = a.dhcp4 || b.dhcp4, a.dhcp6 || b.dhcp6
	a.metric, a.metric6 = cmp.Or(a.metric, b.metric), cmp.Or(a.metric6, b.metric6)
}

// joinVIPs adds the VIPs that b has and a lacks.
func (a *addressing) joinVIPs(b addressing) {
	for _, vip := range b.vips {
		if !slices.Contains(a.vips, vip) {
			a.vips = append(a.vips, vip)
		}
	}
}

func (a addressing) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if a.mtu != 0 && (a.mtu < 68 || a.mtu > 65535) {
		errs = append(errs, field.Invalid(at.Child("mtu"), a.mtu, "must be between 68 and 65535"))
	}
	errs = append(errs, validateAddresses(at.Child("addresses"), a.addresses)...)
	errs = append(errs, validateRoutes(at.Child("routes"), a.routes)...)
	for _, vip := range a.vips {
		if ip, err := netip.ParseAddr(vip); err != nil || ip.IsUnspecified() || ip.Zone() != "" {
			errs = append(errs, field.Invalid(at.Child("vip"), vip, "must be an IP address without prefix length"))
		}
	}
	if a.metric != 0 && !a.dhcp4 && !a.dhcp6 {
		errs = append(errs, field.Forbidden(at.Child("dhcpRouteMetric"), "has no effect without DHCP"))
	}
	return errs
}

func validateAddresses(at *field.Path, addresses []string) field.ErrorList {
	var errs field.ErrorList
	for i, value := range addresses {
		prefix, err := netip.ParsePrefix(value)
		switch {
		case err != nil || prefix.Addr().IsUnspecified():
			errs = append(errs, field.Invalid(at.Index(i), value, "must be an IP address with prefix length such as 172.16.1.60/24"))
		case slices.Contains(addresses[:i], value):
			errs = append(errs, field.Duplicate(at.Index(i), value))
		}
	}
	return errs
}

func validateRoutes(at *field.Path, routes []Route) field.ErrorList {
	var errs field.ErrorList
	for i, r := range routes {
		at := at.Index(i)
		if slices.Contains(routes[:i], r) {
			errs = append(errs, field.Duplicate(at, r.Network))
		}
		network, err := r.network()
		if err != nil {
			errs = append(errs, field.Invalid(at.Child("network"), r.Network, "must be a network with prefix length such as 10.0.0.0/8"))
		} else if network != network.Masked() {
			errs = append(errs, field.Invalid(at.Child("network"), r.Network, "has host bits set; the network is "+network.Masked().String()))
		}
		gateway, gatewayErr := parseIP(r.Gateway)
		source, sourceErr := parseIP(r.Source)
		if gatewayErr != nil {
			errs = append(errs, field.Invalid(at.Child("gateway"), r.Gateway, "must be an IP address"))
		}
		if sourceErr != nil {
			errs = append(errs, field.Invalid(at.Child("source"), r.Source, "must be an IP address"))
		}
		if err != nil || gatewayErr != nil {
			continue
		}
		switch {
		case r.isDefault() && r.Gateway == "":
			errs = append(errs, field.Required(at.Child("gateway"), "a default route needs one"))
		case gateway.IsValid() && gateway.Is4() != network.Addr().Is4():
			errs = append(errs, field.Invalid(at.Child("gateway"), r.Gateway, "must be of the family of network "+network.String()))
		case sourceErr == nil && source.IsValid() && source.Is4() != network.Addr().Is4():
			errs = append(errs, field.Invalid(at.Child("source"), r.Source, "must be of the family of network "+network.String()))
		}
	}
	return errs
}

// parseIP reads an address that may be absent.
func parseIP(value string) (netip.Addr, error) {
	if value == "" {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(value)
	if err == nil && (ip.IsUnspecified() || ip.Zone() != "") {
		return netip.Addr{}, field.Invalid(nil, value, "unspecified")
	}
	return ip, err
}

// network is the destination; without one, the default route's.
func (r Route) network() (netip.Prefix, error) {
	if r.Network != "" {
		return netip.ParsePrefix(r.Network)
	}
	if gateway, err := netip.ParseAddr(r.Gateway); err == nil && gateway.Is6() {
		return netip.MustParsePrefix("::/0"), nil
	}
	return netip.MustParsePrefix("0.0.0.0/0"), nil
}

// isDefault reports whether r is a default route in any spelling.
func (r Route) isDefault() bool {
	network, err := r.network()
	return err == nil && network.Bits() == 0 && network.Addr().IsUnspecified()
}

func (r Route) document() route {
	if r.isDefault() {
		r.Network = ""
	}
	return route{Destination: r.Network, Gateway: r.Gateway, Source: r.Source, Metric: r.Metric, MTU: r.MTU}
}

func (r Route) legacy() legacyRoute {
	if network, err := r.network(); err == nil && r.isDefault() {
		r.Network = network.String()
	}
	return legacyRoute(r)
}

// document writes into d what a link's own document carries, and returns the
// documents that carry the rest.
func (a addressing) documents(d *document) []document {
	d.MTU = a.mtu
	for _, value := range a.addresses {
		d.Addresses = append(d.Addresses, address{Address: value})
	}
	for _, r := range a.routes {
		d.Routes = append(d.Routes, r.document())
	}
	var rest []document
	for _, dhcp := range []struct {
		kind   string
		on     bool
		metric uint32
	}{{kindDHCPv4, a.dhcp4, a.metric}, {kindDHCPv6, a.dhcp6, a.metric6}} {
		if dhcp.on {
			client := newDocument(dhcp.kind, d.Name)
			client.RouteMetric, client.IgnoreHostname = dhcp.metric, a.noName
			rest = append(rest, client)
		}
	}
	for _, vip := range a.vips {
		shared := newDocument(kindVIP, vip)
		shared.Link = d.Name
		rest = append(rest, shared)
	}
	return rest
}

// legacy returns the same in the legacy form, which has room for one VIP.
func (a addressing) legacy() deviceAddressing {
	d := deviceAddressing{Addresses: slices.Clone(a.addresses), DHCP: a.dhcp4 || a.dhcp6}
	for _, r := range a.routes {
		d.Routes = append(d.Routes, r.legacy())
	}
	if metric := cmp.Or(a.metric, a.metric6); d.DHCP && (a.dhcp6 || metric != 0) {
		d.DHCPOptions = &dhcpOptions{RouteMetric: metric}
		if a.dhcp6 {
			d.DHCPOptions.IPv6 = new(true)
		}
		if !a.dhcp4 {
			d.DHCPOptions.IPv4 = new(false)
		}
	}
	if len(a.vips) > 0 {
		d.VIP = &legacyVIP{IP: a.vips[0]}
	}
	return d
}

// addressing reads the legacy form back.
func (d deviceAddressing) addressing() addressing {
	a := addressing{addresses: slices.Clone(d.Addresses), dhcp4: d.DHCP}
	for _, r := range d.Routes {
		a.routes = append(a.routes, Route(r))
	}
	if options := d.DHCPOptions; d.DHCP && options != nil {
		a.metric, a.metric6 = options.RouteMetric, options.RouteMetric
		a.dhcp4 = options.IPv4 == nil || *options.IPv4
		a.dhcp6 = options.IPv6 != nil && *options.IPv6
	}
	if d.VIP != nil && d.VIP.IP != "" {
		a.vips = []string{d.VIP.IP}
	}
	return a
}

// addressing reads what a link's own document carries.
func (d document) addressing() addressing {
	a := addressing{mtu: d.MTU}
	for _, value := range d.Addresses {
		a.addresses = append(a.addresses, value.Address)
	}
	for _, r := range d.Routes {
		a.routes = append(a.routes, Route{Network: r.Destination, Gateway: r.Gateway, Source: r.Source, Metric: r.Metric, MTU: r.MTU})
	}
	return a
}
