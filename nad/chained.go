package nad

import (
	"cmp"
	"math"
	"net"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The plugins of this file work on the interface that a plugin before them in
// the chain made, so none can be a network alone: see [Chain].

// TuningConfig configures the chained plugin tuning: settings of the interface.
type TuningConfig struct {
	// Sysctl are settings below net, by their names: "net.core.somaxconn". The
	// word IFNAME stands for the interface: "net.ipv4.conf.IFNAME.arp_ignore".
	Sysctl map[string]string `json:"sysctl,omitzero"`
	// MAC is the hardware address of every pod.
	MAC string `json:"mac,omitzero"`
	// Promisc makes the interface promiscuous.
	Promisc bool `json:"promisc,omitzero"`
	// MTU is 68 to 65535. 0 leaves it.
	MTU int `json:"mtu,omitzero"`
	// AllMulti takes all multicast frames. Nil leaves it.
	AllMulti *bool `json:"allmulti,omitzero"`
	// TxQueueLength is the length of the transmit queue. Nil leaves it. From
	// plugins v1.4.0 on.
	TxQueueLength *int `json:"txQLen,omitzero"`
	// DataDir is where old settings are kept on the node. "" is /run/cni/tuning.
	DataDir string `json:"dataDir,omitzero"`
	Common
	// Plugin is the name of the binary where it is not tuning: cnv-tuning.
	Plugin string `json:"-"`
}

// Type returns Plugin, or tuning.
func (c TuningConfig) Type() string {
	return cmp.Or(c.Plugin, "tuning")
}

func (c TuningConfig) check(k *checker) {
	sysctl := k.child("sysctl")
	for key := range c.Sysctl {
		// The plugin turns dots into slashes and puts the interface in after that.
		setting, isNet := strings.CutPrefix(path.Clean("/"+strings.ReplaceAll(key, ".", "/")), "/net/")
		if !isNet {
			sysctl.invalid(key, key, "sysctl", "must be a setting below net")
		} else if name := interfaceIn(setting); name != "" {
			sysctl.warn(key, "sysctl-interface", "names the interface "+name+", which a pod may call otherwise", "write IFNAME in its place")
		}
	}
	k.mtu(c.MTU)
	k.tuningMAC("mac", c.MAC)
	args := readExtra[tuningArgs](k, "args").CNI
	k.mtuAt("args.cni.mtu", args.MTU)
	k.tuningMAC("args.cni.mac", args.MAC)
	k.warnIf(c.TxQueueLength != nil && *c.TxQueueLength < 0, "txQLen", "range", "is negative, which the kernel takes for a very long queue", "set 0 or more")
	if len(args.Sysctl) > 0 && c.Sysctl == nil {
		k.forbid("args.cni.sysctl", "panic", "makes the plugin panic without sysctl; add an empty one")
	}
	if c.MAC != "" {
		k.warn("mac", "shared-mac", "gives every pod of this network one hardware address", "let pods request theirs, with the capability mac")
	}
}

// tuningArgs is what the plugin reads of the key args.
type tuningArgs struct {
	CNI struct {
		Sysctl   map[string]string `json:"sysctl"`
		MAC      string            `json:"mac"`
		Promisc  bool              `json:"promisc"`
		MTU      int               `json:"mtu"`
		AllMulti bool              `json:"allmulti"`
		TxQLen   int               `json:"txQLen"`
	} `json:"cni"`
}

// tuningMAC looks at a hardware address for an interface that is there: of a
// longer one the kernel takes the first six bytes.
func (k *checker) tuningMAC(key, mac string) {
	if mac == "" || !k.parseMAC(key, mac) {
		return
	}
	parsed, _ := net.ParseMAC(mac)
	k.warnIf(len(parsed) > 6, key, "long-mac", "has more than 6 bytes, of which the kernel takes the first", "give 6 bytes")
	for _, err := range validateMAC(parsed[:6].String(), field.NewPath(key)) {
		k.fail("mac", *err)
	}
}

// interfaceIn returns the interface in the path of a setting below net, if it
// is a literal one: eth0 in ipv4/conf/eth0/arp_ignore.
func interfaceIn(setting string) string {
	_, setting, _ = strings.Cut(setting, "/")
	group, setting, _ := strings.Cut(setting, "/")
	name, _, found := strings.Cut(setting, "/")
	if !found || group != "conf" && group != "neigh" || name == "IFNAME" || name == "all" || name == "default" {
		return ""
	}
	return name
}

// BandwidthConfig configures the chained plugin bandwidth: limits of an
// interface with a veth pair, so of bridge, ptp and ovs. A rate needs its
// burst and the other way round. What pods request counts only if all four are
// zero.
type BandwidthConfig struct {
	// IngressRate is the limit for traffic to the pod, in bits a second. 0 is none.
	IngressRate uint64 `json:"ingressRate,omitzero"`
	// IngressBurst is what may pass above IngressRate, in bits, below 32 Gibit.
	IngressBurst uint64 `json:"ingressBurst,omitzero"`
	// EgressRate is the limit for traffic from the pod, in bits a second. 0 is none.
	EgressRate uint64 `json:"egressRate,omitzero"`
	// EgressBurst is what may pass above EgressRate, in bits, below 32 Gibit.
	EgressBurst uint64 `json:"egressBurst,omitzero"`
	Common
}

// Type returns bandwidth.
func (BandwidthConfig) Type() string { return "bandwidth" }

// limits reports whether the network has limits of its own.
func (c BandwidthConfig) limits() bool {
	return max(c.IngressRate, c.IngressBurst, c.EgressRate, c.EgressBurst) > 0
}

func (c BandwidthConfig) check(k *checker) {
	pair := func(direction string, rate, burst uint64) {
		switch {
		case rate > 0 && burst == 0:
			k.require(direction+"Burst", "a rate and its burst go together")
		case rate == 0 && burst > 0:
			k.require(direction+"Rate", "a rate and its burst go together")
		}
		switch {
		case rate == 0 || burst == 0:
		case rate < 8:
			k.invalid(direction+"Rate", rate, "range", "must be at least 8 bits a second, which are one byte")
		case burst/8 >= math.MaxUint32:
		case tokenBucket(rate/8, burst/8) == 0:
			k.invalid(direction+"Burst", burst, "range", "is too small for the rate: the kernel counts in microseconds, and the burst takes less than one, or less than a byte")
		}
		if burst/8 >= math.MaxUint32 {
			k.invalid(direction+"Burst", burst, "range", "must be below 34359738360 bits, which are 4 GiB")
		}
	}
	pair("ingress", c.IngressRate, c.IngressBurst)
	pair("egress", c.EgressRate, c.EgressBurst)
	limits := c.limits()
	if first, known := kindOf(k.network.Plugins[0].Type()); known && first.noVeth && k.index > 0 {
		const reason = "needs an interface with a veth peer, which the first plugin does not make"
		if limits {
			k.forbid("type", "veth-needed", "bandwidth "+reason)
		} else {
			k.warn("type", "veth-needed", reason+", so a pod that requests limits cannot start", "remove the plugin")
		}
	}
	switch {
	case limits && k.has(CapabilityBandwidth):
		k.warn("capabilities.bandwidth", "no-effect", "has no effect while limits are set here", "remove the limits to let pods request theirs")
	case !limits && !k.has(CapabilityBandwidth):
		k.warn("", "no-effect", "limits nothing", "set a rate and a burst, or the capability bandwidth")
	}
}

// tokenBucket returns how many bytes the kernel lets pass at once, of the time
// that the plugin gives it: in ticks of 64 ns, of whole microseconds.
func tokenBucket(rate, burst uint64) uint64 {
	ticks := uint64(float64(burst*1_000_000/rate) * 15.625)
	return uint64(float64(rate) * float64(ticks*64) / 1e9)
}

// PortmapConfig configures the chained plugin portmap: ports of the node for
// pods that request them. It needs the capability portMappings.
type PortmapConfig struct {
	// Backend is iptables or nftables, "" what the node has; from plugins
	// v1.6.0 on.
	Backend string `json:"backend,omitzero"`
	// SNAT lets the pod see the node's address where it must. Nil is true.
	SNAT *bool `json:"snat,omitzero"`
	// MasqAll does so for all traffic.
	MasqAll bool `json:"masqAll,omitzero"`
	// MarkMasqBit is the bit that marks such packets, 0 to 31. Nil is 13.
	MarkMasqBit *int `json:"markMasqBit,omitzero"`
	// ExternalSetMarkChain is a chain that marks them instead. It excludes
	// MarkMasqBit.
	ExternalSetMarkChain *string `json:"externalSetMarkChain,omitzero"`
	// ConditionsV4 are further conditions of the IPv4 rules, in the syntax of
	// the backend.
	ConditionsV4 []string `json:"conditionsV4,omitzero"`
	// ConditionsV6 are those of the IPv6 rules.
	ConditionsV6 []string `json:"conditionsV6,omitzero"`
	Common
}

// Type returns portmap.
func (PortmapConfig) Type() string { return "portmap" }

func (c PortmapConfig) check(k *checker) {
	k.backend("backend", c.Backend)
	if c.MarkMasqBit != nil {
		k.upTo(31, "markMasqBit", *c.MarkMasqBit)
		if c.ExternalSetMarkChain != nil {
			k.forbid("externalSetMarkChain", "conflict", "excludes markMasqBit")
		}
	}
	conditions := map[string][]string{"conditionsV4": c.ConditionsV4, "conditionsV6": c.ConditionsV6}
	for key, list := range conditions {
		if len(list) == 0 {
			continue
		}
		syntax := "nftables"
		if strings.HasPrefix(list[0], "-") || strings.HasPrefix(list[0], "!") {
			syntax = "iptables"
		}
		if c.Backend != "" && c.Backend != syntax {
			k.invalid(key, list[0], "conflict", "is in the syntax of "+syntax+", but backend is "+c.Backend)
		}
	}
	if !k.has(CapabilityPortMappings) {
		k.warn("capabilities", "capability-missing", "has no portMappings: the plugin never hears of a port", `add "capabilities": {"portMappings": true}`)
	}
}

// SBRConfig configures the chained plugin sbr: the interface's routes go into
// a table of their own, which only packets from its addresses use.
type SBRConfig struct {
	// Table is the routing table. Nil is the first free one from 100 on. From
	// plugins v1.6.0 on.
	Table *int `json:"table,omitzero"`
	Common
}

// Type returns sbr.
func (SBRConfig) Type() string { return "sbr" }

func (SBRConfig) check(k *checker) {
	if k.index > 0 && !k.hasIPs {
		k.forbid("", "ipam-required", "sbr needs addresses; add ipam to the first plugin of the chain")
	}
}

// FirewallIngressPolicy says who may reach a pod.
type FirewallIngressPolicy string

const (
	// FirewallIngressPolicyOpen lets everybody in.
	FirewallIngressPolicyOpen FirewallIngressPolicy = "open"
	// FirewallIngressPolicySameBridge lets pods of the same bridge in. It is for
	// chains that begin with the plugin bridge. From plugins v1.1.0 on.
	FirewallIngressPolicySameBridge FirewallIngressPolicy = "same-bridge"
	// FirewallIngressPolicyIsolated lets nobody in. It is for chains that
	// begin with the plugin bridge. From plugins v1.7.0 on.
	FirewallIngressPolicyIsolated FirewallIngressPolicy = "isolated"
)

// FirewallConfig configures the chained plugin firewall.
type FirewallConfig struct {
	// Backend is iptables or firewalld. "", and anything else, is what the node
	// has.
	Backend string `json:"backend,omitzero"`
	// IptablesAdminChainName is the chain for the administrator's own rules. ""
	// is CNI-ADMIN.
	IptablesAdminChainName string `json:"iptablesAdminChainName,omitzero"`
	// FirewalldZone is the zone of the pod. "" is trusted.
	FirewalldZone string `json:"firewalldZone,omitzero"`
	// IngressPolicy is "" for open.
	IngressPolicy FirewallIngressPolicy `json:"ingressPolicy,omitzero"`
	Common
}

// Type returns firewall.
func (FirewallConfig) Type() string { return "firewall" }

func (c FirewallConfig) check(k *checker) {
	oneOf(k, "ingressPolicy", c.IngressPolicy, FirewallIngressPolicyOpen, FirewallIngressPolicySameBridge, FirewallIngressPolicyIsolated)
	if c.IngressPolicy == FirewallIngressPolicySameBridge || c.IngressPolicy == FirewallIngressPolicyIsolated {
		if _, isBridge := k.network.Plugins[0].(BridgeConfig); !isBridge && k.index > 0 {
			k.warn("ingressPolicy", "no-effect", "is about pods on one bridge, and the first plugin of the chain is not bridge", "use the plugin bridge, or remove it")
		}
	}
	if backends := []string{"", "iptables", "firewalld"}; !slices.Contains(backends, c.Backend) {
		k.warn("backend", "no-effect", "is not known, so the plugin takes what the node has", "set iptables or firewalld, or remove it")
	}
}

// VRFConfig configures the chained plugin vrf: the interface goes into a
// routing domain of its own inside the pod.
type VRFConfig struct {
	// VRFName is the routing domain, which is an interface too. It is required.
	VRFName string `json:"vrfname,omitzero"`
	// Table is its routing table. 0 is a free one.
	Table uint32 `json:"table,omitzero"`
	Common
}

// Type returns vrf.
func (VRFConfig) Type() string { return "vrf" }

func (c VRFConfig) check(k *checker) {
	if c.VRFName == "" {
		k.require("vrfname", "the name of the routing domain")
	} else {
		k.podInterface("vrfname", c.VRFName)
	}
}
