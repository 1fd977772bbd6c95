package kubevirt

import (
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/nad"
)

var (
	notMigratable = rule{
		"not-migratable", multihome.SeverityWarning,
		"use masquerade for the pod's own network, or set evictionStrategy to None", "kubevirt pkg/network/vmispec/interface.go at v1.9.0, VerifyVMIMigratable",
	}
	annotationLost = rule{
		"annotation", multihome.SeverityWarning, "list the network in spec.networks, with an interface (kubevirt.Attach)",
		"kubevirt pkg/virt-controller/services/template.go at v1.9.0",
	}
)

// migration looks whether a VM that is to be migrated when its node is drained
// can be. KubeVirt finds out when it runs.
func (c *check) migration(pairs []pair) {
	strategy := c.spec.EvictionStrategy
	if strategy == nil || *strategy != kubevirtv1.EvictionStrategyLiveMigrate {
		return
	}
	for i := range pairs {
		if p := &pairs[i]; p.source.Pod != nil && !c.migratable(p) {
			c.report(notMigratable, p.ifacePath, "keeps the VM from migrating, so that evictionStrategy LiveMigrate stops every drain of its node")
		}
	}
}

// migratable reports whether an interface on the pod's own network, which is
// the only one that matters, lets a VM migrate.
func (c *check) migratable(p *pair) bool {
	switch p.binding {
	case bindingMasquerade, bindingPasst, bindingNone:
		return true
	case bindingBridge:
		_, allowed := c.annotations[kubevirtv1.AllowPodBridgeNetworkLiveMigrationAnnotation]
		return allowed || c.annotationsPath == ""
	case bindingSRIOV:
		return false
	default: // plugins
		plugin, registered := c.cluster.Bindings[p.iface.Binding.Name]
		return !registered || plugin.Migration != nil
	}
}

// annotated looks at networks that are asked for as a pod would.
func (c *check) annotated(pairs []pair) {
	const networks = netattdefv1.NetworkAttachmentAnnot
	if c.annotations[networks] != "" {
		path := c.annotationsPath + "[" + networks + "]"
		overwritten := false
		for i := range pairs {
			overwritten = overwritten || secondary(pairs[i].source)
		}
		if overwritten {
			c.report(annotationLost, path, "is overwritten with the networks of the VM's spec")
		} else {
			c.report(annotationLost, path, "gives the pod an interface that the guest does not get")
		}
	}
	for _, name := range []string{networks, nad.DefaultNetworkAnnotation} {
		if c.outer[name] != "" {
			c.report(annotationLost, "metadata.annotations["+name+"]", "has no effect on a VirtualMachine: neither its pod nor its guest gets the network")
		}
	}
}
