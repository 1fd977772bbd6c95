package nad

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// parseIP reads an address as net.ParseIP does: without a zone, IPv4 in IPv6
// as IPv4.
func parseIP(text string) (netip.Addr, bool) {
	if text == "" {
		return netip.Addr{}, false // without an error to make
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap(), err == nil && addr.Zone() == ""
}

// parseCIDR reads a network or an address with its prefix length as
// net.ParseCIDR does; host bits stay.
func parseCIDR(text string) (netip.Prefix, bool) {
	address, length, _ := strings.Cut(text, "/")
	if address == "" {
		return netip.Prefix{}, false
	}
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" || length == "" || !isDigit(length[0]) { // Atoi takes a sign
		return netip.Prefix{}, false
	}
	bits, err := strconv.Atoi(length)
	prefix := netip.PrefixFrom(addr, bits)
	return prefix, err == nil && prefix.IsValid()
}

// lastAddr returns the last address of a network.
func lastAddr(p netip.Prefix) netip.Addr {
	bytes := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// isBroadcast reports whether the address is that of all hosts of a network.
func isBroadcast(p netip.Prefix, addr netip.Addr) bool {
	return p.IsValid() && p.Addr().Is4() && p.Bits() < 31 && addr == lastAddr(p)
}

// tooSmall reports whether a network has no addresses to give out.
func tooSmall(p netip.Prefix) bool { return p.Bits() > p.Addr().BitLen()-2 }

// A subnet is a network that an IPAM puts pods into.
type subnet struct {
	prefix  netip.Prefix
	gateway netip.Addr // invalid without one
}

// subnetsOf returns what can be read of the networks of an IPAM.
func subnetsOf(ipam IPAM) []subnet {
	var out []subnet
	add := func(network, gateway string) {
		prefix, ok := parseCIDR(network)
		if !ok {
			return
		}
		s := subnet{prefix: prefix.Masked()}
		if gateway, ok := parseIP(gateway); ok && !gateway.IsUnspecified() {
			s.gateway = gateway
		}
		out = append(out, s)
	}
	switch c := ipam.(type) {
	case HostLocal:
		add(c.Subnet, c.Gateway)
		for _, set := range c.Ranges {
			for _, r := range set {
				add(r.Subnet, r.Gateway)
			}
		}
		for i := range out { // host-local takes the first address otherwise
			if !out[i].gateway.IsValid() {
				out[i].gateway = out[i].prefix.Addr().Next()
			}
		}
	case Static:
		for _, address := range c.Addresses {
			add(address.Address, address.Gateway)
		}
	case Whereabouts:
		for _, r := range c.ranges() {
			_, _, network := splitRange(r.Range)
			add(network, c.Gateway)
		}
		for _, address := range c.Addresses {
			add(address.Address, address.Gateway)
		}
	}
	return out
}

// firstOfSets returns the first range of each set of host-local.
func firstOfSets(c HostLocal) []subnet {
	var first []subnet
	if c.Subnet != "" {
		first = subnetsOf(HostLocal{Subnet: c.Subnet, Gateway: c.Gateway})
	}
	for _, set := range c.Ranges {
		first = append(first, subnetsOf(HostLocal{Ranges: [][]HostLocalRange{set[:min(1, len(set))]}})...)
	}
	return first
}

func hasIPv6(ipam IPAM) bool {
	return slices.ContainsFunc(subnetsOf(ipam), func(s subnet) bool { return s.prefix.Addr().Is6() })
}

func contains(subnets []subnet, addr netip.Addr) bool {
	return slices.ContainsFunc(subnets, func(s subnet) bool { return s.prefix.Contains(addr) })
}
