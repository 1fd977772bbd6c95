package nad

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
)

// PTPConfig configures the plugin ptp: a veth pair between pod and node, routed
// by the node. IPAM is required, with a gateway for each address.
type PTPConfig struct {
	// IPMasq hides the pod's addresses behind the node's.
	IPMasq bool `json:"ipMasq,omitzero"`
	// IPMasqBackend is iptables or nftables, "" what the node has; from
	// plugins v1.6.0 on.
	IPMasqBackend string `json:"ipMasqBackend,omitzero"`
	// MTU is 68 to 65535. 0 is the kernel's default.
	MTU int `json:"mtu,omitzero"`
	// IPAM gives the addresses.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// PTP returns a network that the node routes. All problems are joined in the
// error, each a *field.Error.
func PTP(name string, config PTPConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns ptp.
func (PTPConfig) Type() string { return "ptp" }

func (c PTPConfig) check(k *checker) {
	k.vethMTU(c.MTU)
	k.masqBackend(c.IPMasq, c.IPMasqBackend)
	// A route to the gateway is set for each address.
	gateways := make(map[netip.Addr]bool)
	switch ipam := c.IPAM.(type) {
	case Static:
		for i, address := range ipam.Addresses {
			k := k.at("ipam.addresses", i)
			p, isAddress := parseCIDR(address.Address)
			gateway, isGateway := parseIP(address.Gateway)
			switch {
			case address.Gateway == "":
				k.require("gateway", "ptp routes through it")
			case isAddress && isGateway && p.Addr().Is4() != gateway.Is4():
				k.invalid("gateway", address.Gateway, "gateway-outside", "must be of the address family of the address")
			case isBroadcast(p, gateway):
				k.invalid("gateway", address.Gateway, "gateway-outside", "is the broadcast address")
			case gateways[gateway]:
				k.fail("gateway-twice", duplicate("gateway", address.Gateway))
			}
			gateways[gateway] = true
		}
	case HostLocal:
		for i, s := range firstOfSets(ipam) {
			if gateways[s.gateway] {
				k.invalid("ipam.ranges", s.gateway.String(), "gateway-twice", "is the gateway of set "+strconv.Itoa(i)+" and of one before it, and ptp can set one route to it")
			}
			gateways[s.gateway] = true
		}
	}
}

// DummyConfig configures the plugin dummy: an interface that leads nowhere, to
// hold addresses. IPAM is required. From plugins v1.2.0 on.
type DummyConfig struct {
	// IPAM gives the addresses.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// Dummy returns a network that leads nowhere. All problems are joined in the
// error, each a *field.Error.
func Dummy(name string, config DummyConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns dummy.
func (DummyConfig) Type() string { return "dummy" }

func (DummyConfig) check(*checker) {}

// LoopbackConfig configures the plugin loopback, which brings up lo, whatever
// interface was asked for.
type LoopbackConfig struct {
	Common
}

// Loopback returns a network that brings up lo. All problems are joined in the
// error, each a *field.Error.
func Loopback(name string, config LoopbackConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns loopback.
func (LoopbackConfig) Type() string { return "loopback" }

func (LoopbackConfig) check(*checker) {}

// TapConfig configures the plugin tap: a tap device, for programs that read
// frames. From plugins v1.3.0 on.
type TapConfig struct {
	// MultiQueue gives the device more than one queue.
	MultiQueue bool `json:"multiQueue,omitzero"`
	// MTU is 68 to 65535. 0 is the kernel's default. With Owner and Group and
	// no SELinuxContext the plugin ignores it.
	MTU int `json:"mtu,omitzero"`
	// MAC is the hardware address. With Owner and Group and no SELinuxContext
	// the plugin ignores it.
	MAC string `json:"mac,omitzero"`
	// Owner is the user that may open the device. Nil is any.
	Owner *uint32 `json:"owner,omitzero"`
	// Group is the group that may open the device. Nil is any.
	Group *uint32 `json:"group,omitzero"`
	// SELinuxContext is the label to make the device with.
	SELinuxContext string `json:"selinuxContext,omitzero"`
	// Bridge is a bridge inside the pod to put the device on. From plugins
	// v1.4.0 on.
	Bridge string `json:"bridge,omitzero"`
	// IPAM gives the addresses. Nil is none.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// Tap returns a network with a tap device. All problems are joined in the
// error, each a *field.Error.
func Tap(name string, config TapConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns tap.
func (TapConfig) Type() string { return "tap" }

// maxTapMTU leaves room for the Ethernet header.
const maxTapMTU = 65535 - 14

func (c TapConfig) check(k *checker) {
	if c.Bridge != "" {
		k.podInterface("bridge", c.Bridge)
	}
	if c.Owner == nil || c.Group == nil || c.SELinuxContext != "" {
		k.mtu(c.MTU)
		if c.MTU > maxTapMTU {
			k.invalid("mtu", c.MTU, "mtu", "must be at most "+strconv.Itoa(maxTapMTU)+" for a tap device")
		}
		k.mac(c.MAC)
		if strings.ContainsAny(c.MAC, "-.") {
			k.invalid("mac", c.MAC, "mac", "must be written with colons, as the program ip reads it")
		}
		k.warnIf(c.Owner == nil || c.Group == nil, "owner", "needs-ip", "or group is not set: then the plugin runs the program ip, which small systems do not have", "set both")
		return
	}
	for key, id := range map[string]uint32{"owner": *c.Owner, "group": *c.Group} {
		if id == math.MaxUint32 {
			k.invalid(key, id, "range", "must be below 4294967295, which stands for nobody")
		}
	}
	// The plugin makes the device by itself then, and forgets these two.
	k.parseMAC("mac", c.MAC)
	k.warnIf(c.MAC != "" || k.has(CapabilityMAC), "mac", "no-effect", "has no effect where owner and group are set and selinuxContext is not", "leave owner or group out, or set selinuxContext")
	k.warnIf(c.MTU != 0, "mtu", "no-effect", "has no effect where owner and group are set and selinuxContext is not", "add the plugin tuning, or leave owner or group out")
}
