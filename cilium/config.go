package cilium

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/multihome/multihome"
)

// ErrNotFound is returned where no Cilium runs.
var ErrNotFound = errors.New("no Cilium in the cluster")

// configMapName is where Cilium's settings are, in the agents' namespace.
const configMapName = "cilium-config"

// Config is Cilium on a cluster. [Detect] fills it.
type Config struct {
	// Settings are those of cilium-config, which nodes have that are not in
	// Nodes.
	Settings `json:",inline"`
	// Known is false where cilium-config could not be read, so that Settings
	// say nothing; Unseen tells why.
	Known bool `json:"known"`
	// Namespace is where the agents and their settings are.
	Namespace string `json:"namespace,omitempty"`
	// DaemonSet is the agents' DaemonSet, in Namespace. Empty where it was not
	// looked for or could not be read.
	DaemonSet string `json:"daemonSet,omitempty"`
	// Version of the agents, from the tag of their image, or from Helm's label
	// where that has none: "v1.20.2". Empty: not known.
	Version string `json:"version,omitempty"`
	// Nodes are those whose settings differ from cilium-config, by name,
	// because a CiliumNodeConfig says so.
	Nodes []NodeConfig `json:"nodes,omitempty"`
	// NodeCIDRs are the networks that Cilium gave nodes for their pods, by
	// node. Nil: not looked for, not readable, or none.
	NodeCIDRs map[string][]string `json:"nodeCIDRs,omitempty"`
	// Unseen is what could not be read or understood.
	Unseen []multihome.Finding `json:"unseen,omitempty"`
}

// NodeConfig is a node that has settings of its own.
type NodeConfig struct {
	// Node is the node's name.
	Node string `json:"node"`
	// Sources are the CiliumNodeConfigs that select the node, in the order in
	// which they are applied: by name, a later one wins.
	Sources []string `json:"sources,omitempty"`
	// Keys are those that have another value than in cilium-config, sorted.
	Keys []string `json:"keys,omitempty"`
	// Settings are what the node's agent gets.
	Settings Settings `json:"settings,omitzero"`
}

// CNIVersion is the cniVersion in the conflist that agents of this Version
// write, unless they copy one (Settings.ReadConf) or add themselves to
// another's. Empty: the version is not known, or older than 1.14. Multus asks for
// at least 0.4.0 where its own cniVersion is 0.4.0 or more.
func (c Config) CNIVersion() string {
	parsed, err := version.ParseSemantic(c.Version)
	switch {
	case err != nil || parsed.LessThan(version.MustParseSemantic("v1.14.0-0")) || c.ReadConf != "" || c.ChainingTarget != "":
		return ""
	case parsed.LessThan(version.MustParseSemantic("v1.20.0-0")):
		return "0.3.1"
	}
	return "1.0.0"
}

// overlay returns what a node's agent gets: the ConfigMap's data with the
// values that override it.
func overlay(data, override map[string]string) map[string]string {
	out := maps.Clone(data)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, override)
	return out
}

// nodeConfig tells in what a node differs; without Keys it does not. The error
// is that of Parse.
func nodeConfig(node string, data map[string]string, overrides []override) (NodeConfig, error) {
	n := NodeConfig{Node: node}
	merged := data
	for _, o := range overrides {
		n.Sources = append(n.Sources, o.name)
		merged = overlay(merged, o.defaults)
	}
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		if value, ok := data[key]; !ok || value != merged[key] {
			n.Keys = append(n.Keys, key)
		}
	}
	var err error
	n.Settings, err = Parse(merged)
	return n, err
}

// some names at most three of many.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and more"
}
