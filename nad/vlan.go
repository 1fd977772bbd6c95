package nad

import (
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
)

// VLANConfig configures the plugin vlan: a VLAN of an interface of the node,
// for one pod of that node, since Linux makes a VLAN of an interface once and
// the pod takes it along. For more, make the VLAN on the node and put a macvlan
// or a bridge on it. Master and IPAM are required.
type VLANConfig struct {
	// Master is the interface of the node.
	Master string `json:"master,omitzero"`
	// VLANID is the VLAN, 0 to 4094. 0 is a tag for priority alone.
	VLANID int `json:"vlanId,omitzero"`
	// MTU is 68 to that of the master. 0 is the master's.
	MTU int `json:"mtu,omitzero"`
	// LinkInContainer looks for the master in the pod. From plugins v1.3.0 on.
	LinkInContainer bool `json:"linkInContainer,omitzero"`
	// IPAM gives the addresses.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// VLAN returns a network with a VLAN of an interface of the node. All problems
// are joined in the error, each a *field.Error.
func VLAN(name string, config VLANConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns vlan.
func (VLANConfig) Type() string { return "vlan" }

func (c VLANConfig) check(k *checker) {
	if c.Master == "" {
		k.require("master", "the interface of the node that carries the VLAN")
	} else {
		k.hostInterface("master", c.Master)
	}
	k.upTo(4094, "vlanId", c.VLANID)
	if c.MTU > 0 && c.MTU < minMTU && !hasIPv6(c.IPAM) {
		k.warn("mtu", "small-mtu", "is accepted for a VLAN, and too small for IPv4, which needs 68", "set 68 to the MTU of the master, or remove it")
	} else {
		k.mtu(c.MTU)
	}
	switch {
	case c.VLANID > 0 && c.VLANID <= 4094 && !c.LinkInContainer:
		k.tell("vlanId", "one-pod", "serves one pod of a node, which takes the VLAN of the master along; the next one fails", "for more pods make the VLAN on the node and use macvlan or bridge on it")
	case c.VLANID == 0:
		k.warn("vlanId", "vlan-zero", "is 0 or not set, which is no VLAN of its own", "set the VLAN, 1 to 4094")
	}
}
