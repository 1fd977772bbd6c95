// Package vmcases reads the tables of VMs in kubevirt/testdata, for the tests
// of package kubevirt and for those that hold it against KubeVirt's own code.
package vmcases

import (
	"fmt"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"golang.org/x/tools/txtar"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/kubevirt"
	"github.com/multihome/multihome/nad"
)

// Namespace is that of the VMs.
const Namespace = "vms"

// A Case is a VM in a cluster.
type Case struct {
	// Name is that of its section, without .yaml.
	Name string `json:"-"`
	// Kind is VirtualMachine, which "" is too, VirtualMachineInstance or spec.
	Kind string `json:"kind"`
	// Cluster is what is known of it.
	Cluster Cluster `json:"cluster"`
	// Annotations are those that go to the pod.
	Annotations map[string]string `json:"annotations"`
	// Outer are those of a VirtualMachine.
	Outer map[string]string `json:"outer"`
	// Spec is the VM.
	Spec kubevirtv1.VirtualMachineInstanceSpec `json:"spec"`
}

// Cluster has the fields of kubevirt.Cluster.
type Cluster struct {
	Version                   string                                       `json:"version"`
	Bindings                  map[string]kubevirtv1.InterfaceBindingPlugin `json:"bindings"`
	MigrationNetworks         []string                                     `json:"migrationNetworks"`
	MultusNamespace           string                                       `json:"multusNamespace"`
	ExternalResourceInjection bool                                         `json:"externalResourceInjection"`
	NADsUnknown               bool                                         `json:"nadsUnknown"`
}

// Read returns the cases of a table.
func Read(table *txtar.Archive) ([]Case, error) {
	var cases []Case
	for _, file := range table.Files {
		name, isCase := strings.CutSuffix(file.Name, ".yaml")
		if !isCase {
			continue
		}
		c := Case{Name: name}
		if err := yaml.UnmarshalStrict(file.Data, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// NADs returns the networks of nads.txtar.
func NADs(table *txtar.Archive) []*netattdefv1.NetworkAttachmentDefinition {
	var defs []*netattdefv1.NetworkAttachmentDefinition
	for _, file := range table.Files {
		text := strings.TrimSuffix(string(file.Data), "\n")
		if key, isConfig := strings.CutSuffix(file.Name, ".json"); isConfig {
			def := &netattdefv1.NetworkAttachmentDefinition{}
			def.Namespace, def.Name, _ = strings.Cut(key, "/")
			def.Spec.Config = text
			defs = append(defs, def)
		} else { // x.resource comes after x.json
			defs[len(defs)-1].Annotations = map[string]string{nad.ResourceNameAnnotation: text}
		}
	}
	return defs
}

// Check returns what package kubevirt says of a case.
func (c Case) Check(defs []*netattdefv1.NetworkAttachmentDefinition) []multihome.Finding {
	cluster := kubevirt.Cluster{}
	if !c.Cluster.NADsUnknown {
		cluster = kubevirt.NADs(defs...)
	}
	cluster.Version, cluster.Bindings, cluster.MigrationNetworks = c.Cluster.Version, c.Cluster.Bindings, c.Cluster.MigrationNetworks
	cluster.MultusNamespace, cluster.ExternalResourceInjection = c.Cluster.MultusNamespace, c.Cluster.ExternalResourceInjection
	switch c.Kind {
	case "spec":
		return kubevirt.Check(Namespace, &c.Spec, cluster)
	case "VirtualMachineInstance":
		vmi := &kubevirtv1.VirtualMachineInstance{Spec: c.Spec}
		vmi.Namespace, vmi.Name, vmi.Annotations = Namespace, c.Name, c.Annotations
		return kubevirt.CheckVMI(vmi, cluster)
	default:
		vm := &kubevirtv1.VirtualMachine{}
		vm.Namespace, vm.Name, vm.Annotations = Namespace, c.Name, c.Outer
		vm.Spec.Template = &kubevirtv1.VirtualMachineInstanceTemplateSpec{Spec: c.Spec}
		vm.Spec.Template.ObjectMeta.Annotations = c.Annotations
		return kubevirt.CheckVM(vm, cluster)
	}
}
