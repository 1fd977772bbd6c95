package nad

import (
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
)

// MacvlanMode says who may talk to whom on one master.
type MacvlanMode string

const (
	// MacvlanModeBridge connects the pods of one master directly.
	MacvlanModeBridge MacvlanMode = "bridge"
	// MacvlanModePrivate keeps the pods of one master apart.
	MacvlanModePrivate MacvlanMode = "private"
	// MacvlanModeVEPA sends everything through the switch.
	MacvlanModeVEPA MacvlanMode = "vepa"
	// MacvlanModePassthru gives the master to one pod alone.
	MacvlanModePassthru MacvlanMode = "passthru"
)

// MacvlanConfig configures the plugin macvlan: an interface with a hardware
// address of its own on an interface of the node. Pod and node cannot talk to
// each other over it.
type MacvlanConfig struct {
	// Master is the interface of the node. "" is that of the default route,
	// which may differ between nodes.
	Master string `json:"master,omitzero"`
	// Mode is "" for bridge.
	Mode MacvlanMode `json:"mode,omitzero"`
	// MTU is 68 to that of the master, with IPv6 at least 1280. 0 is the master's.
	MTU int `json:"mtu,omitzero"`
	// MAC is the hardware address of every pod. "" is a random one for each.
	MAC string `json:"mac,omitzero"`
	// LinkInContainer looks for the master in the pod. From plugins v1.3.0 on.
	LinkInContainer bool `json:"linkInContainer,omitzero"`
	// BroadcastQueueLength is the length of the queue for broadcasts. 0 is the
	// kernel's default. From plugins v1.6.0 on.
	BroadcastQueueLength uint32 `json:"bcqueuelen,omitzero"`
	// IPAM gives the addresses. Nil is none.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// Macvlan returns a network on an interface of the node. All problems are
// joined in the error, each a *field.Error.
func Macvlan(name string, config MacvlanConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns macvlan.
func (MacvlanConfig) Type() string { return "macvlan" }

func (c MacvlanConfig) check(k *checker) {
	k.master(c.Master, c.LinkInContainer)
	oneOf(k, "mode", c.Mode, MacvlanModeBridge, MacvlanModePrivate, MacvlanModeVEPA, MacvlanModePassthru)
	k.mtu(c.MTU)
	k.mac(c.MAC)
	if c.MAC != "" && c.Mode != MacvlanModePassthru {
		k.warn("mac", "shared-mac", "gives every pod of this network one hardware address", "let pods request theirs, with the capability mac")
	}
	if c.Mode == MacvlanModePassthru {
		k.warn("mode", "passthru", "passthru serves one pod of a node; the next one fails", "use bridge unless one pod owns the master")
	}
}
