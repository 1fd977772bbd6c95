package cilium

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/nad"
)

// Ranges are the networks that Cilium takes pods' addresses from, for
// [nad.Cluster]. Inventory of package multus knows those of the nodes already.
func (c Config) Ranges() []nad.ClusterRange {
	var out []nad.ClusterRange
	for _, cidr := range c.PodCIDRs {
		out = append(out, nad.ClusterRange{CIDR: cidr, Use: "pods (Cilium's " + configMapName + ")"})
	}
	for _, node := range slices.Sorted(maps.Keys(c.NodeCIDRs)) {
		for _, cidr := range c.NodeCIDRs[node] {
			if slices.ContainsFunc(c.PodCIDRs, func(whole string) bool { return contains(whole, cidr) }) {
				continue
			}
			out = append(out, nad.ClusterRange{CIDR: cidr, Use: "pods of node " + node + " (Cilium)"})
		}
	}
	return out
}

// contains reports whether a network lies within another.
func contains(whole, part string) bool {
	outer, err := netip.ParsePrefix(whole)
	if err != nil {
		return false
	}
	inner, err := netip.ParsePrefix(part)
	return err == nil && outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// CheckNADs says which NADs cannot work beside this Cilium: those whose
// addresses overlap with the networks of its pods, and those that name
// cilium-cni, which cannot make a second interface. It looks at no more than
// that: [nad.Lint] and [nad.LintCluster], which hold the same rules, look at
// everything. Findings have their codes, "nad/overlap" and
// "nad/cilium-secondary".
func (c Config) CheckNADs(definitions ...netattdefv1.NetworkAttachmentDefinition) []multihome.Finding {
	all := nad.LintCluster(nad.Cluster{Definitions: definitions, Ranges: c.Ranges()})
	for i := range definitions {
		all = append(all, nad.Lint(&definitions[i])...)
	}
	return slices.DeleteFunc(all, func(f multihome.Finding) bool {
		return f.Code != "nad/cilium-secondary" && !(f.Code == "nad/overlap" && strings.Contains(f.Message, "Cilium"))
	})
}

// CheckNodeLink says whether Cilium works on the interface that has the node's
// address, "br0" for example; isBridge tells that it is a bridge. A bridge over
// the interface that had the address before is what VMs on the node's own
// network need.
func (c Config) CheckNodeLink(link string, isBridge bool) []multihome.Finding {
	return checkLink(c.Devices, link, isBridge, &judge{object: "ConfigMap " + c.Namespace + "/" + configMapName, path: "data."})
}

func checkLink(devices []string, link string, isBridge bool, j *judge) []multihome.Finding {
	remedy := fmt.Sprintf("set Helm's devices to %s, beside those that Cilium works on now", link)
	const consequence = "NodePorts, load balancing and masquerading do not work there"
	switch {
	case len(devices) == 0 && isBridge:
		j.add(multihome.SeverityError, codeDevices, "devices",
			fmt.Sprintf("Cilium chooses its interfaces by itself and never a bridge, so not %s with the node's address: %s", link, consequence), remedy, devicesSource)
	case len(devices) > 0 && !selects(devices, link):
		j.add(multihome.SeverityError, codeDevices, "devices",
			fmt.Sprintf("%s does not select %s with the node's address: %s", strings.Join(devices, ", "), link, consequence), remedy, devicesSource)
	}
	return j.findings
}

// selects reports whether a list of devices selects an interface, as
// DeviceFilter in Cilium's pkg/datapath/tables does.
func selects(devices []string, link string) bool {
	for _, device := range devices {
		name, excluded := strings.CutPrefix(device, "!")
		prefix, isPrefix := strings.CutSuffix(name, "+")
		if name == link || isPrefix && strings.HasPrefix(link, strings.TrimRight(prefix, "+")) {
			return !excluded
		}
	}
	return false
}
