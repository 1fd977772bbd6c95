package nad

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"

	"github.com/multihome/multihome"
)

type clusterCheck struct {
	cluster  Cluster
	networks []clusterNetwork
	ranges   []usedRange
	findings []multihome.Finding
}

// A clusterNetwork is a NAD with what it gives out.
type clusterNetwork struct {
	object  string
	network *Network
	link    string // what its pods meet on, "" if that is not known
	pools   []pool
}

// A pool is a range of addresses that an IPAM gives out.
type pool struct {
	ipam       IPAM
	subnet     netip.Prefix
	start, end netip.Addr
}

func (p pool) overlaps(other pool) bool {
	return p.start.Is4() == other.start.Is4() && p.start.Compare(other.end) <= 0 && other.start.Compare(p.end) <= 0
}

type usedRange struct {
	prefix netip.Prefix
	use    string
}

func (c *clusterCheck) add(severity multihome.Severity, object, code, path, message, remedy string) {
	c.findings = append(c.findings, multihome.Finding{
		Code: "nad/" + code, Severity: severity, Object: object, Path: path, Message: message, Remedy: remedy,
		Source: "what the cluster has",
	})
}

func (c *clusterCheck) read(def *netattdefv1.NetworkAttachmentDefinition) {
	network, err := Parse(def)
	if err != nil || len(network.Plugins) == 0 {
		return
	}
	n := clusterNetwork{object: objectOf(def), network: network, link: linkOf(network.Plugins[0])}
	for _, p := range network.Plugins {
		if ipam := ipamOf(p); ipam != nil {
			n.pools = append(n.pools, poolsOf(ipam)...)
		}
	}
	c.networks = append(c.networks, n)
}

// linkOf names the link that the pods of a network share, on every node alike.
func linkOf(p Plugin) string {
	switch p := p.(type) {
	case MacvlanConfig:
		return "interface " + cmp.Or(p.Master, "of the default route")
	case IPVLANConfig:
		return "interface " + cmp.Or(p.Master, "of the default route")
	case VLANConfig:
		return fmt.Sprintf("interface %s.%d", p.Master, p.VLANID)
	case BridgeConfig:
		return fmt.Sprintf("bridge %s VLAN %d", p.name(), p.VLAN)
	case OVSConfig:
		if p.VLAN != nil && len(p.Trunk) == 0 {
			return fmt.Sprintf("OVS bridge %s VLAN %d", p.Bridge, *p.VLAN)
		}
	}
	return ""
}

func poolsOf(ipam IPAM) []pool {
	var out []pool
	add := func(network, start, end string) {
		prefix, ok := parseCIDR(network)
		if !ok {
			return
		}
		p := pool{ipam: ipam, subnet: prefix.Masked(), start: prefix.Masked().Addr(), end: lastAddr(prefix)}
		if addr, ok := parseIP(start); ok && prefix.Masked().Contains(addr) {
			p.start = addr
		}
		if addr, ok := parseIP(end); ok && prefix.Masked().Contains(addr) {
			p.end = addr
		}
		out = append(out, p)
	}
	switch c := ipam.(type) {
	case HostLocal:
		if c.Subnet != "" {
			add(c.Subnet, c.RangeStart, c.RangeEnd)
		}
		for _, set := range c.Ranges {
			for _, r := range set {
				add(r.Subnet, r.RangeStart, r.RangeEnd)
			}
		}
	case Static:
		for _, address := range c.Addresses {
			ip, _, _ := strings.Cut(address.Address, "/")
			add(address.Address, ip, ip)
		}
	case Whereabouts:
		for _, r := range c.ranges() {
			start, end, network := splitRange(r.Range)
			if start == "" {
				start, end = r.RangeStart, r.RangeEnd
			}
			add(network, start, end)
		}
	}
	return out
}

func (c *clusterCheck) readRanges() {
	for i, r := range c.cluster.Ranges {
		prefix, ok := parseCIDR(r.CIDR)
		if !ok {
			c.add(multihome.SeverityWarning, "", "cluster-range", fmt.Sprintf("ranges[%d].cidr", i), fmt.Sprintf("%q of %s is no network", r.CIDR, r.Use), "")
			continue
		}
		c.ranges = append(c.ranges, usedRange{prefix.Masked(), r.Use})
	}
}

// missing looks for plugins and resources that no node has.
func (c *clusterCheck) missing(n *clusterNetwork) {
	if c.cluster.Plugins != nil {
		for i, p := range n.network.Plugins {
			path := configPath
			if n.network.List {
				path = fmt.Sprintf("%s.plugins[%d]", configPath, i)
			}
			c.missingPlugin(n, path+".type", p.Type())
			if ipam := ipamOf(p); ipam != nil {
				c.missingPlugin(n, path+".ipam.type", ipam.Type())
			}
		}
	}
	if name := n.network.ResourceName; name != "" && c.cluster.Resources != nil && c.cluster.Resources[name] == 0 {
		c.add(multihome.SeverityError, n.object, "resource-missing", "metadata.annotations["+ResourceNameAnnotation+"]",
			fmt.Sprintf("no node offers %s", name), "run its device plugin, or correct the name")
	}
}

func (c *clusterCheck) missingPlugin(n *clusterNetwork, path, plugin string) {
	if plugin != "" && !slices.Contains(c.cluster.Plugins, plugin) {
		c.add(multihome.SeverityError, n.object, "plugin-missing", path, fmt.Sprintf("the nodes do not have the plugin %s", plugin), "install it: Talos since 1.8 has bridge, firewall, flannel, host-local, loopback and portmap alone")
	}
}

func (c *clusterCheck) overlaps(n *clusterNetwork) {
	for _, p := range n.pools {
		for _, r := range c.ranges {
			if p.subnet.Overlaps(r.prefix) {
				c.add(multihome.SeverityWarning, n.object, "overlap", configPath, fmt.Sprintf("%s overlaps with %s, the network of %s: pods reach only one of the two", p.subnet, r.prefix, r.use), "use another network")
				break
			}
		}
	}
}

func (c *clusterCheck) nodes(n *clusterNetwork) {
	for _, node := range sortedKeys(c.cluster.NodeAddresses) {
		for _, text := range c.cluster.NodeAddresses[node] {
			addr, ok := parseIP(text)
			inPool := func(p pool) bool {
				return ok && p.subnet.Contains(addr) && p.start.Compare(addr) <= 0 && addr.Compare(p.end) <= 0 && !excludes(p.ipam, addr)
			}
			if slices.ContainsFunc(n.pools, inPool) {
				c.add(multihome.SeverityWarning, n.object, "node-address", configPath, fmt.Sprintf("gives out %s, the address of node %s", addr, node), "leave the addresses of nodes out of the range")
			}
		}
	}
}

func excludes(ipam IPAM, addr netip.Addr) bool {
	w, ok := ipam.(Whereabouts)
	if !ok {
		return false
	}
	for _, r := range w.ranges() {
		for _, text := range r.Exclude {
			prefix, isPrefix := parseCIDR(text)
			if single, isAddr := parseIP(text); isAddr && single == addr || isPrefix && prefix.Masked().Contains(addr) {
				return true
			}
		}
	}
	return false
}

// links compares networks whose pods meet.
func (c *clusterCheck) links() {
	byLink := make(map[string][]*clusterNetwork)
	for i := range c.networks {
		if n := &c.networks[i]; n.link != "" {
			byLink[n.link] = append(byLink[n.link], n)
		}
	}
	for _, link := range sortedKeys(byLink) {
		networks := byLink[link]
		for i, n := range networks {
			for _, other := range networks[:i] {
				if a, clash := clash(n, other); clash {
					c.add(multihome.SeverityWarning, n.object, "same-addresses", configPath,
						fmt.Sprintf("gives out addresses of %s as %s does, on the same %s", a.subnet, strings.TrimPrefix(other.object, "NetworkAttachmentDefinition "), link), "give each its own part of the network, or use whereabouts in both")
					break
				}
			}
		}
	}
}

// clash finds addresses that two networks give out. Pools of whereabouts know
// of each other.
func clash(a, b *clusterNetwork) (pool, bool) {
	for _, p := range a.pools {
		for _, other := range b.pools {
			_, first := p.ipam.(Whereabouts)
			_, second := other.ipam.(Whereabouts)
			if !(first && second) && p.overlaps(other) {
				return p, true
			}
		}
	}
	return pool{}, false
}

// bridges finds two gateways for one bridge.
func (c *clusterCheck) bridges() {
	gateways := make(map[string]*clusterNetwork)
	for i := range c.networks {
		n := &c.networks[i]
		bridge, ok := n.network.Plugins[0].(BridgeConfig)
		if !ok || !bridge.IsGateway && !bridge.IsDefaultGateway || len(n.pools) == 0 {
			continue
		}
		link := linkOf(bridge)
		first, taken := gateways[link]
		if !taken {
			gateways[link] = n
			continue
		}
		if first.pools[0].subnet != n.pools[0].subnet && first.pools[0].subnet.Addr().Is4() == n.pools[0].subnet.Addr().Is4() && !bridge.ForceAddress {
			c.add(multihome.SeverityError, n.object, "bridge-address", configPath+".isGateway", fmt.Sprintf("wants an address on %s that has another one from %s", link, strings.TrimPrefix(first.object, "NetworkAttachmentDefinition ")), "give each network a bridge of its own")
		}
	}
}

// names finds networks that host-local takes for one.
func (c *clusterCheck) names() {
	byName := make(map[string]*clusterNetwork)
	for i := range c.networks {
		n := &c.networks[i]
		if _, ok := ipamOf(n.network.Plugins[0]).(HostLocal); !ok {
			continue
		}
		first, taken := byName[n.network.Name]
		if !taken {
			byName[n.network.Name] = n
			continue
		}
		c.add(multihome.SeverityInfo, n.object, "name-clash", configPath+".name", fmt.Sprintf("is %q as in %s: host-local remembers the addresses of both in one place", n.network.Name, strings.TrimPrefix(first.object, "NetworkAttachmentDefinition ")), "")
	}
}
