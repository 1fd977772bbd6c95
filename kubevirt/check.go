package kubevirt

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome"
)

// Check says what is wrong between a VM, its networks and the NADs: what
// KubeVirt admits and what then does not start, or never has its network. The
// namespace is that of the VM. Findings are sorted, errors first; paths begin
// at "spec". What KubeVirt's own admission refuses is not repeated.
//
// [CheckVM] and [CheckVMI] also know the annotations, and name the object.
func Check(namespace string, spec *kubevirtv1.VirtualMachineInstanceSpec, cluster Cluster) []multihome.Finding {
	if spec == nil {
		return nil
	}
	return checkSpec(subject{namespace: namespace, path: "spec", spec: spec}, cluster)
}

// CheckVM is [Check] for the template of a VirtualMachine, and of the
// annotations that ask for networks in vain. Nil, and one without a template,
// has no findings.
func CheckVM(vm *kubevirtv1.VirtualMachine, cluster Cluster) []multihome.Finding {
	if vm == nil || vm.Spec.Template == nil {
		return nil
	}
	return checkSpec(subject{
		namespace: vm.Namespace, object: objectName("VirtualMachine", vm.Namespace, vm.Name), path: "spec.template.spec",
		spec: &vm.Spec.Template.Spec, annotations: vm.Spec.Template.ObjectMeta.Annotations, annotationsPath: "spec.template.metadata.annotations",
		outer: vm.Annotations,
	}, cluster)
}

// CheckVMI is [Check] for a VirtualMachineInstance and its annotations. Nil has
// no findings.
func CheckVMI(vmi *kubevirtv1.VirtualMachineInstance, cluster Cluster) []multihome.Finding {
	if vmi == nil {
		return nil
	}
	return checkSpec(subject{
		namespace: vmi.Namespace, object: objectName("VirtualMachineInstance", vmi.Namespace, vmi.Name), path: "spec",
		spec: &vmi.Spec, annotations: vmi.Annotations, annotationsPath: "metadata.annotations",
	}, cluster)
}

func objectName(kind, namespace, name string) string {
	return kind + " " + nameOf(types.NamespacedName{Namespace: namespace, Name: name})
}

// A subject is what is checked.
type subject struct {
	namespace, object string
	path              string // of spec in the object
	spec              *kubevirtv1.VirtualMachineInstanceSpec
	annotations       map[string]string // those that go to the pod
	annotationsPath   string            // "" if they are not known
	outer             map[string]string // those of a VirtualMachine, which go nowhere
}

// A pair is an interface and its network.
type pair struct {
	iface              *kubevirtv1.Interface
	source             *kubevirtv1.Network
	ifacePath, srcPath string
	binding            binding
	key                string   // the NAD, "namespace/name"
	network            *network // nil if it has none, or it is not known
}

// binding is how an interface is connected.
type binding string

const (
	bindingNone       binding = ""
	bindingBridge     binding = "bridge"
	bindingMasquerade binding = "masquerade"
	bindingPasst      binding = "passt"
	bindingSRIOV      binding = "sriov"
	bindingManagedTap binding = "managedTap" // a plugin that lets KubeVirt make the same bridge
	bindingTap        binding = "tap"        // a plugin whose CNI makes the tap device
	bindingPlugin     binding = "plugin"     // any other plugin
)

// bridged reports whether the pod's interface becomes the port of a bridge that
// takes its hardware address away.
func (b binding) bridged() bool { return b == bindingBridge || b == bindingManagedTap }

type check struct {
	subject
	cluster  Cluster
	findings []multihome.Finding
}

func checkSpec(s subject, cluster Cluster) []multihome.Finding {
	c := &check{subject: s, cluster: cluster}
	var pairs []pair
	for i := range s.spec.Networks {
		if p, ok := c.pair(i); ok {
			pairs = append(pairs, p)
		}
	}
	for i := range pairs {
		p := &pairs[i]
		c.features(p)
		c.plugin(p)
		if p.source.Multus != nil && c.exists(p) {
			c.onNetwork(p)
		}
		if p.source.Pod != nil {
			c.onPod(p)
		}
	}
	c.guestSubnets(pairs)
	c.names(pairs)
	c.macs(pairs)
	c.migration(pairs)
	c.annotated(pairs)
	sortFindings(c.findings)
	return c.findings
}

// pair finds the interface of a network. Without one, and without a source,
// KubeVirt refuses the VM; one that is to be removed asks for nothing.
func (c *check) pair(i int) (pair, bool) {
	p := pair{source: &c.spec.Networks[i], srcPath: fmt.Sprintf("%s.networks[%d]", c.path, i)}
	interfaces := c.spec.Domain.Devices.Interfaces
	n := slices.IndexFunc(interfaces, func(i kubevirtv1.Interface) bool { return i.Name == p.source.Name })
	if n < 0 || sources(p.source) != 1 || interfaces[n].State == kubevirtv1.InterfaceStateAbsent {
		return pair{}, false
	}
	p.iface, p.ifacePath = &interfaces[n], fmt.Sprintf("%s.domain.devices.interfaces[%d]", c.path, n)
	p.binding = c.bindingOf(p.iface)
	return p, true
}

func (c *check) bindingOf(iface *kubevirtv1.Interface) binding {
	switch {
	case bindings(iface) != 1: // refused
		return bindingNone
	case iface.Bridge != nil:
		return bindingBridge
	case iface.Masquerade != nil:
		return bindingMasquerade
	case iface.PasstBinding != nil:
		return bindingPasst
	case iface.SRIOV != nil:
		return bindingSRIOV
	}
	switch c.cluster.Bindings[iface.Binding.Name].DomainAttachmentType {
	case kubevirtv1.ManagedTap:
		return bindingManagedTap
	case kubevirtv1.Tap:
		return bindingTap
	default:
		return bindingPlugin
	}
}

// onNetwork has the rules for a VM on a NAD that is there.
func (c *check) onNetwork(p *pair) {
	c.mainPlugin(p)
	c.devices(p)
	c.addresses(p)
	c.bridge(p)
	c.hardwareAddress(p)
}

// A rule is the part of a finding that does not depend on the VM.
type rule struct {
	code     string
	severity multihome.Severity
	remedy   string
	source   string
}

func (c *check) report(r rule, path, format string, args ...any) {
	c.findings = append(c.findings, multihome.Finding{
		Code: "kubevirt/" + r.code, Severity: r.severity, Object: c.object, Path: path,
		Message: fmt.Sprintf(format, args...), Remedy: r.remedy, Source: r.source,
	})
}

// sortFindings sorts by object, then errors first, then by path.
func sortFindings(findings []multihome.Finding) {
	slices.SortStableFunc(findings, func(a, b multihome.Finding) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(rank(a.Severity), rank(b.Severity)),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Code, b.Code))
	})
}

func rank(severity multihome.Severity) int {
	return map[multihome.Severity]int{multihome.SeverityError: -2, multihome.SeverityWarning: -1}[severity]
}
