package nad

import (
	"encoding/json"
	"reflect"
)

// A Plugin is the configuration of one CNI plugin: one of this package's
// structs whose names end in Config, by value, or a [Raw]. The zero value of
// every field is the plugin's own default.
type Plugin interface {
	// Type returns the name of the plugin's binary: the key type.
	Type() string
	common() Common
	check(c *checker)
}

// An IPAM is the configuration of the plugin that gives addresses: [HostLocal],
// [Static], [DHCP], [Whereabouts] or a [Raw], by value. Nil is none: the
// interface has a link and no address.
type IPAM interface {
	// Type returns the name of the plugin's binary: the key ipam.type.
	Type() string
	checkIPAM(c *checker)
}

// Common are the keys that every plugin has.
type Common struct {
	// Capabilities are the requests of pods that the plugin wants to be handed.
	// A request that no plugin of a network has a capability for is dropped
	// without a word, but for mac and ips: see [CheckAttachment].
	Capabilities map[Capability]bool `json:"capabilities,omitzero"`
	// DNS is put into the result of the plugin. On a secondary network nothing
	// reads it: pods have the resolver of their own spec.
	DNS DNS `json:"dns,omitzero"`
	// Extra are keys that are not known here, with their JSON values, and args.
	// Plugins ignore keys that they do not know.
	Extra map[string]json.RawMessage `json:"-"`
}

// DNS are settings of a resolver.
type DNS struct {
	// Nameservers are the addresses of DNS servers.
	Nameservers []string `json:"nameservers,omitzero"`
	// Domain is the local domain.
	Domain string `json:"domain,omitzero"`
	// Search are the domains to complete short names with.
	Search []string `json:"search,omitzero"`
	// Options are options of the resolver, such as "ndots:2".
	Options []string `json:"options,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// Capability is a kind of request that a pod makes of a network.
type Capability string

const (
	// CapabilityMAC hands on Attachment.MAC: bridge, macvlan, tap, tuning, sriov.
	CapabilityMAC Capability = "mac"
	// CapabilityIPs hands on Attachment.IPs to the IPAM of the plugin that has
	// it: host-local and static.
	CapabilityIPs Capability = "ips"
	// CapabilityBandwidth hands on Attachment.Bandwidth: bandwidth.
	CapabilityBandwidth Capability = "bandwidth"
	// CapabilityPortMappings hands on Attachment.PortMappings: portmap.
	CapabilityPortMappings Capability = "portMappings"
	// CapabilityInfinibandGUID hands on Attachment.InfinibandGUID: ib-sriov.
	CapabilityInfinibandGUID Capability = "infinibandGUID"
	// CapabilityDeviceID hands on the device that the kubelet allocated:
	// host-device.
	CapabilityDeviceID Capability = "deviceID"
)

// Raw is a plugin, or an IPAM, that this package has no struct for.
type Raw struct {
	Common
	// Plugin is the name of the binary.
	Plugin string `json:"-"`
	// IPAM gives the addresses. Leave it out in a Raw that is an IPAM itself.
	IPAM IPAM `json:"ipam,omitzero"`
}

// Type returns Plugin.
func (r Raw) Type() string { return r.Plugin }

// ipamTypes are the structs of the IPAMs.
var ipamTypes = map[string]reflect.Type{
	"host-local":  reflect.TypeFor[HostLocal](),
	"static":      reflect.TypeFor[Static](),
	"dhcp":        reflect.TypeFor[DHCP](),
	"whereabouts": reflect.TypeFor[Whereabouts](),
}

// A pluginKind is what is true of every configuration of a plugin.
type pluginKind struct {
	config       reflect.Type
	chained      bool   // it works on the interface of a plugin before it
	noIPAM       bool   // it has no key ipam
	requiresIPAM bool   // ADD fails without addresses
	noVeth       bool   // its interface has no peer on the host
	minVersion   string // the lowest cniVersion, "" for any
	noNewVersion bool   // 1.1.0 is not known to work
	capabilities []Capability
	keepsMAC     bool // a MAC that a pod requests takes effect
	source       string
}

const (
	referencePlugins = "containernetworking/plugins v1.9.1 plugins/"
	ovsPlugin        = "k8snetworkplumbingwg/ovs-cni v0.39.0"
	sriovPlugin      = "k8snetworkplumbingwg/sriov-cni v2.10.0"
	ibSRIOVPlugin    = "k8snetworkplumbingwg/ib-sriov-cni v1.3.0"
	bondPlugin       = "k8snetworkplumbingwg/bond-cni bond/bond.go"
	macvtapPlugin    = "kubevirt/macvtap-cni"
)

// pluginKinds are the plugins with a struct, by the name of the binary.
var pluginKinds = map[string]pluginKind{
	"bridge":      bridgeKind,
	"cnv-bridge":  bridgeKind,
	"macvlan":     {config: reflect.TypeFor[MacvlanConfig](), noVeth: true, keepsMAC: true, capabilities: []Capability{CapabilityMAC}, source: referencePlugins + "main/macvlan"},
	"ipvlan":      {config: reflect.TypeFor[IPVLANConfig](), noVeth: true, requiresIPAM: true, source: referencePlugins + "main/ipvlan"},
	"vlan":        {config: reflect.TypeFor[VLANConfig](), noVeth: true, requiresIPAM: true, source: referencePlugins + "main/vlan"},
	"host-device": {config: reflect.TypeFor[HostDeviceConfig](), noVeth: true, capabilities: []Capability{CapabilityDeviceID}, source: referencePlugins + "main/host-device"},
	"ptp":         {config: reflect.TypeFor[PTPConfig](), requiresIPAM: true, source: referencePlugins + "main/ptp"},
	"dummy":       {config: reflect.TypeFor[DummyConfig](), noVeth: true, requiresIPAM: true, source: referencePlugins + "main/dummy"},
	"tap":         {config: reflect.TypeFor[TapConfig](), noVeth: true, keepsMAC: true, capabilities: []Capability{CapabilityMAC}, source: referencePlugins + "main/tap"},
	"loopback":    {config: reflect.TypeFor[LoopbackConfig](), noVeth: true, noIPAM: true, source: referencePlugins + "main/loopback"},
	"tuning":      tuningKind,
	"cnv-tuning":  tuningKind,
	"bandwidth":   {config: reflect.TypeFor[BandwidthConfig](), chained: true, noIPAM: true, minVersion: "0.3.0", capabilities: []Capability{CapabilityBandwidth}, source: referencePlugins + "meta/bandwidth"},
	"portmap":     {config: reflect.TypeFor[PortmapConfig](), chained: true, noIPAM: true, capabilities: []Capability{CapabilityPortMappings}, source: referencePlugins + "meta/portmap"},
	"sbr":         {config: reflect.TypeFor[SBRConfig](), chained: true, noIPAM: true, source: referencePlugins + "meta/sbr"},
	"firewall":    {config: reflect.TypeFor[FirewallConfig](), chained: true, noIPAM: true, minVersion: "0.4.0", source: referencePlugins + "meta/firewall"},
	"vrf":         {config: reflect.TypeFor[VRFConfig](), chained: true, noIPAM: true, minVersion: "0.3.1", source: referencePlugins + "meta/vrf"},
	"ovs":         {config: reflect.TypeFor[OVSConfig](), noNewVersion: true, keepsMAC: true, capabilities: []Capability{CapabilityMAC}, source: ovsPlugin},
	"sriov":       {config: reflect.TypeFor[SRIOVConfig](), noVeth: true, noNewVersion: true, keepsMAC: true, capabilities: []Capability{CapabilityMAC}, source: sriovPlugin},
	"ib-sriov":    ibSRIOVKind,
	"macvtap":     {config: reflect.TypeFor[MacvtapConfig](), noVeth: true, noIPAM: true, noNewVersion: true, keepsMAC: true, source: macvtapPlugin},
	"bond":        {config: reflect.TypeFor[BondConfig](), noVeth: true, noNewVersion: true, source: bondPlugin},
}

// Kinds that are known by two names, as OpenShift names its own builds.
var (
	bridgeKind  = pluginKind{config: reflect.TypeFor[BridgeConfig](), keepsMAC: true, capabilities: []Capability{CapabilityMAC}, source: referencePlugins + "main/bridge"}
	tuningKind  = pluginKind{config: reflect.TypeFor[TuningConfig](), chained: true, noIPAM: true, keepsMAC: true, capabilities: []Capability{CapabilityMAC}, source: referencePlugins + "meta/tuning"}
	ibSRIOVKind = pluginKind{config: reflect.TypeFor[IBSRIOVConfig](), noVeth: true, noNewVersion: true, capabilities: []Capability{CapabilityInfinibandGUID}, source: ibSRIOVPlugin}
)

// kindOf returns the kind of a plugin; one that is not known may do anything.
func kindOf(plugin string) (pluginKind, bool) {
	kind, known := pluginKinds[plugin]
	return kind, known
}

// newPlugin returns an addressable zero configuration for the binary.
func newPlugin(plugin string) reflect.Value {
	kind, known := kindOf(plugin)
	if !known {
		return reflect.ValueOf(&Raw{Plugin: plugin}).Elem()
	}
	v := reflect.New(kind.config)
	switch config := v.Interface().(type) {
	case *BridgeConfig:
		config.Plugin = otherThan("bridge", plugin)
	case *TuningConfig:
		config.Plugin = otherThan("tuning", plugin)
	}
	return v.Elem()
}

// newIPAM returns an addressable zero configuration for the binary.
func newIPAM(plugin string) reflect.Value {
	if known, ok := ipamTypes[plugin]; ok {
		return reflect.New(known).Elem()
	}
	return reflect.ValueOf(&Raw{Plugin: plugin}).Elem()
}

func otherThan(usual, plugin string) string {
	if plugin == usual {
		return ""
	}
	return plugin
}

// hasIPAM reports whether a plugin asks for addresses: without a type it does
// not, whatever else ipam says.
func hasIPAM(ipam IPAM) bool { return ipam != nil && ipam.Type() != "" }

// ipamOf returns the IPAM of a plugin, or nil.
func ipamOf(p Plugin) IPAM {
	if ipam := ipamField(p); hasIPAM(ipam) {
		return ipam
	}
	return nil
}

// ipamField returns what a plugin has under ipam, with a type or without.
func ipamField(p Plugin) IPAM {
	v := reflect.ValueOf(p)
	index := schemaOf(v.Type()).ipam
	if index == nil {
		return nil
	}
	ipam, _ := reflect.TypeAssert[IPAM](v.FieldByIndex(index))
	return ipam
}

func (c Common) common() Common { return c }

// check of a plugin that is not known has nothing to say.
func (Raw) check(*checker) {}

func (Raw) checkIPAM(*checker) {}
