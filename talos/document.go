package talos

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Kinds of the documents that this package writes or judges.
const (
	kindLink           = "LinkConfig"
	kindBridge         = "BridgeConfig"
	kindBond           = "BondConfig"
	kindVLAN           = "VLANConfig"
	kindAlias          = "LinkAliasConfig"
	kindDHCPv4         = "DHCPv4Config"
	kindDHCPv6         = "DHCPv6Config"
	kindVIP            = "Layer2VIPConfig"
	kindCloudVIP       = "HCloudVIPConfig"
	kindHostname       = "HostnameConfig"
	kindInlineManifest = "KubeInlineManifestConfig"
	kindFlannel        = "KubeFlannelCNIConfig"
	kindProxy          = "KubeProxyConfig"
)

// document is one document of a machine config as this package writes and
// reads it: the fields of all kinds in the order in which Talos prints them.
// Keys it does not know are ignored when reading.
type document struct {
	APIVersion string `yaml:"apiVersion,omitempty"`
	Kind       string `yaml:"kind,omitempty"`
	Name       string `yaml:"name,omitempty"`
	Patch      string `yaml:"$patch,omitempty"`

	HardwareAddr string   `yaml:"hardwareAddr,omitempty"`
	VLANID       int      `yaml:"vlanID,omitempty"`
	VLANMode     string   `yaml:"vlanMode,omitempty"`
	Parent       string   `yaml:"parent,omitempty"`
	Link         string   `yaml:"link,omitempty"`
	Links        []string `yaml:"links,omitempty"`
	BondMode     string   `yaml:"bondMode,omitempty"`
	bondTuning   `yaml:",inline"`
	STP          *toggle        `yaml:"stp,omitempty"`
	VLAN         *filtering     `yaml:"vlan,omitempty"`
	Selector     *aliasSelector `yaml:"selector,omitempty"`

	MTU       int       `yaml:"mtu,omitempty"`
	Addresses []address `yaml:"addresses,omitempty"`
	Routes    []route   `yaml:"routes,omitempty"`

	RouteMetric    uint32 `yaml:"routeMetric,omitempty"`
	IgnoreHostname bool   `yaml:"ignoreHostname,omitempty"`

	Hostname    string `yaml:"hostname,omitempty"`
	Nameservers []any  `yaml:"nameservers,omitempty"`
	Enabled     *bool  `yaml:"enabled,omitempty"`
	Manifest    string `yaml:"manifest,omitempty"`

	// companion marks what a patch adds so that the node stays reachable: it
	// is left out where the machine config configures that link already.
	companion bool
}

// bondTuning has the same keys in a BondConfig and in a legacy bond.
type bondTuning struct {
	MIIMon         uint32 `yaml:"miimon,omitempty"`
	UpDelay        uint32 `yaml:"updelay,omitempty"`
	DownDelay      uint32 `yaml:"downdelay,omitempty"`
	XmitHashPolicy string `yaml:"xmitHashPolicy,omitempty"`
	LACPRate       string `yaml:"lacpRate,omitempty"`
	MinLinks       uint32 `yaml:"minLinks,omitempty"`
}

type toggle struct {
	Enabled bool `yaml:"enabled"`
}

type filtering struct {
	Filtering bool `yaml:"filtering"`
}

type aliasSelector struct {
	Match string `yaml:"match"`
}

// address is an entry of a document's addresses. Reading it accepts the plain
// string that Talos rejects, and remembers it.
type address struct {
	Address string `yaml:"address"`
	plain   bool
}

// UnmarshalYAML reads both spellings.
func (a *address) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		a.Address, a.plain = node.Value, true
		return nil
	}
	type wire address
	return node.Decode((*wire)(a))
}

type route struct {
	Destination string `yaml:"destination,omitempty"`
	Gateway     string `yaml:"gateway,omitempty"`
	Source      string `yaml:"source,omitempty"`
	Metric      uint32 `yaml:"metric,omitempty"`
	MTU         uint32 `yaml:"mtu,omitempty"`
	Table       string `yaml:"table,omitempty"`
}

// newDocument returns a document of a v1alpha1 kind.
func newDocument(kind, name string) document {
	return document{APIVersion: "v1alpha1", Kind: kind, Name: name}
}

// id is what Talos compares documents by.
func (d document) id() string { return strings.TrimSuffix(d.Kind+"/"+d.Name, "/") }

// object names the document in findings.
func (d document) object() string { return strings.TrimSpace(d.Kind + " " + d.Name) }

// encode prints values as a stream of YAML documents.
func encode(values ...any) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	for _, value := range values {
		if err := encoder.Encode(value); err != nil {
			return nil, err
		}
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
