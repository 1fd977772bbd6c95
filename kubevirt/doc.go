// Package kubevirt is about VMs on networks beside the cluster's own: it builds
// the interface and network pairs of a VM's spec and the networks that suit
// them, says which VMs can never have their network, and which interface of a
// guest is which interface of its pod.
//
// KubeVirt's admission looks at a VM alone and never reads a
// NetworkAttachmentDefinition (NAD): a bridge-bound interface on a macvlan
// network is admitted, starts, and hears no replies. Check looks at both:
//
//	iface, network := kubevirt.BridgeInterface("lan", "default/lan")
//	err := kubevirt.Attach(&vm.Spec.Template.Spec, iface, network)
//	findings := kubevirt.Check(vmi.Namespace, &vmi.Spec, kubevirt.NADs(defs...))
//
// CheckVM and CheckVMI also see what is beside the spec, CheckUpdate what a
// change of a running VM takes, CheckCluster all VMs of a cluster. Inventory
// reads from a cluster what these have to know, and Admit turns findings into
// the answer of a validating webhook:
//
//	return kubevirt.Admit(nil, kubevirt.CheckVM(vm, cluster))
//
// # Versions
//
// The rules are those of KubeVirt v1.9.0, whose types are used; where releases
// differ Cluster.Version decides. Plugins and Multus are those of package nad.
//
// # Errors
//
// A builder that refuses its arguments joins all problems, each a *field.Error.
// What is wrong with a VM is never an error, it is a multihome.Finding: of
// severity error where the guest cannot have this network or the VM does not
// start, warning where it works differently from what the spec says. What
// KubeVirt's own admission refuses is not repeated. Input is not trusted:
// nothing panics.
//
// # Not here
//
// Whether a bridge exists on the nodes and which plugins they have is for
// nad.LintCluster with multus.Inventory to say. Guests are not looked into.
package kubevirt
