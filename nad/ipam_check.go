package nad

import (
	"net/netip"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func duplicate(key string, value any) field.Error {
	return field.Error{Type: field.ErrorTypeDuplicate, Field: key, BadValue: value, Detail: "is there already"}
}

// addressField reads an address that may be missing.
func (k *checker) addressField(key, text string) netip.Addr {
	addr, ok := parseIP(text)
	if !ok && text != "" {
		k.invalid(key, text, "address", "must be an address")
	}
	return addr
}

func (c HostLocal) checkIPAM(k *checker) {
	ranges := make([]hostRange, 0, 1+len(c.Ranges))
	first := HostLocalRange{Subnet: c.Subnet, RangeStart: c.RangeStart, RangeEnd: c.RangeEnd, Gateway: c.Gateway}
	switch {
	case c.Subnet != "" || k.saysZero("subnet") || k.saysNull("subnet"):
		ranges = append(ranges, k.hostLocalRange(first))
	case len(c.Ranges) == 0:
		k.require("subnet", "or ranges")
	case c.RangeStart != "" || c.RangeEnd != "" || c.Gateway != "":
		k.warn("rangeStart", "range-ignored", "and rangeEnd and gateway have no effect without subnet", "put them into ranges, or add subnet")
	}
	if c.Subnet == "" {
		k.addressField("rangeStart", c.RangeStart)
		k.addressField("rangeEnd", c.RangeEnd)
		k.addressField("gateway", c.Gateway)
	}
	own := len(ranges)
	for i, set := range c.Ranges {
		if len(set) == 0 {
			k.at("ranges", i).require("", "at least one range")
		}
		for j, r := range set {
			inner := k.at("ranges", i).at("", j).hostLocalRange(r)
			inner.set = own + i
			ranges = append(ranges, inner)
		}
	}
	k.hostLocalSets(ranges)
	k.routes(c.Routes, subnetsOf(c), !k.has(CapabilityIPs))
	if k.sharedLink() {
		k.warn("type", "host-local-shared", "counts addresses on each node alone: on a network that several nodes share, two pods get one address", "use whereabouts, static or dhcp, or a range of its own for each node")
	}
}

// A hostRange is a range of host-local; it is invalid without a subnet.
type hostRange struct {
	set        int // a pod gets an address of each
	at         *checker
	subnet     netip.Prefix
	start, end netip.Addr
}

func (r hostRange) contains(addr netip.Addr) bool {
	return r.subnet.Contains(addr) && r.start.Compare(addr) <= 0 && addr.Compare(r.end) <= 0
}

func (r hostRange) overlaps(other hostRange) bool {
	return r.contains(other.start) || r.contains(other.end) || other.contains(r.start)
}

func (k *checker) hostLocalRange(c HostLocalRange) hostRange {
	start, end, gateway := k.addressField("rangeStart", c.RangeStart), k.addressField("rangeEnd", c.RangeEnd), k.addressField("gateway", c.Gateway)
	p, ok := parseCIDR(c.Subnet)
	switch {
	case c.Subnet == "":
		k.require("subnet", "a network such as 10.7.0.0/24")
		return hostRange{}
	case !ok || p.Addr().Is4In6():
		k.invalid("subnet", c.Subnet, "range", "must be a network such as 10.7.0.0/24")
		return hostRange{}
	case tooSmall(p):
		k.invalid("subnet", c.Subnet, "range", "is too small to give out addresses: at most /30, or /126 for IPv6")
		return hostRange{}
	case p != p.Masked():
		k.invalid("subnet", c.Subnet, "range", "must not have bits set for hosts: "+p.Masked().String())
		return hostRange{}
	}
	r := hostRange{at: k, subnet: p, start: p.Addr().Next(), end: lastAddr(p)}
	if p.Addr().Is4() {
		r.end = r.end.Prev() // not the broadcast address
	}
	if !k.inside("rangeStart", start, p) || !k.inside("rangeEnd", end, p) {
		return hostRange{}
	}
	k.edges(p, start, end)
	if start.IsValid() {
		r.start = start
	}
	if end.IsValid() {
		r.end = end
	}
	if end.IsValid() && r.start.Compare(end) > 0 {
		k.invalid("rangeEnd", end.String(), "range", "must not be below the start, "+r.start.String())
		return hostRange{}
	}
	k.gateway(gateway, []subnet{{prefix: p}})
	if !gateway.IsValid() {
		gateway = p.Addr().Next()
	}
	single := r.start == r.end
	if single && r.start == gateway {
		k.invalid("rangeEnd", r.end.String(), "range", "leaves nothing to give out: the one address is the gateway's")
	}
	return r
}

// inside reports whether an address is in the network, or none.
func (k *checker) inside(key string, addr netip.Addr, p netip.Prefix) bool {
	if !addr.IsValid() || p.Contains(addr) {
		return true
	}
	k.invalid(key, addr.String(), "range", "is not in "+p.String())
	return false
}

// edges warns of ranges that give out what no pod can use.
func (k *checker) edges(p netip.Prefix, start, end netip.Addr) {
	if start.IsValid() && start == p.Masked().Addr() {
		k.warn("rangeStart", "range-edge", "is the address of the network itself", "begin one later")
	}
	if end.IsValid() && end.Is4() && end == lastAddr(p) {
		k.warn("rangeEnd", "range-edge", "is the broadcast address", "end one earlier")
	}
}

// hostLocalSets compares the ranges with each other.
func (k *checker) hostLocalSets(ranges []hostRange) {
	var sets [2]int     // of IPv4 and of IPv6
	var first hostRange // of the set
	for i, r := range ranges {
		isFirst := i == 0 || r.set != first.set
		if isFirst {
			first = r
		}
		if !r.subnet.IsValid() {
			continue
		}
		is4 := r.subnet.Addr().Is4()
		family := 0
		if !is4 {
			family = 1
		}
		if isFirst {
			sets[family]++
		}
		if isFirst && sets[family] > 1 && !atLeast(k.network.CNIVersion, "0.3.0") {
			k.forbid("ranges", "cni-version", "set "+strconv.Itoa(r.set)+" is the second of its address family, which needs cniVersion 0.3.0")
		}
		if first.subnet.IsValid() && is4 != first.subnet.Addr().Is4() {
			r.at.invalid("subnet", r.subnet.String(), "range", "must be of the address family of the first range of its set")
		}
		// Comparing with all of many would take long.
		if at := slices.IndexFunc(ranges[:min(i, most)], r.overlaps); at >= 0 {
			other := ranges[at]
			r.at.invalid("subnet", r.subnet.String(), "range", "overlaps with "+other.subnet.String()+" in "+other.at.join(""))
		}
	}
}

// gateway warns of a gateway that pods cannot reach.
func (k *checker) gateway(gateway netip.Addr, subnets []subnet) {
	if gateway.IsValid() && len(subnets) > 0 && !contains(subnets, gateway) {
		k.warn("gateway", "gateway-outside", gateway.String()+" is not in "+subnets[0].prefix.String(), "set an address of the network")
	}
}

// sharedLink reports whether pods of several nodes meet on the network.
func (k *checker) sharedLink() bool {
	switch c := k.plugin.(type) {
	case PTPConfig, DummyConfig, LoopbackConfig, TapConfig, Raw:
		return false
	case BridgeConfig:
		return !c.IsGateway && !c.IsDefaultGateway && !c.IPMasq
	case IPVLANConfig:
		return c.Mode == "" || c.Mode == IPVLANModeL2
	}
	return true
}

func (c Static) checkIPAM(k *checker) {
	var seen set[netip.Prefix]
	for i, address := range c.Addresses {
		k := k.at("addresses", i)
		gateway := k.addressField("gateway", address.Gateway)
		p, ok := parseCIDR(address.Address)
		if !ok {
			k.invalid("address", address.Address, "address", "must be an address with prefix length such as 10.7.0.5/24")
			continue
		}
		if !seen.add(p) {
			k.fail("address", duplicate("address", address.Address))
		}
		k.gateway(gateway, []subnet{{prefix: p.Masked()}})
		switch reason := unusable(p); {
		case reason == "":
		case p.Addr().Is6() && reason != networkAddress: // the kernel refuses those
			k.invalid("address", address.Address, "address", "is "+reason)
		default:
			k.warn("address", "address-unusable", "is "+reason, "use an address of a host")
		}
	}
	requested := k.has(CapabilityIPs)
	if len(c.Addresses) == 0 && !requested && !k.hasExtra("args") {
		k.warn("addresses", "static-empty", "is empty: only pods that request ips with prefix length can start", `add addresses, or "capabilities": {"ips": true} to say that pods request them`)
	}
	k.routes(c.Routes, subnetsOf(c), !requested)
	k.dns("dns", c.DNS)
}

const networkAddress = "the address of the network itself"

// unusable says why no host can have the address.
func unusable(p netip.Prefix) string {
	addr := p.Addr()
	hosts := addr.BitLen() - p.Bits()
	switch {
	case addr.IsUnspecified():
		return "no address"
	case addr.IsMulticast():
		return "a multicast address"
	case addr.IsLoopback():
		return "a loopback address"
	case hosts > 1 && addr == p.Masked().Addr():
		return networkAddress
	case hosts > 1 && addr.Is4() && addr == lastAddr(p):
		return "the broadcast address"
	}
	return ""
}

func (k *checker) dns(key string, dns DNS) {
	if len(dns.Nameservers)+len(dns.Search)+len(dns.Options) > 0 || dns.Domain != "" {
		k.warn(key, "dns", "is never read: pods of Kubernetes have the resolver of their own spec", "set spec.dnsConfig of the pods")
	}
}
