package nad

import (
	"encoding/json"
	"strconv"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
)

// ResourceName names the extended resource that a device plugin offers on the
// nodes, "intel.com/sriov": the annotation k8s.v1.cni.cncf.io/resourceName of
// a NAD. Multus hands the allocated device to every plugin of the network.
// Pods need a limit and a request for it, which an admission webhook adds.
type ResourceName string

// ResourceNameAnnotation is where a NAD says its [ResourceName].
const ResourceNameAnnotation = "k8s.v1.cni.cncf.io/resourceName"

// LinkState is the state of a virtual function's link.
type LinkState string

const (
	// LinkStateAuto follows the physical port.
	LinkStateAuto LinkState = "auto"
	// LinkStateEnable is always up.
	LinkStateEnable LinkState = "enable"
	// LinkStateDisable is always down.
	LinkStateDisable LinkState = "disable"
)

// OVSConfig configures the plugin ovs: a port of an Open vSwitch bridge that
// exists on the node.
type OVSConfig struct {
	// Bridge is the bridge. It is required unless a device gives it.
	Bridge string `json:"bridge,omitzero"`
	// VLAN is the access VLAN, 0 to 4094. Nil is a port for all VLANs.
	VLAN *uint `json:"vlan,omitzero"`
	// Trunk are the VLANs that the pod gets tagged. It counts before VLAN.
	Trunk []VLANTrunk `json:"trunk,omitzero"`
	// MTU is 68 to 65535. 0 is the default.
	MTU int `json:"mtu,omitzero"`
	// DeviceID is the PCI address of a virtual function for hardware offload.
	DeviceID string `json:"deviceID,omitzero"`
	// OfPortRequest is the OpenFlow port, 1 to 65279. 0 is any.
	OfPortRequest uint `json:"ofport_request,omitzero"`
	// InterfaceType is the type of the port in Open vSwitch. "" is system.
	InterfaceType string `json:"interface_type,omitzero"`
	// ConfigurationPath is a file on the node with defaults.
	ConfigurationPath string `json:"configuration_path,omitzero"`
	// SocketFile is the socket of Open vSwitch's database.
	SocketFile string `json:"socket_file,omitzero"`
	// LinkStateCheckRetries is how often to look whether the link is up. 0 is 5.
	LinkStateCheckRetries int `json:"link_state_check_retries,omitzero"`
	// LinkStateCheckInterval is the time between, in milliseconds. 0 is 600.
	LinkStateCheckInterval int `json:"link_state_check_interval,omitzero"`
	// IPAM gives the addresses. Nil is none.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// OVS returns a network on an Open vSwitch bridge. All problems are joined in
// the error, each a *field.Error.
func OVS(name string, config OVSConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns ovs.
func (OVSConfig) Type() string { return "ovs" }

func (c OVSConfig) check(k *checker) {
	if c.Bridge == "" && c.DeviceID == "" && !k.hasResource() && !k.hasExtra("ovnPort") && !k.hasExtra("args") {
		k.require("bridge", "the bridge of Open vSwitch")
	}
	for i, trunk := range c.Trunk {
		k.at("trunk", i).trunk(trunk, 4095)
	}
	k.vethMTU(c.MTU)
	if c.VLAN != nil && *c.VLAN > 4094 {
		k.warn("vlan", "vlan-range", "is above 4094, which the plugin does not check", "set 0 to 4094")
	}
	if c.VLAN != nil && len(c.Trunk) > 0 {
		k.warn("vlan", "no-effect", "has no effect beside trunk", "remove one of the two")
	}
	if c.OfPortRequest > 65279 {
		k.warn("ofport_request", "range", "is above 65279, which OpenFlow keeps to itself", "set 1 to 65279")
	}
}

// SRIOVConfig configures the plugin sriov: a virtual function of a network
// card, with settings that its physical function makes.
type SRIOVConfig struct {
	// DeviceID is the PCI address of the virtual function. "" is the one that
	// the kubelet allocated for the network's resource.
	DeviceID string `json:"deviceID,omitzero"`
	// VLAN is 0 to 4094. Nil leaves it, 0 is none.
	VLAN *int `json:"vlan,omitzero"`
	// VLANQoS is 0 to 7; from 1 on it needs a VLAN.
	VLANQoS *int `json:"vlanQoS,omitzero"`
	// VLANProto is "802.1q" or "802.1ad", which needs a VLAN. Nil is 802.1q.
	VLANProto *string `json:"vlanProto,omitzero"`
	// MAC is the hardware address of every pod.
	MAC string `json:"mac,omitzero"`
	// MTU is 68 to that of the physical function. Nil leaves it.
	MTU *int `json:"MTU,omitzero"`
	// SpoofCheck is "on" or "off". "" leaves it.
	SpoofCheck string `json:"spoofchk,omitzero"`
	// Trust is "on" or "off". "" leaves it.
	Trust string `json:"trust,omitzero"`
	// LinkState is "" to leave it.
	LinkState LinkState `json:"link_state,omitzero"`
	// MinTxRate is in Mbit/s. Nil leaves it, 0 is none.
	MinTxRate *int `json:"min_tx_rate,omitzero"`
	// MaxTxRate is in Mbit/s. Nil leaves it, 0 is none.
	MaxTxRate *int `json:"max_tx_rate,omitzero"`
	// LogLevel is panic, error, warning, info or debug. "" is info.
	LogLevel string `json:"logLevel,omitzero"`
	// LogFile is a file on the node. "" is standard error.
	LogFile string `json:"logFile,omitzero"`
	// IPAM gives the addresses. Nil is none.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// SRIOV returns a network of virtual functions that a device plugin offers as
// the resource. All problems are joined in the error, each a *field.Error.
func SRIOV(name string, resource ResourceName, config SRIOVConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Network{Name: name, ResourceName: resource, Plugins: []Plugin{config}}.Definition()
}

// Type returns sriov.
func (SRIOVConfig) Type() string { return "sriov" }

func (c SRIOVConfig) check(k *checker) {
	k.device(c.DeviceID)
	vlan := 0
	if c.VLAN != nil {
		vlan = *c.VLAN
		k.upTo(4094, "vlan", vlan)
	}
	if c.VLANQoS != nil {
		k.upTo(7, "vlanQoS", *c.VLANQoS)
		if c.VLAN == nil || *c.VLANQoS != 0 && vlan == 0 {
			k.forbid("vlanQoS", "conflict", "needs a vlan")
		}
	}
	if c.VLANProto != nil {
		oneOfFold(k, "vlanProto", *c.VLANProto, "802.1q", "802.1ad")
		if c.VLAN == nil || vlan == 0 && strings.EqualFold(*c.VLANProto, "802.1ad") {
			k.forbid("vlanProto", "conflict", "needs a vlan")
		}
	}
	k.mac(c.MAC)
	if c.MTU != nil {
		k.mtuAt("MTU", *c.MTU)
	}
	oneOf(k, "link_state", c.LinkState, LinkStateAuto, LinkStateEnable, LinkStateDisable)
	for key, value := range map[string]string{"spoofchk": c.SpoofCheck, "trust": c.Trust} {
		if value != "" && value != "on" && value != "off" {
			k.warn(key, "switch", "is "+strconv.Quote(value)+", which the plugin takes for off", "set on or off")
		}
	}
	if c.MinTxRate != nil && c.MaxTxRate != nil && *c.MaxTxRate > 0 && *c.MinTxRate > *c.MaxTxRate {
		k.invalid("min_tx_rate", *c.MinTxRate, "range", "must not be above max_tx_rate")
	}
}

// IBSRIOVConfig configures the plugin ib-sriov: a virtual function of an
// InfiniBand card. IPAM must not be dhcp.
type IBSRIOVConfig struct {
	// DeviceID is the PCI address of the virtual function. "" is the one that
	// the kubelet allocated for the network's resource.
	DeviceID string `json:"deviceID,omitzero"`
	// PKey is the partition, "0x8001". "" leaves it.
	PKey string `json:"pkey,omitzero"`
	// LinkState is "" to leave it.
	LinkState LinkState `json:"link_state,omitzero"`
	// RDMAIsolation moves the RDMA device into the pod too.
	RDMAIsolation bool `json:"rdmaIsolation,omitzero"`
	// IBKubernetesEnabled waits for the GUID that ib-kubernetes gives.
	IBKubernetesEnabled bool `json:"ibKubernetesEnabled,omitzero"`
	// VFIOPCIMode hands on a function that the driver vfio-pci has.
	VFIOPCIMode bool `json:"vfioPciMode,omitzero"`
	// IPAM gives the addresses. Nil is none.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// IBSRIOV returns a network of InfiniBand virtual functions that a device
// plugin offers as the resource. All problems are joined in the error, each a
// *field.Error.
func IBSRIOV(name string, resource ResourceName, config IBSRIOVConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Network{Name: name, ResourceName: resource, Plugins: []Plugin{config}}.Definition()
}

// Type returns ib-sriov.
func (IBSRIOVConfig) Type() string { return "ib-sriov" }

func (c IBSRIOVConfig) check(k *checker) {
	k.device(c.DeviceID)
	oneOf(k, "link_state", c.LinkState, LinkStateAuto, LinkStateEnable, LinkStateDisable)
	if hasIPAM(c.IPAM) && c.IPAM.Type() == "dhcp" {
		k.forbid("ipam.type", "conflict", "ib-sriov does not support dhcp; use whereabouts, static or host-local")
	}
}

// MacvtapConfig configures KubeVirt's plugin macvtap: a macvtap interface that
// its device plugin made.
type MacvtapConfig struct {
	// DeviceID is the name of the interface. "" is the one that the kubelet
	// allocated for the network's resource.
	DeviceID string `json:"deviceID,omitzero"`
	// MTU is 68 to 65535. 0 leaves it.
	MTU int `json:"mtu,omitzero"`
	// PromiscMode makes the interface promiscuous.
	PromiscMode bool `json:"promiscMode,omitzero"`
	Common
}

// Macvtap returns a network of macvtap interfaces that KubeVirt's device plugin
// offers as the resource, "macvtap.network.kubevirt.io/eth0". All problems are
// joined in the error, each a *field.Error.
func Macvtap(name string, resource ResourceName, config MacvtapConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Network{Name: name, ResourceName: resource, Plugins: []Plugin{config}}.Definition()
}

// Type returns macvtap.
func (MacvtapConfig) Type() string { return "macvtap" }

func (c MacvtapConfig) check(k *checker) {
	k.device(c.DeviceID)
	k.mtu(c.MTU)
}

// BondMode is how a bond spreads traffic over its links.
type BondMode string

const (
	// BondModeActiveBackup uses one link and keeps the others in reserve.
	BondModeActiveBackup BondMode = "active-backup"
	// BondModeBalanceRR sends over the links in turn.
	BondModeBalanceRR BondMode = "balance-rr"
	// BondModeBalanceXOR chooses the link by a hash.
	BondModeBalanceXOR BondMode = "balance-xor"
	// BondModeBroadcast sends everything over every link.
	BondModeBroadcast BondMode = "broadcast"
	// BondMode8023AD negotiates with the switch (LACP).
	BondMode8023AD BondMode = "802.3ad"
	// BondModeBalanceTLB spreads what is sent.
	BondModeBalanceTLB BondMode = "balance-tlb"
	// BondModeBalanceALB spreads what is sent and received.
	BondModeBalanceALB BondMode = "balance-alb"
)

// BondConfig configures the plugin bond: one interface made of two or more that
// the pod has from other networks.
type BondConfig struct {
	// Interface is the name of the bond in the pod. "" is that of the attachment.
	Interface string `json:"ifname,omitzero"`
	// Mode is required.
	Mode BondMode `json:"mode,omitzero"`
	// LinksInContainer takes the links from the pod, else from the node.
	LinksInContainer bool `json:"linksInContainer,omitzero"`
	// FailOverMAC is 0 to 2: what happens to hardware addresses on fail-over.
	FailOverMAC int `json:"failOverMac,omitzero"`
	// Miimon is the time between looks at the links, in milliseconds. It is
	// required, and a string: "100".
	Miimon string `json:"miimon,omitzero"`
	// MTU is at least 68. 0 is the default.
	MTU int `json:"mtu,omitzero"`
	// Links are the interfaces, at least two.
	Links []BondLink `json:"links,omitzero"`
	// IPAM gives the addresses. Nil is none.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// BondLink is one interface of a bond.
type BondLink struct {
	// Name is the name of the interface.
	Name string `json:"name,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// Bond returns a network that joins interfaces of other networks. All problems
// are joined in the error, each a *field.Error.
func Bond(name string, config BondConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns bond.
func (BondConfig) Type() string { return "bond" }

func (c BondConfig) check(k *checker) {
	if c.Mode == "" {
		k.require("mode", "such as active-backup")
	}
	oneOf(k, "mode", c.Mode, BondModeActiveBackup, BondModeBalanceRR, BondModeBalanceXOR, BondModeBroadcast, BondMode8023AD, BondModeBalanceTLB, BondModeBalanceALB)
	if _, err := strconv.Atoi(c.Miimon); err != nil {
		k.invalid("miimon", c.Miimon, "range", `must be a number of milliseconds as a string, "100"`)
	}
	k.upTo(2, "failOverMac", c.FailOverMAC)
	k.mtu(c.MTU)
	if len(c.Links) < 2 {
		k.require("links", "at least two interfaces")
	}
	for i, link := range c.Links {
		if k := k.at("links", i); link.Name == "" {
			k.require("name", "the name of the interface")
		} else {
			k.interfaceName("name", link.Name)
		}
	}
	if c.Interface != "" {
		k.interfaceName("ifname", c.Interface)
	}
}
