package cilium

import (
	"errors"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// RoutingMode is how packets between nodes travel.
type RoutingMode string

const (
	// RoutingModeTunnel wraps them, which is the agent's default.
	RoutingModeTunnel RoutingMode = "tunnel"
	// RoutingModeNative leaves them to the network's own routes.
	RoutingModeNative RoutingMode = "native"
)

// Settings are those of an agent that matter to secondary networks. The zero
// value is what an agent does that is told nothing, save for ChainingMode and
// RoutingMode, where it stands for "none" and RoutingModeTunnel.
type Settings struct {
	// Exclusive: the agent renames all other CNI configurations of its node,
	// again and again. It does so only if it writes its own, see Conflist.
	// Key cni-exclusive. Cilium's chart says true, a missing key means false.
	Exclusive bool `json:"exclusive,omitempty"`
	// Conflist is the name of the file that the agent writes in the directory
	// of CNI configurations: "05-cilium.conflist". Empty: it writes none, or
	// one whose name no CNI configuration can have. Key
	// write-cni-conf-when-ready.
	Conflist string `json:"conflist,omitempty"`
	// CustomConf: somebody else writes Cilium's CNI configuration. Key
	// custom-cni-conf.
	CustomConf bool `json:"customConf,omitempty"`
	// ReadConf is the file in the agent's container that it copies instead of
	// making a configuration. Key read-cni-conf.
	ReadConf string `json:"readConf,omitempty"`
	// Uninstall: the agent deletes its configuration when it stops. Key
	// cni-uninstall.
	Uninstall bool `json:"uninstall,omitempty"`
	// ChainingMode is how Cilium adds itself to another CNI: "aws-cni",
	// "flannel", "generic-veth", "portmap". "" and "none": it does not. Key
	// cni-chaining-mode.
	ChainingMode string `json:"chainingMode,omitempty"`
	// ChainingTarget names the network that it adds itself to, "*" the first
	// one that it finds. Key cni-chaining-target; "aws-cni" where only that
	// mode is given.
	ChainingTarget string `json:"chainingTarget,omitempty"`
	// KubeProxyReplacement: Cilium does what kube-proxy does elsewhere. Key
	// kube-proxy-replacement.
	KubeProxyReplacement bool `json:"kubeProxyReplacement,omitempty"`
	// SocketLB: service addresses are replaced as a program connects. It is on
	// with KubeProxyReplacement, or by key bpf-lb-sock.
	SocketLB bool `json:"socketLB,omitempty"`
	// SocketLBHostOnly restricts SocketLB to the node's own programs. Key
	// bpf-lb-sock-hostns-only.
	SocketLBHostOnly bool `json:"socketLBHostOnly,omitempty"`
	// Devices are the node's interfaces that Cilium works on; "eth+" stands
	// for all that begin so, "!eth1" leaves one out, the first match counts.
	// Nil: Cilium chooses, and never a bridge. Key devices.
	Devices []string `json:"devices,omitempty"`
	// IPAM is who gives out pod addresses: "kubernetes", "cluster-pool",
	// "multi-pool", ... Key ipam.
	IPAM string `json:"ipam,omitempty"`
	// PodCIDRs are the networks that pod addresses come from, as far as the
	// settings tell: with IPAM "cluster-pool" only. Keys
	// cluster-pool-ipv4-cidr and cluster-pool-ipv6-cidr.
	PodCIDRs []string `json:"podCIDRs,omitempty"`
	// RoutingMode is how packets between nodes travel. Empty:
	// RoutingModeTunnel. Key routing-mode, before Cilium 1.14 tunnel.
	RoutingMode RoutingMode `json:"routingMode,omitempty"`
}

// Parse reads the data of Cilium's ConfigMap cilium-config. Keys that do not
// matter to secondary networks are passed over.
//
// The error joins a *field.Error for every value that the agent would not
// understand either; the Settings then hold all others.
func Parse(data map[string]string) (Settings, error) {
	p := &parser{data: data}
	s := Settings{
		Exclusive:        p.boolean("cni-exclusive"),
		Conflist:         conflistName(data["write-cni-conf-when-ready"]),
		CustomConf:       p.boolean("custom-cni-conf"),
		ReadConf:         data["read-cni-conf"],
		Uninstall:        p.boolean("cni-uninstall"),
		ChainingMode:     data["cni-chaining-mode"],
		ChainingTarget:   data["cni-chaining-target"],
		SocketLB:         p.boolean("bpf-lb-sock"),
		SocketLBHostOnly: p.boolean("bpf-lb-sock-hostns-only"),
		Devices:          words(data["devices"]),
		IPAM:             data["ipam"],
		RoutingMode:      p.routing(),
	}
	if s.Conflist == "" && data["write-cni-conf-when-ready"] != "" {
		p.complain("write-cni-conf-when-ready", "must be the path of a file that a CNI configuration can have, such as /host/etc/cni/net.d/05-cilium.conflist")
	}
	if _, given := data["cni-chaining-mode"]; !given {
		s.ChainingMode = "none" // "" is something else where there is a target
	}
	switch { // as daemon/cmd/cni/config does it
	case s.ChainingMode == "aws-cni" && s.ChainingTarget == "":
		s.ChainingTarget = "aws-cni"
	case s.ChainingMode == "" && s.ChainingTarget != "":
		s.ChainingMode = "generic-veth"
	case s.ChainingMode == "":
		s.ChainingMode = "none"
	}
	switch data["kube-proxy-replacement"] {
	case "strict", "partial": // until Cilium 1.15
		s.KubeProxyReplacement = data["kube-proxy-replacement"] == "strict"
	case "probe", "disabled":
	default:
		s.KubeProxyReplacement = p.boolean("kube-proxy-replacement")
	}
	s.SocketLB = s.SocketLB || s.KubeProxyReplacement
	if s.IPAM == "" || s.IPAM == "cluster-pool" || s.IPAM == "cluster-pool-v2beta" {
		s.PodCIDRs = append(p.cidrs("cluster-pool-ipv4-cidr"), p.cidrs("cluster-pool-ipv6-cidr")...)
	}
	return s, errors.Join(p.problems...)
}

// Chained reports whether another CNI gives pods their first interface, and
// Cilium only adds itself to it. With portmap it is Cilium that comes first
// in the chain.
func (s Settings) Chained() bool {
	return s.ChainingTarget != "" || !slices.Contains([]string{"", "none", "portmap"}, strings.ToLower(s.ChainingMode))
}

// renames reports whether the agent takes other configurations away.
func (s Settings) renames() bool { return s.Exclusive && s.Conflist != "" }

// parser reads values and keeps what is wrong with them.
type parser struct {
	data     map[string]string
	problems []error
}

func (p *parser) complain(key, detail string) {
	p.problems = append(p.problems, field.Invalid(field.NewPath("data").Key(key), p.data[key], detail))
}

func (p *parser) boolean(key string) bool {
	value := p.data[key]
	if value == "" {
		return false
	}
	is, err := strconv.ParseBool(value)
	if err != nil {
		p.complain(key, "must be true or false")
	}
	return is
}

func (p *parser) cidrs(key string) []string {
	var out []string
	for _, cidr := range words(p.data[key]) {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			p.complain(key, "must hold networks such as 10.244.0.0/16")
			continue
		}
		out = append(out, prefix.Masked().String())
	}
	return out
}

func (p *parser) routing() RoutingMode {
	switch mode := RoutingMode(p.data["routing-mode"]); mode {
	case "":
		if p.data["tunnel"] == "disabled" {
			return RoutingModeNative
		}
		return RoutingModeTunnel
	case RoutingModeTunnel, RoutingModeNative:
		return mode
	}
	p.complain("routing-mode", "must be tunnel or native")
	return ""
}

// words are the items of a list, which the agent takes apart at blanks and
// commas.
func words(list string) []string {
	items := strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' })
	if len(items) == 0 {
		return nil
	}
	return items
}

// conflistFile is a name that a CNI configuration can have.
var conflistFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*\.(conf|conflist|json)$`)

// conflistName is the file name in a path to a CNI configuration, "" for what
// cannot be one. Multus' own names cannot be Cilium's.
func conflistName(file string) string {
	name := path.Base(file)
	if !conflistFile.MatchString(name) || strings.HasPrefix(name, "00-multus") {
		return ""
	}
	return name
}
