package talos

import "reflect"

// legacyConfig is what this package writes and reads of the document without a
// kind, v1alpha1.Config.
type legacyConfig struct {
	Machine *legacyMachine `yaml:"machine,omitempty"`
	Cluster *legacyCluster `yaml:"cluster,omitempty"`
}

type legacyMachine struct {
	Type    string         `yaml:"type,omitempty"`
	Install *legacyInstall `yaml:"install,omitempty"`
	Network *legacyNetwork `yaml:"network,omitempty"`
}

type legacyInstall struct {
	Image string `yaml:"image,omitempty"`
}

type legacyNetwork struct {
	Hostname    string   `yaml:"hostname,omitempty"`
	Interfaces  []device `yaml:"interfaces,omitempty"`
	Nameservers []string `yaml:"nameservers,omitempty"`
}

type legacyCluster struct {
	Network         *clusterNetwork  `yaml:"network,omitempty"`
	Proxy           *clusterProxy    `yaml:"proxy,omitempty"`
	InlineManifests []inlineManifest `yaml:"inlineManifests,omitempty"`
}

type clusterNetwork struct {
	CNI *clusterCNI `yaml:"cni,omitempty"`
}

type clusterCNI struct {
	Name string `yaml:"name"`
}

type clusterProxy struct {
	Disabled bool `yaml:"disabled"`
}

type inlineManifest struct {
	Name     string `yaml:"name"`
	Contents string `yaml:"contents"`
}

// device is an entry of machine.network.interfaces.
type device struct {
	Interface        string          `yaml:"interface,omitempty"`
	DeviceSelector   *deviceSelector `yaml:"deviceSelector,omitempty"`
	Patch            string          `yaml:"$patch,omitempty"`
	Ignore           bool            `yaml:"ignore,omitempty"`
	Dummy            bool            `yaml:"dummy,omitempty"`
	Bridge           *legacyBridge   `yaml:"bridge,omitempty"`
	BridgePort       *legacyPort     `yaml:"bridgePort,omitempty"`
	Bond             *legacyBond     `yaml:"bond,omitempty"`
	MTU              int             `yaml:"mtu,omitempty"`
	CIDR             string          `yaml:"cidr,omitempty"`
	deviceAddressing `yaml:",inline"`
	VLANs            []legacyVLAN `yaml:"vlans,omitempty"`
	Wireguard        *struct{}    `yaml:"wireguard,omitempty"`

	owns ownership
}

// deviceAddressing is what an interface and a VLAN of it have in common.
type deviceAddressing struct {
	Addresses   []string      `yaml:"addresses,omitempty"`
	Routes      []legacyRoute `yaml:"routes,omitempty"`
	DHCP        bool          `yaml:"dhcp,omitempty"`
	DHCPOptions *dhcpOptions  `yaml:"dhcpOptions,omitempty"`
	VIP         *legacyVIP    `yaml:"vip,omitempty"`
}

type deviceSelector struct {
	BusPath       string `yaml:"busPath,omitempty"`
	HardwareAddr  string `yaml:"hardwareAddr,omitempty"`
	PermanentAddr string `yaml:"permanentAddr,omitempty"`
	PCIID         string `yaml:"pciID,omitempty"`
	Driver        string `yaml:"driver,omitempty"`
	Physical      bool   `yaml:"physical,omitempty"`
}

type legacyBridge struct {
	Interfaces []string         `yaml:"interfaces"`
	STP        *toggle          `yaml:"stp,omitempty"`
	VLAN       *legacyFiltering `yaml:"vlan,omitempty"`
}

type legacyFiltering struct {
	VLANFiltering bool `yaml:"vlanFiltering"`
}

type legacyPort struct {
	Master string `yaml:"master"`
}

type legacyBond struct {
	Interfaces      []string         `yaml:"interfaces,omitempty"`
	DeviceSelectors []deviceSelector `yaml:"deviceSelectors,omitempty"`
	Mode            string           `yaml:"mode"`
	bondTuning      `yaml:",inline"`
}

type legacyRoute struct {
	Network string `yaml:"network,omitempty"`
	Gateway string `yaml:"gateway,omitempty"`
	Source  string `yaml:"source,omitempty"`
	Metric  uint32 `yaml:"metric,omitempty"`
	MTU     uint32 `yaml:"mtu,omitempty"`
}

type dhcpOptions struct {
	RouteMetric uint32 `yaml:"routeMetric,omitempty"`
	IPv4        *bool  `yaml:"ipv4,omitempty"`
	IPv6        *bool  `yaml:"ipv6,omitempty"`
}

type legacyVIP struct {
	IP    string         `yaml:"ip"`
	Cloud map[string]any `yaml:",inline"` // hcloud, equinixMetal
}

type legacyVLAN struct {
	VLANID           int `yaml:"vlanId"`
	MTU              int `yaml:"mtu,omitempty"`
	deviceAddressing `yaml:",inline"`
}

// ownership says which keys of an interface a patch replaces; the others stay
// as the machine config has them. Each owns what the one before it owns.
type ownership int

const (
	ownsNothing ownership = iota // it only adds VLANs
	ownsDHCP
	ownsAddressing
	ownsLink // all but its VLANs
)

// keys returns the owned keys of an entry of machine.network.interfaces.
func (o ownership) keys() []string {
	var keys []string
	if o >= ownsDHCP {
		keys = append(keys, "dhcp", "dhcpOptions")
	}
	if o >= ownsAddressing {
		keys = append(keys, "cidr", "addresses", "routes", "vip", "mtu")
	}
	if o >= ownsLink {
		keys = append(keys, "bridge", "bridgePort", "bond", "dummy", "ignore")
	}
	return keys
}

// key is what Talos merges entries of machine.network.interfaces by.
func (d device) key() any {
	if d.Interface != "" || d.DeviceSelector == nil {
		return d.Interface
	}
	return *d.DeviceSelector
}

func (d device) object() string {
	switch {
	case d.Interface != "":
		return "interface " + d.Interface
	case d.DeviceSelector != nil:
		return "interface " + d.DeviceSelector.String()
	default:
		return "interface"
	}
}

// String lists the conditions, as in driver=igc.
func (s deviceSelector) String() string {
	text := ""
	for _, condition := range s.conditions() {
		if text != "" {
			text += ","
		}
		text += condition[0] + "=" + condition[1]
	}
	if s.Physical {
		text += ",physical"
	}
	return text
}

// conditions returns key and pattern of what is set.
func (s deviceSelector) conditions() [][2]string {
	all := [][2]string{
		{"permanentAddr", s.PermanentAddr},
		{"hardwareAddr", s.HardwareAddr},
		{"busPath", s.BusPath},
		{"pciID", s.PCIID},
		{"driver", s.Driver},
	}
	var set [][2]string
	for _, condition := range all {
		if condition[1] != "" {
			set = append(set, condition)
		}
	}
	return set
}

// isZero reports whether there is nothing to write.
func (c legacyConfig) isZero() bool { return reflect.ValueOf(c).IsZero() }
