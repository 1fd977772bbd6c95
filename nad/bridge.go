package nad

import (
	"cmp"
	"encoding/json"
	"strconv"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
)

// BridgeConfig configures the plugin bridge: a veth pair with one end on a
// Linux bridge of the node, which is made if it does not exist.
type BridgeConfig struct {
	// Bridge is the bridge. "" is cni0, which most primary CNIs think theirs.
	Bridge string `json:"bridge,omitzero"`
	// IsGateway gives the bridge the address of the subnet's gateway.
	IsGateway bool `json:"isGateway,omitzero"`
	// IsDefaultGateway makes that the pod's default route; it includes IsGateway.
	IsDefaultGateway bool `json:"isDefaultGateway,omitzero"`
	// ForceAddress replaces an address that the bridge has already.
	ForceAddress bool `json:"forceAddress,omitzero"`
	// IPMasq hides the pod's addresses behind the node's. It needs IPAM.
	IPMasq bool `json:"ipMasq,omitzero"`
	// IPMasqBackend is iptables or nftables, "" what the node has; from
	// plugins v1.6.0 on.
	IPMasqBackend string `json:"ipMasqBackend,omitzero"`
	// MTU of bridge and pod, 68 to 65535. 0 is the kernel's default; a bridge
	// that exists keeps its own.
	MTU int `json:"mtu,omitzero"`
	// HairpinMode lets the bridge send frames back where they came from.
	HairpinMode bool `json:"hairpinMode,omitzero"`
	// PromiscMode makes the bridge promiscuous. It excludes HairpinMode.
	PromiscMode bool `json:"promiscMode,omitzero"`
	// VLAN is the access VLAN of the pod, 1 to 4094, with VLANTrunk the native
	// one (from plugins v1.8.0 on). 0 is none.
	VLAN int `json:"vlan,omitzero"`
	// VLANTrunk are the VLANs that the pod gets tagged. Empty and not nil makes
	// the bridge filter VLANs, without any. From plugins v1.3.0 on.
	VLANTrunk []VLANTrunk `json:"vlanTrunk,omitzero"`
	// PreserveDefaultVLAN leaves the port in VLAN 1 too. Nil is false; plugins
	// v1.3.0 to v1.7 would take true, so with VLAN or VLANTrunk false is written.
	PreserveDefaultVLAN *bool `json:"preserveDefaultVlan,omitzero"`
	// MACSpoofCheck drops frames with another source than the pod's address. It
	// needs the program nft on the node.
	MACSpoofCheck bool `json:"macspoofchk,omitzero"`
	// EnableDAD waits for duplicate address detection. It needs IPAM.
	EnableDAD bool `json:"enabledad,omitzero"`
	// DisableContainerInterface leaves the pod's interface down, as bridge
	// bindings of VMs want it. It excludes IPAM. From plugins v1.4.1 on.
	DisableContainerInterface bool `json:"disableContainerInterface,omitzero"`
	// PortIsolation keeps pods on the bridge from talking to each other. From
	// plugins v1.7.0 on.
	PortIsolation bool `json:"portIsolation,omitzero"`
	// IPAM gives the addresses. Nil is none.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
	// Plugin is the name of the binary where it is not bridge: cnv-bridge.
	Plugin string `json:"-"`
}

// VLANTrunk is a VLAN or a range of them: ID, or MinID and MaxID, or both.
type VLANTrunk struct {
	// ID is one VLAN, 1 to 4094. 0 is none.
	ID int `json:"id,omitzero"`
	// MinID is the first VLAN of a range, 1 to 4094.
	MinID int `json:"minID,omitzero"`
	// MaxID is the last VLAN of a range, from MinID to 4094.
	MaxID int `json:"maxID,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// Bridge returns a network on a Linux bridge. All problems are joined in the
// error, each a *field.Error.
func Bridge(name string, config BridgeConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns Plugin, or bridge.
func (c BridgeConfig) Type() string {
	return cmp.Or(c.Plugin, "bridge")
}

// explicit writes out a default that differs between versions of the plugin.
func (c BridgeConfig) explicit() BridgeConfig {
	if c.PreserveDefaultVLAN == nil && (c.VLAN != 0 || c.VLANTrunk != nil) {
		c.PreserveDefaultVLAN = new(false)
	}
	return c
}

func (c BridgeConfig) check(k *checker) {
	k.bridgeName("bridge", c.Bridge)
	if c.MTU < 0 {
		k.warn("mtu", "negative-mtu", "is negative, which the plugin takes for not set", "remove it")
	} else {
		k.mtu(c.MTU)
	}
	k.upTo(4094, "vlan", c.VLAN)
	for i, trunk := range c.VLANTrunk {
		k.at("vlanTrunk", i).trunk(trunk, 4094)
	}
	if c.HairpinMode && c.PromiscMode {
		k.forbid("hairpinMode", "conflict", "excludes promiscMode")
	}
	if c.DisableContainerInterface && hasIPAM(c.IPAM) {
		k.forbid("ipam", "conflict", "disableContainerInterface leaves no interface that could have an address")
	}
	k.parseMAC("args.cni.mac", readExtra[bridgeArgs](k, "args").CNI.MAC)
	k.masqBackend(c.IPMasq && hasIPAM(c.IPAM), c.IPMasqBackend)
	gateway := c.IsGateway || c.IsDefaultGateway
	if gateway && c.VLAN > 0 {
		if name := c.name() + "." + strconv.Itoa(c.VLAN); len(name) > 15 {
			k.invalid("bridge", c.Bridge, "interface-name", "is too long: the gateway's interface would be "+name+", of more than 15 bytes")
		}
	}
	if c.IsDefaultGateway {
		k.defaultRouteClash(c.IPAM)
	}
	c.checkWarnings(k, gateway)
}

// bridgeArgs is what the plugin reads of the key args.
type bridgeArgs struct {
	CNI struct {
		MAC string `json:"mac"`
	} `json:"cni"`
}

func (c BridgeConfig) checkWarnings(k *checker, gateway bool) {
	if !hasIPAM(c.IPAM) {
		k.warnIf(gateway, "isGateway", "no-effect", "has no effect without ipam", "add ipam, or remove it")
		k.warnIf(c.IPMasq, "ipMasq", "no-effect", "has no effect without ipam", "add ipam, or remove it")
		k.warnIf(c.EnableDAD, "enabledad", "no-effect", "has no effect without ipam", "add ipam, or remove it")
	}
	k.warnIf(c.IPMasq && !gateway, "ipMasq", "masquerade", "hides addresses of a network that has no gateway on this node", "set isGateway too, or remove it")
	k.warnIf(c.ForceAddress && gateway, "forceAddress", "force-address", "replaces the address that another network gave this bridge", "give each network a bridge of its own")
	if c.PreserveDefaultVLAN == nil && (c.VLAN != 0 || c.VLANTrunk != nil) {
		k.warn("preserveDefaultVlan", "preserve-default-vlan", "is not set: plugins v1.3.0 to v1.7 leave the port in VLAN 1 as well, later ones do not", "set it to false, or to true if VLAN 1 is wanted")
	}
	k.warnIf(c.MACSpoofCheck, "macspoofchk", "needs-nft", "fails on nodes without the program nft, and blocks guests with addresses of their own (nested bridges, VRRP)", "make sure that Multus' plugins find nft on the node")
}

func (c BridgeConfig) name() string { return cmp.Or(c.Bridge, "cni0") }
