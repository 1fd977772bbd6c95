package kubevirt

import (
	"net/netip"
	"slices"

	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/nad"
)

const discoverSource = netpodSource + "/discoverbridge.go"

var (
	ipamBridge = rule{
		"ipam-bridge", multihome.SeverityWarning,
		"leave ipam out of the NAD (kubevirt.BridgeNAD): the guest then has the LAN's own DHCP or fixed addresses, and keeps them",
		"kubevirt #7967; " + discoverSource,
	}
	ipamIPv6 = rule{
		"ipam-ipv6", multihome.SeverityWarning, "leave ipam out of the NAD, and give the guest its IPv6 address by cloud-init or router advertisements", discoverSource,
	}
	ipamManagedTap = rule{
		"ipam-bridge", multihome.SeverityWarning, "leave ipam out of the NAD", "kubevirt docs/network/network-binding-plugin.md, managedTap",
	}
	ipamNoRoute = rule{
		"ipam-no-route", multihome.SeverityError, "leave ipam out of the NAD, or give it a route", "kubevirt #7001; " + discoverSource,
	}
	guestSubnet = rule{
		"guest-subnet", multihome.SeverityWarning, "set pod.vmNetworkCIDR or pod.vmIPv6NetworkCIDR of the masquerade network to another range",
		"kubevirt pkg/virt-launcher/virtwrap/api/defaults.go at v1.9.0",
	}
	podCIDR = rule{
		"pod-cidr", multihome.SeverityError, "write a network of at least two addresses for hosts, such as 10.0.2.0/24 or fd10:0:2::/120", netpodSource,
	}
)

// addresses looks at IPAM on a network whose interface is bridged to the guest.
func (c *check) addresses(p *pair) {
	path := p.srcPath + ".multus.networkName"
	if isDefault(p.source) {
		// Of other plugins it is not known whether they give addresses by themselves.
		if _, isRaw := p.network.main.(nad.Raw); !isRaw && p.network.ipam == nil && !hasOwnAddresses[p.network.kind()] {
			c.report(defaultWithoutIP, path, "NAD %s gives no address, without which a pod cannot start on it", p.key)
		}
		return
	}
	if !p.binding.bridged() || p.network.ipam == nil {
		return
	}
	if p.binding == bindingManagedTap {
		c.report(ipamManagedTap, path, "NAD %s gives an address to the pod, and the binding plugin %s does not hand it to the guest", p.key, p.iface.Binding.Name)
		return
	}
	nets := subnets(p.network.ipam)
	isIPv4 := func(p netip.Prefix) bool { return p.Addr().Is4() }
	switch {
	case len(nets) > 0 && !slices.ContainsFunc(nets, isIPv4):
		c.report(ipamIPv6, path, "NAD %s gives IPv6 addresses, which the binding bridge does not hand to the guest", p.key)
	case p.network.noRoute(nets):
		c.report(ipamNoRoute, path, "NAD %s gives an address of its own network and no route, so that the VM does not start: no gateway address found in routes", p.key)
	default:
		c.report(ipamBridge, path, "NAD %s gives an address to the pod; the guest gets it by KubeVirt's DHCP, IPv4 only, and another one with each migration and restart", p.key)
	}
}

// hasOwnAddresses are plugins that find addresses without the key ipam.
var hasOwnAddresses = map[string]bool{"loopback": true, "host-device": true}

// noRoute reports whether no IPv4 route leads over the pod's interface: for a
// network of one address the kernel makes none.
func (n *network) noRoute(nets []netip.Prefix) bool {
	if _, isStatic := n.ipam.(nad.Static); !isStatic || len(nets) == 0 {
		return false
	}
	for _, net := range nets {
		if net.Addr().Is4() && !net.IsSingleIP() {
			return false
		}
	}
	for _, route := range routes(n.ipam) {
		if dst, err := netip.ParsePrefix(route.Dst); err == nil && dst.Addr().Is4() {
			return false
		}
	}
	return true
}

// The networks that KubeVirt makes inside the pod of a masquerade interface.
const (
	defaultGuestIPv4 = "10.0.2.0/24"
	defaultGuestIPv6 = "fd10:0:2::/120"
)

// podCIDRs looks at the networks that a VM wants for its masquerade interface.
func (c *check) podCIDRs(p *pair) {
	if p.binding != bindingMasquerade {
		return
	}
	for _, cidr := range []struct {
		key, value string
		isIPv4     bool
	}{{"vmNetworkCIDR", p.source.Pod.VMNetworkCIDR, true}, {"vmIPv6NetworkCIDR", p.source.Pod.VMIPv6NetworkCIDR, false}} {
		if cidr.value == "" {
			continue
		}
		const hosts = 2
		switch prefix, err := netip.ParsePrefix(cidr.value); {
		case err != nil:
			c.report(podCIDR, p.srcPath+".pod."+cidr.key, "%q is no network, so that the VM does not start", cidr.value)
		case prefix.Addr().Is4() != cidr.isIPv4:
			c.report(podCIDR, p.srcPath+".pod."+cidr.key, "%q is of the wrong address family", cidr.value)
		case prefix.Bits() > prefix.Addr().BitLen()-hosts:
			c.report(podCIDR, p.srcPath+".pod."+cidr.key, "%q is too small, so that the VM does not start", cidr.value)
		}
	}
}

// guestSubnets compares the network behind a masquerade interface with those
// that the guest has beside it.
func (c *check) guestSubnets(pairs []pair) {
	i := slices.IndexFunc(pairs, func(p pair) bool { return p.binding == bindingMasquerade && p.source.Pod != nil })
	if i < 0 {
		return
	}
	var guest []netip.Prefix
	for _, cidr := range guestCIDRs(pairs[i].source.Pod) {
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			guest = append(guest, prefix.Masked())
		}
	}
	for n := range pairs {
		p := &pairs[n]
		if p.network == nil || p.binding == bindingSRIOV && p.network.ipam == nil {
			continue
		}
		for _, net := range subnets(p.network.ipam) {
			if at := slices.IndexFunc(guest, net.Overlaps); at >= 0 {
				c.report(guestSubnet, p.srcPath+".multus.networkName", "%s of NAD %s overlaps with %s, which the guest has behind its interface %s: it reaches only one of the two",
					net, p.key, guest[at], pairs[i].iface.Name)
				break
			}
		}
	}
}

func guestCIDRs(pod *kubevirtv1.PodNetwork) []string {
	out := []string{defaultGuestIPv4, defaultGuestIPv6}
	for i, cidr := range []string{pod.VMNetworkCIDR, pod.VMIPv6NetworkCIDR} {
		if cidr != "" {
			out[i] = cidr
		}
	}
	return out
}
