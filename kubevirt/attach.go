package kubevirt

import (
	"errors"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// Attach adds an interface and its network to the spec of a VM: that of a
// VirtualMachineInstance, or &vm.Spec.Template.Spec. Entries of the same name
// are replaced where they are, so that calling it again changes nothing.
//
// KubeVirt gives a VM that lists no network the pod's own, and takes it away
// with the first one that is listed. Attach therefore lists it too, as the
// masquerade interface "default", unless autoattachPodInterface is false or the
// new network takes its place.
//
// The error joins a *field.Error for each problem, and spec then stays as it is:
// names that differ or are none, an interface without a binding or a network
// without a source, a second default network.
func Attach(spec *kubevirtv1.VirtualMachineInstanceSpec, iface kubevirtv1.Interface, network kubevirtv1.Network) error {
	if spec == nil {
		return errors.New("spec: must not be nil")
	}
	if err := errors.Join(validatePair(spec, &iface, &network)...); err != nil {
		return err
	}
	devices := &spec.Domain.Devices
	auto := devices.AutoattachPodInterface
	none := len(devices.Interfaces) == 0 && len(spec.Networks) == 0
	interfaces, networks := slices.Clone(devices.Interfaces), slices.Clone(spec.Networks)
	if none && (auto == nil || *auto) && !isDefault(&network) && network.Name != defaultName {
		i, n := MasqueradeInterface(defaultName)
		interfaces, networks = append(interfaces, i), append(networks, n)
	}
	devices.Interfaces = put(interfaces, *iface.DeepCopy(), func(i kubevirtv1.Interface) string { return i.Name })
	spec.Networks = put(networks, *network.DeepCopy(), func(n kubevirtv1.Network) string { return n.Name })
	return nil
}

// defaultName is what KubeVirt calls the network that it adds itself.
const defaultName = "default"

// put replaces the entry of the same name, or adds one.
func put[T any](all []T, entry T, name func(T) string) []T {
	i := slices.IndexFunc(all, func(other T) bool { return name(other) == name(entry) })
	if i < 0 {
		return append(all, entry)
	}
	all[i] = entry
	return all
}

// interfaceName is what KubeVirt allows.
var interfaceName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func validatePair(spec *kubevirtv1.VirtualMachineInstanceSpec, iface *kubevirtv1.Interface, network *kubevirtv1.Network) []error {
	var errs []error
	add := func(err *field.Error) { errs = append(errs, err) }
	interfacePath, networkPath := field.NewPath("interface"), field.NewPath("network")
	if !interfaceName.MatchString(iface.Name) {
		add(field.Invalid(interfacePath.Child("name"), iface.Name, "must be letters, digits, - and _"))
	}
	if network.Name != iface.Name {
		add(field.Invalid(networkPath.Child("name"), network.Name, "must be that of the interface, "+iface.Name))
	}
	if bindings(iface) != 1 {
		add(field.Invalid(interfacePath, iface.Name, "must have exactly one binding"))
	}
	switch {
	case sources(network) != 1:
		add(field.Invalid(networkPath, network.Name, "must have exactly one of pod, multus and resourceClaim"))
	case network.Multus != nil && network.Multus.NetworkName == "":
		add(field.Required(networkPath.Child("multus", "networkName"), "the name of a NAD"))
	case iface.Masquerade != nil && network.Pod == nil:
		add(field.Invalid(interfacePath, iface.Name, "masquerade is for the pod's own network"))
	}
	for i := range spec.Networks {
		if other := &spec.Networks[i]; other.Name != network.Name && isDefault(other) && isDefault(network) {
			add(field.Forbidden(networkPath, "is a default network, and spec.networks has one already: "+other.Name))
		}
	}
	return errs
}

func bindings(iface *kubevirtv1.Interface) int {
	return count(iface.Bridge != nil, iface.Masquerade != nil, iface.SRIOV != nil, iface.PasstBinding != nil, iface.Binding != nil)
}

func sources(network *kubevirtv1.Network) int {
	return count(network.Pod != nil, network.Multus != nil, network.ResourceClaim != nil)
}

func count(all ...bool) int {
	n := 0
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}
