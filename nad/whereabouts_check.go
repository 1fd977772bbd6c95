package nad

import (
	"net/netip"
	"strconv"
	"strings"
)

// ranges returns Range and IPRanges as one list.
func (c Whereabouts) ranges() []WhereaboutsRange {
	all := c.IPRanges
	if c.Range != "" {
		first := WhereaboutsRange{Range: c.Range, RangeStart: c.RangeStart, RangeEnd: c.RangeEnd, Exclude: c.Exclude}
		all = append([]WhereaboutsRange{first}, all...)
	}
	return all
}

// splitRange takes "start-end/bits" apart; start and end are "" in a network.
// The network of the short form is that of its end.
func splitRange(text string) (start, end, network string) {
	start, rest, found := strings.Cut(strings.TrimSpace(text), "-")
	if !found {
		return "", "", start
	}
	end, _, _ = strings.Cut(rest, "/")
	return strings.TrimSpace(start), strings.TrimSpace(end), strings.TrimSpace(rest)
}

func (c Whereabouts) checkIPAM(k *checker) {
	gateway := k.addressField("gateway", c.Gateway)
	own := 0
	if c.Range != "" {
		own = 1
	}
	for i, r := range c.ranges() {
		inner := k
		if i >= own {
			inner = k.at("ipRanges", i-own)
		}
		inner.whereaboutsRange(r, gateway)
	}
	if own == 0 && len(c.IPRanges) == 0 && len(c.Addresses) == 0 {
		k.warn("range", "range-missing", "is not set, so pods get no address unless a file on the node says more", "set range or ipRanges")
	}
	subnets := subnetsOf(c)
	k.gateway(gateway, subnets)
	for i, address := range c.Addresses {
		if _, ok := parseCIDR(address.Address); !ok {
			k.at("addresses", i).invalid("address", address.Address, "address", "must be an address with prefix length such as 10.7.0.5/24")
		}
	}
	if bits, found := strings.CutPrefix(c.NodeSliceSize, "/"); c.NodeSliceSize != "" {
		if n, err := strconv.Atoi(bits); !found || err != nil || n < 1 || n > 128 {
			k.warn("node_slice_size", "range", "is no prefix length such as /26", "write it with the slash")
		}
	}
	k.routes(c.Routes, subnets, true)
	k.dns("dns", c.DNS)
}

func (k *checker) whereaboutsRange(c WhereaboutsRange, gateway netip.Addr) {
	start, end, network := splitRange(c.Range)
	p, ok := parseCIDR(network)
	if !ok {
		k.invalid("range", c.Range, "range", "must be a network such as 10.7.0.0/24, or a part of one: 10.7.0.5-10.7.0.9/24")
		return
	}
	if start != "" {
		if addr, ok := parseIP(start); !ok || !p.Masked().Contains(addr) {
			k.invalid("range", c.Range, "range", "must begin with an address of the network")
			return
		}
	}
	if tooSmall(p) {
		k.invalid("range", c.Range, "range", "is too small to give out addresses: at most /30, or /126 for IPv6")
		return
	}
	first, last := k.whereaboutsEdge("range_start", c.RangeStart, p), k.whereaboutsEdge("range_end", c.RangeEnd, p)
	if first.IsValid() && last.IsValid() && first.Compare(last) > 0 {
		k.warn("range_start", "range-ignored", "is above range_end", "exchange the two")
	}
	if addr, ok := parseIP(start); ok {
		first = addr
	}
	if addr, ok := parseIP(end); ok {
		last = addr
	}
	given := gateway.IsValid() && p.Masked().Contains(gateway) &&
		(!first.IsValid() || first.Compare(gateway) <= 0) && (!last.IsValid() || gateway.Compare(last) <= 0)
	for i, text := range c.Exclude {
		excluded, ok := parseCIDR(text)
		if addr, isAddr := parseIP(text); isAddr {
			excluded, ok = netip.PrefixFrom(addr, addr.BitLen()), true
		}
		if !ok {
			k.invalid("exclude["+strconv.Itoa(i)+"]", text, "range", "must be an address or a network")
		}
		given = given && !excluded.Masked().Contains(gateway)
	}
	if given {
		k.warn("exclude", "gateway-given-out", "does not have the gateway "+gateway.String()+", so a pod will get its address", `add "`+netip.PrefixFrom(gateway, gateway.BitLen()).String()+`"`)
	}
}

// whereaboutsEdge warns of an edge that the plugin ignores.
func (k *checker) whereaboutsEdge(key, text string, p netip.Prefix) netip.Addr {
	addr, ok := parseIP(text)
	switch {
	case text == "":
		return netip.Addr{}
	case !ok:
		k.warn(key, "range-ignored", "is no address, which the plugin ignores", "write an address of the network")
		return netip.Addr{}
	case !p.Masked().Contains(addr):
		k.warn(key, "range-ignored", text+" is not in "+p.Masked().String()+", so the plugin ignores it", "write an address of the network")
		return netip.Addr{}
	}
	return addr
}
