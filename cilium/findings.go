package cilium

import (
	"fmt"
	"slices"
	"strings"

	"github.com/multihome/multihome"
)

// Codes of findings that more than one check gives.
const (
	codeExclusive = "cilium/exclusive"
	codeUninstall = "cilium/uninstall"
	codeSocketLB  = "cilium/socket-lb"
	codeDevices   = "cilium/devices"
)

// The whole way back from exclusive mode. Each step alone changes nothing that
// a user could see.
const (
	exclusiveRemedy = "set Helm's cni.exclusive=false, restart the Cilium agents, then Multus if it ran before, then recreate the pods that started meanwhile; " +
		"editing the ConfigMap alone is undone by the next Helm upgrade"
	exclusiveSource = "multus-cni #972, #1132; siderolabs/talos #10468; cilium daemon/cmd/cni/config.go"
	uninstallSource = "cilium plugins/cilium-cni/cni-uninstall.sh"
	socketLBSource  = "cilium Documentation/network/kubernetes/kubeproxy-free.rst; cilium #14563, #37669"
	devicesSource   = "cilium pkg/datapath/linux/devices_controller.go; KBVE/kbve #8666"
)

// Findings says what in the settings breaks secondary networks, or VMs on them:
// first for cilium-config, then for the nodes that differ from it, and last
// what could not be read. Exclusive mode is the one of severity error, with the
// whole way out of it, and [Repair] goes that way.
func (c Config) Findings() []multihome.Finding {
	var out []multihome.Finding
	if c.Known {
		out = c.settingsFindings()
	}
	return slices.Concat(out, c.nodeFindings(), c.Unseen)
}

// judge makes findings about one object.
type judge struct {
	object, path string
	findings     []multihome.Finding
}

func (j *judge) add(severity multihome.Severity, code, key, message, remedy, source string) {
	j.findings = append(j.findings, multihome.Finding{
		Code: code, Severity: severity, Object: j.object, Path: j.path + key, Message: message, Remedy: remedy, Source: source,
	})
}

func (c Config) settingsFindings() []multihome.Finding {
	j := &judge{object: "ConfigMap " + c.Namespace + "/" + configMapName, path: "data."}
	if c.renames() {
		j.add(multihome.SeverityError, codeExclusive, "cni-exclusive",
			"Cilium is in exclusive mode and renames Multus' configuration to 00-multus.conf.cilium_bak", exclusiveRemedy, exclusiveSource)
	}
	if c.ChainingTarget == "*" {
		j.add(multihome.SeverityError, "cilium/chaining-any", "cni-chaining-target",
			`"*" is the first network by file name, which is that of 00-multus.conf: Cilium then adds itself to Multus, which calls Cilium`,
			"name the network of the other CNI", "cilium daemon/cmd/cni/config.go, findCNINetwork")
	}
	if c.Conflist == "" {
		j.add(multihome.SeverityWarning, "cilium/no-conflist", "write-cni-conf-when-ready",
			"the agents write no CNI configuration, so its name is not known here",
			"give Multus the name of the file that somebody else writes (PrimaryCNIConfig of its platform)", "cilium daemon/cmd/cni/config.go")
	}
	if c.Uninstall && !c.CustomConf {
		j.add(multihome.SeverityWarning, codeUninstall, "cni-uninstall",
			"an agent that stops deletes its conflist: until the next one is ready pods of the node do not start, or start with another CNI",
			"set Helm's cni.uninstall=false", uninstallSource)
	}
	if c.SocketLB && !c.SocketLBHostOnly {
		j.add(multihome.SeverityInfo, codeSocketLB, "bpf-lb-sock-hostns-only",
			"service addresses are replaced in programs that connect, which Cilium does not see in VMs: those of KubeVirt do not reach services",
			"with KubeVirt set Helm's socketLB.hostNamespaceOnly=true", socketLBSource)
	}
	if len(c.Devices) == 0 && c.KubeProxyReplacement {
		j.add(multihome.SeverityInfo, codeDevices, "devices",
			"Cilium chooses its interfaces by itself and never a bridge: a node whose address moves to a bridge loses NodePorts and load balancing there",
			"where a bridge has the node's address, set Helm's devices to it", devicesSource)
	}
	if v := c.CNIVersion(); v == "0.3.1" {
		j.add(multihome.SeverityInfo, "cilium/cni-version", "write-cni-conf-when-ready",
			fmt.Sprintf("the conflist of Cilium %s has cniVersion %s: Multus exits if its own cniVersion is 0.4.0 or newer", c.Version, v),
			"leave Multus' cniVersion at 0.3.1, or upgrade Cilium to 1.20", "cilium daemon/cmd/cni/config.go; multus-cni pkg/server/config/generator.go")
	}
	return j.findings
}

// nodeFindings names the nodes that differ, those that are in exclusive mode
// first. Where all nodes are there is one finding already.
func (c Config) nodeFindings() []multihome.Finding {
	var exclusive, others []string
	var sources, keys []string
	for _, n := range c.Nodes {
		switch {
		case n.Settings.renames() && !(c.Known && c.renames()):
			exclusive = append(exclusive, n.Node)
			sources = append(sources, n.Sources...)
		default:
			others = append(others, n.Node)
			keys = append(keys, n.Keys...)
		}
	}
	var out []multihome.Finding
	if len(exclusive) > 0 {
		out = append(out, multihome.Finding{
			Code: codeExclusive, Severity: multihome.SeverityError, Object: nodesNamed(exclusive), Path: "cni-exclusive",
			Message: "Cilium is in exclusive mode here, by " + nodeConfigs(c.Namespace, sources) + ", and renames Multus' configuration to 00-multus.conf.cilium_bak",
			Remedy:  strings.Replace(exclusiveRemedy, "set Helm's cni.exclusive=false", "set cni-exclusive to false there", 1), Source: exclusiveSource,
		})
	}
	if len(others) > 0 {
		slices.Sort(keys)
		out = append(out, multihome.Finding{
			Code: "cilium/node-config", Severity: multihome.SeverityInfo, Object: nodesNamed(others),
			Message: "has settings of its own, which win over " + configMapName + ": " + some(slices.Compact(keys)),
			Remedy:  "read them where a node behaves unlike the others (Config.Nodes)", Source: "cilium pkg/option/resolver/resolver.go",
		})
	}
	return out
}

// nodesNamed names one node, or one and the number of the others.
func nodesNamed(nodes []string) string {
	if len(nodes) == 1 {
		return "Node " + nodes[0]
	}
	return fmt.Sprintf("Node %s and %d more", nodes[0], len(nodes)-1)
}

func nodeConfigs(namespace string, names []string) string {
	names = slices.Sorted(slices.Values(names))
	names = slices.Compact(names)
	return "CiliumNodeConfig " + namespace + "/" + some(names)
}
