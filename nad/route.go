package nad

import (
	"net/netip"
	"slices"
	"strconv"
)

// routes looks at the routes of an IPAM. The gateways of routes are only
// judged where the pods' addresses are certain.
func (k *checker) routes(routes []Route, subnets []subnet, certain bool) {
	type identity struct {
		dst, table string
		gw         netip.Addr
		priority   int
	}
	var seen set[identity]
	reachable := slices.Clip(subnets[:min(most, len(subnets))])
	certain = certain && len(subnets) <= most // judging more of either would take long
	for i, route := range routes {
		k := k.at("routes", i)
		dst, ok := k.routeDst(route)
		gw, isGW := parseIP(route.GW)
		if route.GW != "" && !isGW {
			k.invalid("gw", route.GW, "route", "must be an address")
		}
		if route.Scope != nil && uint8(*route.Scope) == scopeNowhere {
			k.invalid("scope", *route.Scope, "route", "is that of destinations that do not exist")
		}
		k.warnIf(route.MTU != 0 || route.AdvMSS != 0, "mtu", "no-effect", "or advmss is read by the plugins and not applied", "set the mtu of the interface")
		if !ok || route.GW != "" && !isGW {
			continue
		}
		k.warnIf(dst.Bits() == 0, "dst", "default-route", "is the default route: the pod leaves the cluster through this network", "name the networks that are behind it, or let pods ask for it with default-route")
		if !gw.IsValid() {
			gw = gatewayFor(dst, subnets)
		}
		if gw.IsUnspecified() && gw.Is4() == dst.Addr().Is4() {
			gw = netip.Addr{} // as good as none
		}
		if !seen.add(identity{route.Dst, number(route.Table), gw, route.Priority}) {
			k.fail("route", duplicate("dst", route.Dst))
		}
		k.nextHop(route, dst, gw, reachable, certain)
		if !gw.IsValid() && isLink(route.Scope) && len(reachable) < 2*most {
			reachable = append(reachable, subnet{prefix: dst})
		}
	}
}

// nextHop reports a gateway that the kernel refuses.
func (k *checker) nextHop(route Route, dst netip.Prefix, gw netip.Addr, reachable []subnet, certain bool) {
	switch {
	case !gw.IsValid():
	case gw.Is4() != dst.Addr().Is4():
		k.invalid("gw", gw.String(), "route", "must be of the address family of dst")
	case gw.Is4() && isLink(route.Scope):
		k.invalid("scope", *route.Scope, "route", "is that of a route without a gateway, and this one has "+gw.String())
	case certain && slices.ContainsFunc(reachable, func(s subnet) bool { return isBroadcast(s.prefix, gw) }):
		k.invalid("gw", gw.String(), "route", "is the broadcast address of the network")
	case certain && len(reachable) > 0 && !contains(reachable, gw) && !gw.IsLinkLocalUnicast():
		k.invalid("gw", gw.String(), "route", "is in none of the networks of this interface, so the kernel does not reach it")
	}
}

// Scopes of Linux, of which plugins and kernel take the lowest byte.
const (
	scopeLink    = 253
	scopeNowhere = 255
)

// isLink reports whether the scope is that of destinations on the link.
func isLink(scope *int) bool { return scope != nil && uint8(*scope) == scopeLink }

func (k *checker) routeDst(route Route) (netip.Prefix, bool) {
	dst, ok := parseCIDR(route.Dst)
	switch {
	case route.Dst == "":
		k.require("dst", "the destination, such as 10.7.0.0/16")
	case !ok:
		k.invalid("dst", route.Dst, "route", "must be a network such as 10.7.0.0/16")
	case dst != dst.Masked() && dst.Addr().Unmap().Is4():
		k.invalid("dst", route.Dst, "route", "must not have bits set for hosts: "+dst.Masked().String())
		return dst, false
	case dst != dst.Masked(): // the kernel clears them in IPv6 alone
		k.warn("dst", "host-bits", "has bits set for hosts, which have no effect", "write "+dst.Masked().String())
	}
	return dst, ok
}

// gatewayFor returns what ADD takes for a route that names no gateway.
func gatewayFor(dst netip.Prefix, subnets []subnet) netip.Addr {
	for _, s := range subnets {
		if s.gateway.IsValid() && s.gateway.Is4() == dst.Addr().Is4() {
			return s.gateway
		}
	}
	return netip.Addr{}
}

// defaultRouteClash finds default routes that a plugin with isDefaultGateway
// adds a second time.
func (k *checker) defaultRouteClash(ipam IPAM) {
	k = k.child("ipam")
	for i, route := range routesOf(ipam) {
		if dst, ok := parseCIDR(route.Dst); ok && dst.Bits() == 0 && route.GW == "" {
			k.at("routes", i).forbid("dst", "route", "isDefaultGateway adds this route too, and the second one fails; remove one of the two")
		}
	}
}

func number(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}
