package kubevirt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/nad"
)

// Cluster is what a check has to know beside the VM. What is zero is not known,
// and nothing is said about it. [NADs] makes one of networks in hand,
// [Inventory] one of a live cluster. Checks may share a Cluster as long as
// nobody changes it.
type Cluster struct {
	// Version is that of KubeVirt, "v1.9.0". "" is not known: then nothing is
	// said about what older releases lack.
	Version string
	// Bindings are the network binding plugins that the KubeVirt object
	// registers (spec.configuration.network.binding). Nil is not known; empty
	// and not nil is none.
	Bindings map[string]kubevirtv1.InterfaceBindingPlugin
	// MigrationNetworks are the NADs, "namespace/name", over which KubeVirt
	// migrates VMs (spec.configuration.migrations.network, in the namespace of
	// the KubeVirt object). Macvlan is right for those.
	MigrationNetworks []string
	// MultusNamespace is where Multus looks for a default network whose name
	// has no namespace. "" is kube-system.
	MultusNamespace string
	// ExternalResourceInjection says that the feature gate
	// ExternalNetResourceInjection is on: KubeVirt then leaves it to the
	// network-resources-injector to request the devices of a NAD.
	ExternalResourceInjection bool
	// Unseen says what could not be read, and why. [CheckCluster] returns it
	// with its own findings.
	Unseen []multihome.Finding

	networks map[types.NamespacedName]*network // nil is not known
}

// NADs returns a Cluster of which these networks are known and nothing else.
// They must be all that there are: what is not among them is reported as
// missing. Each is read once here, not for every VM. Nil ones are left out, and
// of two of the same name the last one counts.
func NADs(defs ...*netattdefv1.NetworkAttachmentDefinition) Cluster {
	c := Cluster{networks: make(map[types.NamespacedName]*network, len(defs))}
	for _, def := range defs {
		if def != nil {
			c.networks[types.NamespacedName{Namespace: def.Namespace, Name: def.Name}] = read(def.DeepCopy())
		}
	}
	return c
}

// A network is a NAD that was read.
type network struct {
	def    *netattdefv1.NetworkAttachmentDefinition
	broken string // the first error of nad.Lint
	parsed *nad.Network
	main   nad.Plugin // the one that makes the interface; nil if not known
	ipam   nad.IPAM   // that of main; nil if it has none
}

func read(def *netattdefv1.NetworkAttachmentDefinition) *network {
	n := &network{def: def}
	for _, finding := range nad.Lint(def) {
		if finding.Severity == multihome.SeverityError {
			n.broken = strings.TrimPrefix(finding.Path+": "+finding.Message, ": ")
			break // errors come first
		}
	}
	parsed, err := nad.Parse(def)
	if err != nil || len(parsed.Plugins) == 0 {
		return n
	}
	n.parsed, n.main = parsed, parsed.Plugins[0]
	if ipam := ipamOf(n.main); ipam != nil && ipam.Type() != "" {
		n.ipam = ipam
	}
	return n
}

// kind returns the type of the plugin that makes the interface, or "".
func (n *network) kind() string {
	if n == nil || n.main == nil {
		return ""
	}
	if _, isBridge := n.main.(nad.BridgeConfig); isBridge {
		return "bridge" // also by the name of cnv-bridge
	}
	return n.main.Type()
}

func (n *network) name() string {
	return nameOf(types.NamespacedName{Namespace: n.def.Namespace, Name: n.def.Name})
}

// nameOf writes the name of a NAD, which may have no namespace yet.
func nameOf(key types.NamespacedName) string { return strings.TrimPrefix(key.String(), "/") }

// find looks a network up as KubeVirt does: the namespace is what is before the
// first slash, else that of the VM.
func (c Cluster) find(namespace, name string) (types.NamespacedName, *network) {
	key := nadKey(namespace, name)
	return key, c.networks[key]
}

func nadKey(namespace, name string) types.NamespacedName {
	if before, after, found := strings.Cut(name, "/"); found {
		return types.NamespacedName{Namespace: before, Name: after}
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// elsewhere names the namespaces that have a network of this name.
func (c Cluster) elsewhere(name string) string {
	var found []string
	for key := range c.networks {
		if key.Name == name {
			found = append(found, key.Namespace)
		}
	}
	if len(found) == 0 {
		return ""
	}
	slices.Sort(found)
	const most = 3
	if len(found) > most {
		found = append(found[:most:most], "…")
	}
	return fmt.Sprintf(" (there is one in %s)", strings.Join(found, ", "))
}

func (c Cluster) multusNamespace() string { return cmp.Or(c.MultusNamespace, "kube-system") }
