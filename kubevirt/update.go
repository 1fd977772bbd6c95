package kubevirt

import (
	"fmt"
	"reflect"
	"slices"

	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome"
)

const liveUpdateSource = "kubevirt pkg/network/vmliveupdate and pkg/network/controllers at v1.9.0"

var (
	restartRequired = rule{
		"restart-required", multihome.SeverityWarning, "restart the VM", liveUpdateSource,
	}
	unplugFirst = rule{
		"restart-required", multihome.SeverityWarning, "set the interface's state to absent instead, or restart the VM", liveUpdateSource,
	}
	featureGate = rule{
		"feature-gate", multihome.SeverityWarning, "turn it on, or restart the VM", "kubevirt pkg/virt-config/featuregate at v1.9.0",
	}
	liveMigration = rule{
		"live-migration", multihome.SeverityInfo, "", "kubevirt pkg/network/migration/evaluator.go at v1.9.0",
	}
)

// CheckUpdate says what a change of a running VM's networks takes: nothing, a
// live migration, a feature gate of this version of KubeVirt, or a restart
// until which it has no effect. Old is the spec of the VirtualMachineInstance
// that runs, changed the one of its VirtualMachine's template; paths are in
// changed and begin at "spec". Whether the new network works is for [Check] to
// say.
func CheckUpdate(old, changed *kubevirtv1.VirtualMachineInstanceSpec, cluster Cluster) []multihome.Finding {
	if old == nil || changed == nil {
		return nil
	}
	u := &update{check: check{subject: subject{path: "spec", spec: changed}, cluster: cluster}, old: old}
	for i := range changed.Domain.Devices.Interfaces {
		u.iface(i)
	}
	for i := range old.Domain.Devices.Interfaces {
		if name := old.Domain.Devices.Interfaces[i].Name; interfaceNamed(changed, name) == nil {
			u.report(unplugFirst, "spec.domain.devices.interfaces", "the interface %s is gone, which a running VM keeps", name)
		}
	}
	for i := range changed.Networks {
		u.network(i)
	}
	sortFindings(u.findings)
	return u.findings
}

type update struct {
	check
	old *kubevirtv1.VirtualMachineInstanceSpec
}

func interfaceNamed(spec *kubevirtv1.VirtualMachineInstanceSpec, name string) *kubevirtv1.Interface {
	all := spec.Domain.Devices.Interfaces
	if i := slices.IndexFunc(all, func(i kubevirtv1.Interface) bool { return i.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

func networkNamed(spec *kubevirtv1.VirtualMachineInstanceSpec, name string) *kubevirtv1.Network {
	if i := slices.IndexFunc(spec.Networks, func(n kubevirtv1.Network) bool { return n.Name == name }); i >= 0 {
		return &spec.Networks[i]
	}
	return nil
}

func (u *update) iface(i int) {
	changed := &u.spec.Domain.Devices.Interfaces[i]
	path := fmt.Sprintf("spec.domain.devices.interfaces[%d]", i)
	old := interfaceNamed(u.old, changed.Name)
	switch {
	case old == nil:
		u.added(changed, path)
	case !sameButState(*old, *changed):
		u.report(restartRequired, path, "the interface %s differs, which a running VM keeps as it is", changed.Name)
	case changed.State == kubevirtv1.InterfaceStateAbsent && old.State != kubevirtv1.InterfaceStateAbsent:
		u.plugs(path+".state", "unplugging an interface")
	}
}

func sameButState(a, b kubevirtv1.Interface) bool {
	a.State, b.State = "", ""
	return reflect.DeepEqual(a, b)
}

// added looks at an interface that the VM runs without.
func (u *update) added(iface *kubevirtv1.Interface, path string) {
	network := networkNamed(u.spec, iface.Name)
	switch {
	case iface.State == kubevirtv1.InterfaceStateAbsent || network == nil:
		return
	case !secondary(network) || iface.Bridge == nil && iface.SRIOV == nil:
		u.report(restartRequired, path, "only interfaces with the bindings bridge and sriov on networks of Multus are plugged into a running VM, and %s is none", iface.Name)
		return
	case iface.Bridge != nil && iface.Model != "" && iface.Model != kubevirtv1.VirtIO:
		u.report(restartRequired, path+".model", "only virtio interfaces are plugged into a running VM, and %s is %s", iface.Name, iface.Model)
		return
	}
	if !u.plugs(path, "plugging an interface into a running VM") {
		return
	}
	if iface.SRIOV != nil {
		u.report(liveMigration, path, "the interface %s comes with a live migration", iface.Name)
	} else {
		u.report(liveMigration, path, "the interface %s comes with a live migration, or in place where multus-dynamic-networks-controller runs", iface.Name)
	}
}

// plugs reports whether this KubeVirt plugs and unplugs interfaces by itself.
func (u *update) plugs(path, what string) bool {
	switch {
	case u.cluster.lacks(hotplugAlpha):
		u.report(restartRequired, path, "%s needs KubeVirt %s", what, hotplugAlpha)
	case u.cluster.lacks(hotplugStable):
		u.report(featureGate, path, "%s needs the feature gate HotplugNICs before KubeVirt %s", what, hotplugStable)
	default:
		return true
	}
	return false
}

// network looks at a network that the VM has, on another NAD.
func (u *update) network(i int) {
	changed := u.spec.Networks[i]
	old := networkNamed(u.old, changed.Name)
	if old == nil {
		return // its interface is new too
	}
	path := fmt.Sprintf("spec.networks[%d]", i)
	before, after := withoutName(*old), withoutName(changed)
	switch {
	case !reflect.DeepEqual(before, after):
		u.report(restartRequired, path, "the network %s differs, which a running VM keeps as it is", changed.Name)
	case changed.Multus == nil || changed.Multus.NetworkName == old.Multus.NetworkName:
	case u.cluster.lacks(networkGate):
		u.report(restartRequired, path+".multus.networkName", "another NAD for a running VM needs KubeVirt %s", networkGate)
	case u.cluster.lacks(networkStable):
		u.report(featureGate, path+".multus.networkName", "another NAD for a running VM needs the feature gate LiveUpdateNADRef before KubeVirt %s", networkStable)
	default:
		u.report(liveMigration, path+".multus.networkName", "the network %s moves to NAD %s with a live migration", changed.Name, changed.Multus.NetworkName)
	}
}

func withoutName(n kubevirtv1.Network) kubevirtv1.Network {
	out := *n.DeepCopy()
	if out.Multus != nil {
		out.Multus.NetworkName = ""
	}
	return out
}
