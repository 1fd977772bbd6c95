package kubevirt

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome"
)

const (
	annotationSource = "kubevirt pkg/network/multus/annotation.go at v1.9.0"
	netpodSource     = "kubevirt pkg/network/setup/netpod at v1.9.0"
)

var (
	nadName = rule{
		"network-name", multihome.SeverityError, `write "name" or "namespace/name" of a NAD`, annotationSource,
	}
	nadMissing = rule{
		"nad-missing", multihome.SeverityError, "create it, or correct the name: without it the VM's pod hangs in ContainerCreating (FailedCreatePodSandBox)",
		"kubevirt pkg/network/admitter at v1.9.0 reads no NAD",
	}
	nadBroken = rule{
		"nad-broken", multihome.SeverityError, "correct the NAD: nad.Lint says all that is wrong with it", "nad.Lint",
	}
	defaultNamespace = rule{
		"default-namespace", multihome.SeverityError, `write "namespace/name"`, "kubevirt #3069",
	}
	defaultElsewhere = rule{
		"default-namespace", multihome.SeverityWarning, `write "namespace/name", also if that is the one that is meant`, "kubevirt #3069",
	}
	defaultWithoutIP = rule{
		"default-without-ip", multihome.SeverityError, "use a network with ipam, or the pod's own network and this one beside it",
		"kubevirt user-guide, Multus as default network (PR #203)",
	}
	migrationNetwork = rule{
		"migration-network", multihome.SeverityWarning, "give the guest a network of its own",
		"kubevirt user-guide, dedicated network for live migration",
	}
)

// exists reports whether there is a network that a VM's can be judged by.
func (c *check) exists(p *pair) bool {
	name, path := p.source.Multus.NetworkName, p.srcPath+".multus.networkName"
	namespace := c.namespace
	if isDefault(p.source) && !strings.Contains(name, "/") {
		namespace = c.cluster.multusNamespace()
	}
	key, network := c.cluster.find(namespace, name)
	p.key, p.network = nameOf(key), network
	switch {
	case name == "": // refused
		return false
	case !validName(key, strings.Contains(name, "/")):
		c.report(nadName, path, "%q cannot be the name of a NAD", name)
		return false
	case c.cluster.networks == nil:
		if namespace != c.namespace {
			c.report(defaultElsewhere, path, "Multus looks for a default network without a namespace in %s, not in that of the VM", namespace)
		}
		return false
	case namespace != c.namespace && !c.defaultNamespace(p, path):
		return false
	case network == nil:
		c.report(nadMissing, path, "there is no NAD %s%s", p.key, c.cluster.elsewhere(key.Name))
		return false
	case network.broken != "":
		c.report(nadBroken, path, "NAD %s cannot work: %s", p.key, network.broken)
		return false
	}
	return network.parsed != nil // else it is a file on the node
}

// validName allows no namespace where it is the VM's, which may have none yet.
func validName(key types.NamespacedName, qualified bool) bool {
	return (key.Namespace == "" && !qualified || len(validation.IsDNS1123Label(key.Namespace)) == 0) &&
		len(validation.IsDNS1123Subdomain(key.Name)) == 0
}

// defaultNamespace looks at a default network without a namespace, for which
// KubeVirt looks in the VM's and Multus in its own.
func (c *check) defaultNamespace(p *pair, path string) bool {
	name := p.source.Multus.NetworkName
	_, own := c.cluster.find(c.namespace, name)
	switch {
	case p.network == nil:
		c.report(defaultNamespace, path, "Multus looks for a default network without a namespace in %s, and %s is not there%s",
			c.cluster.multusNamespace(), name, c.cluster.elsewhere(name))
		return false
	case own != nil:
		c.report(defaultElsewhere, path, "Multus takes %s for a default network without a namespace, not %s", p.network.name(), own.name())
	}
	return true
}

// plugin looks at the binding plugin of an interface, on any network.
func (c *check) plugin(p *pair) {
	if p.iface.Binding == nil || c.cluster.Bindings == nil {
		return
	}
	name, path := p.iface.Binding.Name, p.ifacePath+".binding.name"
	plugin, registered := c.cluster.Bindings[name]
	if !registered {
		c.report(bindingUnregistered, path, "the binding plugin %q is not registered, so that no pod is made for the VM", name)
		return
	}
	if plugin.NetworkAttachmentDefinition == "" || c.cluster.networks == nil {
		return
	}
	switch key, network := c.cluster.find(c.namespace, plugin.NetworkAttachmentDefinition); {
	case network == nil:
		c.report(bindingNADMissing, path, "the binding plugin %q needs the NAD %s, which does not exist%s", name, nameOf(key), c.cluster.elsewhere(key.Name))
	case network.broken != "":
		c.report(nadBroken, path, "NAD %s of the binding plugin %q cannot work: %s", nameOf(key), name, network.broken)
	}
}

var (
	bindingUnregistered = rule{
		"binding-unregistered", multihome.SeverityError, "register it in the KubeVirt object, spec.configuration.network.binding", annotationSource,
	}
	bindingNADMissing = rule{
		"binding-nad-missing", multihome.SeverityError,
		`create it, or register the plugin with "namespace/name": a name alone is looked for in the namespace of each VM`, annotationSource,
	}
)

// isMigrationNetwork reports whether KubeVirt migrates VMs over a NAD.
func (c *check) isMigrationNetwork(p *pair) bool {
	for _, name := range c.cluster.MigrationNetworks {
		if p.network != nil && name == p.network.name() {
			return true
		}
	}
	return false
}

// secondary reports whether a network is one beside the pod's first.
func secondary(source *kubevirtv1.Network) bool {
	return source.Multus != nil && !source.Multus.Default
}
