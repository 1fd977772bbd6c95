package kubevirt

import (
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome/nad"
)

// BridgeNADConfig configures [BridgeNAD].
type BridgeNADConfig struct {
	// Bridge is the bridge on the nodes, at most 15 bytes. It is required, and
	// must have a port that leads to the LAN: the plugin makes a bridge that is
	// missing, without any.
	Bridge string `json:"bridge"`
	// VLAN is the VLAN that the guests are in, 1 to 4094. 0 is none.
	VLAN int `json:"vlan,omitzero"`
	// VLANTrunk are the VLANs that the guests get tagged. Nil is none.
	VLANTrunk []nad.VLANTrunk `json:"vlanTrunk,omitzero"`
	// MTU is 68 to 65535. 0 is that of the bridge.
	MTU int `json:"mtu,omitzero"`
	// PreserveDefaultVLAN leaves the guests in VLAN 1 too.
	PreserveDefaultVLAN bool `json:"preserveDefaultVlan,omitzero"`
	// MACSpoofCheck drops what a guest sends from another hardware address than
	// its own. It needs the program nft on the nodes, and
	// stops nested bridges, VRRP and bonds.
	MACSpoofCheck bool `json:"macspoofchk,omitzero"`
	// PortIsolation keeps guests on the bridge from talking to each other. From
	// plugins v1.7.0 on.
	PortIsolation bool `json:"portIsolation,omitzero"`
	// Marker lets VMs start only on nodes that have the bridge, where KubeVirt's
	// bridge-marker runs.
	Marker bool `json:"marker,omitzero"`
}

// DeepCopyInto copies c into out; nothing is shared.
func (c BridgeNADConfig) DeepCopyInto(out *BridgeNADConfig) {
	*out = c
	var bridge nad.BridgeConfig
	nad.BridgeConfig{VLANTrunk: c.VLANTrunk}.DeepCopyInto(&bridge)
	out.VLANTrunk = bridge.VLANTrunk
}

// BridgeNAD returns the network that suits bridge-bound VMs: a Linux bridge of
// the nodes without IPAM, so that guests have the LAN's own DHCP or fixed
// addresses, and keep them when they migrate. The pod's end stays down, so that
// a migration's target does not announce itself too early
// (disableContainerInterface, from plugins v1.4.1 on). Defaults that differ
// between plugins or guests depend on are written out. All problems are joined
// in the error, each a *field.Error.
func BridgeNAD(name string, config BridgeNADConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	if config.Bridge == "" {
		return nil, field.Required(field.NewPath("bridge"), "the bridge on the nodes: the plugin's own default, cni0, is that of a primary CNI")
	}
	network := nad.Network{Name: name, Plugins: []nad.Plugin{nad.BridgeConfig{
		Bridge: config.Bridge, VLAN: config.VLAN, VLANTrunk: config.VLANTrunk, MTU: config.MTU,
		PreserveDefaultVLAN: &config.PreserveDefaultVLAN, MACSpoofCheck: config.MACSpoofCheck,
		PortIsolation: config.PortIsolation, DisableContainerInterface: true,
	}}}
	if config.Marker {
		network.ResourceName = nad.ResourceName("bridge.network.kubevirt.io/" + config.Bridge)
	}
	def, err := network.Definition()
	if err != nil {
		return nil, err
	}
	if !config.MACSpoofCheck {
		// nad leaves out what is false; here a reader should see that it was decided.
		def.Spec.Config = strings.TrimSuffix(def.Spec.Config, "\n}") + ",\n  \"macspoofchk\": false\n}"
	}
	return def, nil
}
