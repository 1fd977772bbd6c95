package multus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
)

// Detection is what [Detect] found out about a cluster.
type Detection struct {
	// Platform is what [Config] Platform takes. What could not be known is
	// empty in it, and Findings tells why.
	Platform Platform `json:"platform,omitzero"`
	// TalosNewest is the newest Talos version among the nodes; Platform.Talos
	// is the oldest. They differ while nodes are being upgraded, and are empty
	// together.
	TalosNewest string `json:"talosNewest,omitempty"`
	// Nodes is their number. Zero: there are none, or they could not be
	// listed; Findings tells which.
	Nodes int `json:"nodes"`
	// Findings is what could not be read or not be decided, and in what the
	// nodes differ. None is of severity error.
	Findings []multihome.Finding `json:"findings,omitempty"`
}

// Detect reads from a live cluster what kind of cluster it is. It writes
// nothing.
//
// Requests: one list of DaemonSets in all namespaces and one of Nodes, 500 at a
// time, and one ConfigMap: cilium-config where Cilium runs, with a list of
// CiliumNodeConfigs, kube-flannel-cfg where Flannel does. A list that the API server drops half-way (410 Expired)
// begins again once. Nothing is cached, and of each node only a few words are
// kept. A client made by a manager will do, or its GetAPIReader; its cache will
// not, because it cannot list by pages.
//
// RBAC, in a ClusterRole: list on nodes, on daemonsets.apps and on
// ciliumnodeconfigs.cilium.io, get on configmaps cilium-config and
// kube-flannel-cfg. A permission that is missing
// is a finding "multus/unseen" that names it, and leaves empty what it would
// have told.
//
// What is empty in the Platform is not known: nothing is guessed. Talos is empty
// unless every node that has reported runs it; PrimaryCNI is empty when no known
// CNI, or more than one, could give pods their first interface. A Cilium that is
// chained to another CNI is not primary, but its conflist is the one that counts.
// PrimaryCNIConfig and PrimaryCNIVersion are filled only where the cluster tells.
//
// The error names the request that failed and wraps its cause; it is ctx's
// when ctx ended.
func Detect(ctx context.Context, reader client.Reader) (Detection, error) {
	if reader == nil {
		return Detection{}, errors.New("reader is nil; give a sigs.k8s.io/controller-runtime/pkg/client")
	}
	s, err := look(ctx, reader)
	if err != nil {
		return Detection{}, err
	}
	return s.detection(), nil
}

// platform is what the survey tells of the cluster.
func (s survey) platform() Platform { return s.detection().Platform }

// findings is what the survey could not tell, or found odd.
func (s survey) findings() []multihome.Finding { return s.detection().Findings }

// detection draws the conclusions of a survey.
func (s survey) detection() Detection {
	d := Detection{Nodes: len(s.nodes), Findings: slices.Clone(s.unseen)}
	if s.whole && s.sawNodes {
		s.judgeNodes(&d)
	}
	if s.whole && s.sawDaemonSets {
		s.judgePrimary(&d)
	}
	return d
}

// warn adds a finding that leaves something undecided.
func (d *Detection) warn(code, path, message, remedy string) {
	d.Findings = append(d.Findings, multihome.Finding{
		Code: "platform/" + code, Severity: multihome.SeverityWarning, Path: path, Message: message, Remedy: remedy,
	})
}

// judgeNodes fills what the nodes tell. A node that has not reported yet tells
// nothing, and is no reason to doubt the others.
func (s survey) judgeNodes(d *Detection) {
	var silent, foreign []string
	talos, kubelets, runtimes, arches := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, n := range s.nodes {
		if n.os == "" {
			silent = append(silent, n.name)
			continue
		}
		if v, isTalos := talosOf(n.os); isTalos {
			talos[v] = true
		} else {
			foreign = append(foreign, n.name)
		}
		kubelets[n.kubelet], runtimes[n.runtime], arches[n.arch] = true, true, true
	}
	delete(arches, "")
	d.Platform.Architectures = slices.Sorted(maps.Keys(arches))
	if len(s.nodes) == 0 {
		d.warn("no-nodes", "", "the cluster has no nodes, so nothing tells what they will run", "give Config.Platform")
	}
	if len(silent) > 0 {
		d.warn("silent-nodes", "status.nodeInfo", someOf(silent)+" reported nothing yet and may differ from the others", "look again once they are ready")
	}
	if len(foreign) > 0 && len(talos) > 0 {
		d.warn("mixed-os", "status.nodeInfo.osImage", someOf(foreign)+" do not run Talos and others do, so fixes for Talos are left out", "give Config.Platform, and Config.NodeSelector where Multus is for some nodes only")
		clear(talos)
	}
	d.Platform.Talos, d.TalosNewest = d.span(talos, "status.nodeInfo.osImage")
	d.Platform.Kubernetes, _ = d.span(kubelets, "status.nodeInfo.kubeletVersion")
	d.Platform.Runtime = d.runtime(runtimes)
	if d.TalosNewest != d.Platform.Talos {
		d.Findings = append(d.Findings, multihome.Finding{
			Code: "platform/mixed-talos", Severity: multihome.SeverityInfo, Path: "status.nodeInfo.osImage",
			Message: fmt.Sprintf("nodes run Talos %s to %s; what is rendered suits the oldest", d.Platform.Talos, d.TalosNewest),
			Remedy:  "install again after the upgrade",
		})
	}
}

// span returns the oldest and the newest of versions, both empty where one
// does not parse.
func (d *Detection) span(versions map[string]bool, path string) (oldest, newest string) {
	sorted := slices.Sorted(maps.Keys(versions)) // equal versions, differently written: always the same one
	for _, v := range sorted {
		if _, ok := semantic(v); !ok {
			d.warn("unreadable-version", path, fmt.Sprintf("%q of some node is no version", v), "give Config.Platform")
			return "", ""
		}
	}
	slices.SortStableFunc(sorted, func(a, b string) int {
		left, _ := semantic(a)
		right, _ := semantic(b)
		switch {
		case left.LessThan(right):
			return -1
		case right.LessThan(left):
			return 1
		}
		return 0
	})
	if len(sorted) == 0 {
		return "", ""
	}
	return sorted[0], sorted[len(sorted)-1]
}

// runtime is the oldest of the container runtimes, empty where they differ in
// more than their version.
func (d *Detection) runtime(runtimes map[string]bool) string {
	const path = "status.nodeInfo.containerRuntimeVersion"
	names, versions := map[string]bool{}, map[string]bool{}
	for r := range runtimes {
		name, v, _ := strings.Cut(r, "://")
		names[name], versions[v] = true, true
	}
	sorted := slices.Sorted(maps.Keys(names))
	switch {
	case len(sorted) == 0:
		return ""
	case len(sorted) > 1:
		d.warn("mixed-runtimes", path, "nodes run different container runtimes: "+strings.Join(sorted, ", "), "check where each of them reads CNI configurations")
		return ""
	}
	oldest, _ := d.span(versions, path)
	if oldest == "" {
		return ""
	}
	return sorted[0] + "://" + oldest
}

// judgePrimary decides which CNI gives pods their first interface, and from
// which conflist.
func (s survey) judgePrimary(d *Detection) {
	const give = "give Config.Platform.PrimaryCNI, and PrimaryCNIConfig if its file has another name than usual"
	cnis, where := map[string]primaryFacts{}, map[string]string{}
	for _, p := range s.primaries {
		if _, seen := cnis[p.cni]; !seen {
			cnis[p.cni], where[p.cni] = p, fmt.Sprintf("%s (DaemonSet %s/%s)", p.cni, p.namespace, p.name)
		}
	}
	_, isCilium := cnis["cilium"]
	chained := isCilium && s.cilium != nil && s.cilium.Chained()
	if chained { // another CNI gives the interface, and Cilium writes the conflist of both
		delete(cnis, "cilium")
		delete(where, "cilium")
	}
	names := slices.Sorted(maps.Keys(cnis))
	switch {
	case len(names) > 1:
		d.warn("primary-cni", "", "several CNIs could give pods their first interface: "+strings.Join(slices.Sorted(maps.Values(where)), ", "), give)
		return
	case isCilium && s.cilium != nil && s.cilium.Conflist == "":
		d.warn("primary-cni", "", "Cilium is not told to write a conflist (write-cni-conf-when-ready in cilium-config), so the name of its file is not known", give)
		return
	case chained && len(names) == 0:
		d.warn("primary-cni", "", "Cilium is chained (cni-chaining-mode in cilium-config) to a CNI that is not known; only the conflist of both is", give)
	case len(names) == 0:
		d.warn("primary-cni", "", "no known CNI runs here, so Multus would take the first conflist that it finds", give)
	default:
		p := cnis[names[0]]
		d.Platform.PrimaryCNI, d.Platform.PrimaryCNIConfig, d.Platform.PrimaryCNIVersion = p.cni, p.conflist, p.cniVersion
	}
	if isCilium && s.cilium != nil {
		d.Platform.PrimaryCNIConfig = s.cilium.Conflist
	}
	if chained { // what the other CNI's own conflist says does not matter
		d.Platform.PrimaryCNIVersion = ""
	}
}

// cniSign is how a primary CNI's DaemonSet is known.
type cniSign struct {
	cni   string
	names []string // of the DaemonSet, or the value of a label that names it
	image string   // ending of an image's repository
	// yields is the setting that leaves the first interface to another CNI.
	yields []string
}

// labelsThatName are those that hold an application's name, by convention.
var labelsThatName = []string{"k8s-app", "app", "name"}

// cniSigns in order: Canal's pods hold the containers of Calico and Flannel.
var cniSigns = []cniSign{
	{"canal", []string{"canal", "rke2-canal"}, "", nil},
	{"antrea", []string{"antrea-agent"}, "/antrea-agent-ubuntu", nil},
	{"calico", []string{"calico-node"}, "calico/node", []string{"CALICO_NETWORKING_BACKEND=none"}},
	{"cilium", []string{"cilium"}, "cilium/cilium", nil},
	{"flannel", []string{"kube-flannel", "kube-flannel-ds", "flannel"}, "/flannel", nil},
	{"kindnet", []string{"kindnet"}, "/kindnetd", nil},
	{"kube-ovn", []string{"kube-ovn-cni"}, "", []string{"--non-primary-cni-mode=true"}},
	{"kube-router", []string{"kube-router"}, "/kube-router", []string{"--run-router=false", "--enable-cni=false"}},
	{"weave", []string{"weave-net"}, "/weave-kube", nil},
}

// primaryOf tells whether a DaemonSet is that of a primary CNI.
func primaryOf(ds *appsv1.DaemonSet) (primaryFacts, bool) {
	spec := &ds.Spec.Template.Spec
	settings := settingsOf(spec)
	i := slices.IndexFunc(cniSigns, func(sign cniSign) bool {
		return slices.Contains(sign.names, ds.Name) || slices.ContainsFunc(labelsThatName, func(label string) bool {
			return slices.Contains(sign.names, ds.Labels[label]) || slices.Contains(sign.names, ds.Spec.Template.Labels[label])
		})
	})
	if i < 0 {
		i = slices.IndexFunc(cniSigns, func(sign cniSign) bool {
			return sign.image != "" && slices.ContainsFunc(spec.Containers, func(c corev1.Container) bool {
				return strings.HasSuffix(repositoryOf(c.Image), sign.image)
			})
		})
	}
	if i < 0 || slices.ContainsFunc(settings, func(s string) bool { return slices.Contains(cniSigns[i].yields, s) }) {
		return primaryFacts{}, false
	}
	return primaryFacts{cni: cniSigns[i].cni, namespace: ds.Namespace, name: ds.Name, conflist: conflistIn(settings)}, true
}

// settingsOf lists what the containers are told: command, arguments, and
// environment as NAME=value.
func settingsOf(spec *corev1.PodSpec) []string {
	var out []string
	for _, c := range containersOf(spec) {
		out = append(append(out, c.Command...), c.Args...)
		for _, env := range c.Env {
			out = append(out, env.Name+"="+env.Value)
		}
	}
	return out
}

// conflistIn finds the name of the conflist that a CNI is told to write.
func conflistIn(settings []string) string {
	for _, s := range settings {
		for _, prefix := range []string{"CNI_CONF_NAME=", "KUBE_ROUTER_CNI_CONF_FILE=", "--cni-conf-name=", "/etc/cni/net.d/"} {
			if file, ok := strings.CutPrefix(s, prefix); ok && conflistName(file) != "" {
				return conflistName(file)
			}
		}
	}
	return ""
}

// semantic parses a version such as "v1.13.9-rc.0".
func semantic(v string) (*version.Version, bool) {
	parsed, err := version.ParseSemantic(v)
	return parsed, err == nil && v == strings.TrimSpace(v)
}

// someOf names one node, or one and the number of the others.
func someOf(nodes []string) string {
	if len(nodes) == 1 {
		return "Node " + nodes[0]
	}
	return fmt.Sprintf("Node %s and %d more", nodes[0], len(nodes)-1)
}
