package nad

import (
	"slices"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"

	"github.com/multihome/multihome"
)

// Cluster is what [LintCluster] has to know of a cluster. What is nil is not
// known, and nothing is said about it. Inventory of package multus fills it from
// a live cluster.
type Cluster struct {
	// Definitions are the NADs of all namespaces.
	Definitions []netattdefv1.NetworkAttachmentDefinition
	// Ranges are networks that are in use for something else.
	Ranges []ClusterRange
	// NodeAddresses are the addresses of the nodes, by node.
	NodeAddresses map[string][]string
	// Plugins are the names of the CNI plugins that every node has, those of
	// IPAMs included.
	Plugins []string
	// Resources are the extended resources that nodes offer, with the number of
	// nodes that have any to give.
	Resources map[ResourceName]int
	// Unseen says what could not be read, and why. [LintCluster] returns it
	// with its own findings.
	Unseen []multihome.Finding
}

// ClusterRange is a network that the cluster uses.
type ClusterRange struct {
	// CIDR is the network: "10.244.0.0/16".
	CIDR string
	// Use says for what and where from: "pods of node worker-1", "services".
	Use string
}

// LintCluster says what is wrong between the NADs of a cluster, and between
// them and the rest of it: networks that overlap with those of pods and
// services, addresses of nodes that are given to pods, networks on one link
// that give out the same addresses, plugins and resources that no node has.
// What is wrong with one NAD alone is for [Lint] to say. NADs that cannot be
// read are left out. Findings are sorted like those of Lint, by object first.
func LintCluster(cluster Cluster) []multihome.Finding {
	c := &clusterCheck{cluster: cluster, findings: slices.Clone(cluster.Unseen)}
	for i := range cluster.Definitions {
		c.read(&cluster.Definitions[i])
	}
	c.readRanges()
	for i := range c.networks {
		n := &c.networks[i]
		c.missing(n)
		c.overlaps(n)
		c.nodes(n)
	}
	c.links()
	c.bridges()
	c.names()
	sortFindings(c.findings)
	return c.findings
}
