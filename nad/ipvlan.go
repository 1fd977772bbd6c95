package nad

import (
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
)

// IPVLANMode says on which layer the node passes packets on.
type IPVLANMode string

const (
	// IPVLANModeL2 switches: pods answer ARP and take part in broadcasts.
	IPVLANModeL2 IPVLANMode = "l2"
	// IPVLANModeL3 routes: no ARP, no broadcasts, gateways mean nothing.
	IPVLANModeL3 IPVLANMode = "l3"
	// IPVLANModeL3S is l3 through the node's netfilter.
	IPVLANModeL3S IPVLANMode = "l3s"
)

// IPVLANConfig configures the plugin ipvlan: an interface that shares the
// hardware address of an interface of the node. IPAM is required.
type IPVLANConfig struct {
	// Master is the interface of the node. "" is that of the default route;
	// then pods of a node that has lost it cannot be deleted.
	Master string `json:"master,omitzero"`
	// Mode is "" for l2.
	Mode IPVLANMode `json:"mode,omitzero"`
	// MTU is 68 to that of the master. 0 is the master's.
	MTU int `json:"mtu,omitzero"`
	// LinkInContainer looks for the master in the pod. From plugins v1.3.0 on.
	LinkInContainer bool `json:"linkInContainer,omitzero"`
	// IPAM gives the addresses; dhcp cannot, as all pods look the same to it.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// IPVLAN returns a network on an interface of the node whose hardware address
// all pods share. All problems are joined in the error, each a *field.Error.
func IPVLAN(name string, config IPVLANConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns ipvlan.
func (IPVLANConfig) Type() string { return "ipvlan" }

func (c IPVLANConfig) check(k *checker) {
	k.master(c.Master, c.LinkInContainer)
	oneOf(k, "mode", c.Mode, IPVLANModeL2, IPVLANModeL3, IPVLANModeL3S)
	k.vethMTU(c.MTU)
	if c.Master == "" && !c.LinkInContainer {
		k.warn("master", "delete-fails", "is not set: on a node without a default route pods can then not be deleted", "name the interface")
	}
	if !hasIPAM(c.IPAM) {
		return
	}
	if c.IPAM.Type() == "dhcp" {
		k.warn("ipam.type", "ipvlan-dhcp", "dhcp gives all pods one address, because they share one hardware address", "use whereabouts, static or host-local")
	}
	if c.Mode == IPVLANModeL3 || c.Mode == IPVLANModeL3S {
		if hasGateway(c.IPAM) {
			k.warn("mode", "ipvlan-l3-gateway", string(c.Mode)+" has no ARP, so the gateway in ipam means nothing", "use l2, or leave the gateway out")
		}
	}
}
