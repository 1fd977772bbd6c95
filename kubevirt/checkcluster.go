package kubevirt

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/live"
)

// CheckOptions are options of [CheckCluster].
type CheckOptions struct {
	// Namespaces are those whose VMs are checked. Nil is all. NADs are read of
	// all namespaces in any case.
	Namespaces []string
	// MaxFindings bounds how many errors are kept, and how many findings that
	// are none. 0 is 10,000.
	MaxFindings int
}

// Report is what [CheckCluster] found.
type Report struct {
	// VMs is how many VirtualMachines were checked.
	VMs int
	// VMIs is how many VirtualMachineInstances were checked: those that have no
	// VirtualMachine.
	VMIs int
	// Findings are sorted by object; of one object errors come first. Those of
	// permissions that are missing have no object, come before all and do not
	// count for CheckOptions.MaxFindings.
	Findings []multihome.Finding
	// Omitted is how many findings were left out for CheckOptions.MaxFindings.
	Omitted int
}

// CheckCluster checks all VMs of a live cluster: [CheckVM] for every
// VirtualMachine, and [CheckVMI] for every VirtualMachineInstance that has none.
// It writes nothing.
//
// Requests: those of [Inventory], and one for every 500 VirtualMachines and
// VirtualMachineInstances in each namespace that is asked for, or in all. What
// is held in memory are a page, the NADs, the names and the findings. A manager's
// cache will not do as a reader, because it cannot list by pages.
//
// What may not be read is a finding of the code kubevirt/unseen, and the rest is
// checked all the same. So is a VM that cannot be read. [CheckerRBAC] is what
// the client must be allowed. The error names the request that failed and wraps
// its cause; it wraps ErrNotFound without KubeVirt, and is ctx's when ctx ended.
func CheckCluster(ctx context.Context, reader client.Reader, options CheckOptions) (Report, error) {
	cluster, err := Inventory(ctx, reader)
	if err != nil {
		return Report{}, err
	}
	r := &run{cluster: cluster, most: options.MaxFindings, seen: make(map[string]bool)}
	if r.most <= 0 {
		const most = 10_000
		r.most = most
	}
	namespaces := options.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	r.migrationNetworks()
	for _, namespace := range namespaces {
		if err := r.list(ctx, reader, "VirtualMachine", namespace, r.vm); err != nil {
			return Report{}, err
		}
		if err := r.list(ctx, reader, "VirtualMachineInstance", namespace, r.vmi); err != nil {
			return Report{}, err
		}
	}
	r.report.Findings = append(r.report.Findings, r.cluster.Unseen...)
	sortFindings(r.report.Findings)
	return r.report, nil
}

// run is one CheckCluster under way.
type run struct {
	cluster Cluster
	report  Report
	most    int
	errs    int             // how many findings are errors
	seen    map[string]bool // a list that begins again brings objects twice
}

func (r *run) add(findings []multihome.Finding) {
	for _, f := range findings {
		isError := f.Severity == multihome.SeverityError
		if isError && r.errs >= r.most || !isError && len(r.report.Findings)-r.errs >= r.most {
			r.report.Omitted++
			continue
		}
		if isError {
			r.errs++
		}
		r.report.Findings = append(r.report.Findings, f)
	}
}

func (r *run) list(ctx context.Context, reader client.Reader, kind, namespace string, check func(object *unstructured.Unstructured) error) error {
	err := live.EachPage(ctx, reader, live.List(kubevirtAPI, kind), func(object *unstructured.Unstructured) error {
		name := objectName(kind, object.GetNamespace(), object.GetName())
		if r.seen[name] {
			return nil
		}
		r.seen[name] = true
		if err := check(object); err != nil {
			r.add([]multihome.Finding{unseen(name, "cannot be read, so that it was not checked: "+err.Error(), updateThis)})
		}
		return nil
	}, client.InNamespace(namespace))
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	what := map[string]string{"VirtualMachine": "virtualmachines", "VirtualMachineInstance": "virtualmachineinstances"}[kind] + ".kubevirt.io in "
	if namespace == metav1.NamespaceAll {
		what += "all namespaces"
	} else {
		what += "namespace " + namespace
	}
	return r.cluster.excuse(err, what, "whether they can have their networks")
}

// networks is what is read of a VM's spec: the rest of a large object is none of
// our business, and may be newer than the types.
type networks struct {
	Domain struct {
		CPU     *kubevirtv1.CPU `json:"cpu"`
		Devices struct {
			Interfaces []kubevirtv1.Interface `json:"interfaces"`
		} `json:"devices"`
	} `json:"domain"`
	EvictionStrategy *kubevirtv1.EvictionStrategy `json:"evictionStrategy"`
	Networks         []kubevirtv1.Network         `json:"networks"`
}

// spec converts a part of an object.
func (r *run) spec(object *unstructured.Unstructured, into *kubevirtv1.VirtualMachineInstanceSpec, fields ...string) error {
	whole := object.Object
	for i, name := range fields {
		part, found := whole[name]
		if !found || part == nil {
			return nil
		}
		isMap := false
		if whole, isMap = part.(map[string]any); !isMap {
			return fmt.Errorf("%s must be an object", strings.Join(fields[:i+1], "."))
		}
	}
	domain, _ := whole["domain"].(map[string]any)
	devices, _ := domain["devices"].(map[string]any)
	var read networks
	if err := convert(map[string]any{
		"domain":           map[string]any{"cpu": domain["cpu"], "devices": map[string]any{"interfaces": devices["interfaces"]}},
		"evictionStrategy": whole["evictionStrategy"], "networks": whole["networks"],
	}, &read); err != nil {
		return err
	}
	into.Domain.CPU, into.Domain.Devices.Interfaces = read.Domain.CPU, read.Domain.Devices.Interfaces
	into.EvictionStrategy, into.Networks = read.EvictionStrategy, read.Networks
	return nil
}

func (r *run) vm(object *unstructured.Unstructured) error {
	vm := &kubevirtv1.VirtualMachine{Spec: kubevirtv1.VirtualMachineSpec{Template: &kubevirtv1.VirtualMachineInstanceTemplateSpec{}}}
	vm.Namespace, vm.Name, vm.Annotations = object.GetNamespace(), object.GetName(), object.GetAnnotations()
	if err := r.spec(object, &vm.Spec.Template.Spec, "spec", "template", "spec"); err != nil {
		return err
	}
	vm.Spec.Template.ObjectMeta.Annotations, _, _ = unstructured.NestedStringMap(object.Object, "spec", "template", "metadata", "annotations")
	r.report.VMs++
	r.add(CheckVM(vm, r.cluster))
	return nil
}

func (r *run) vmi(object *unstructured.Unstructured) error {
	if owner := metav1.GetControllerOf(object); owner != nil && owner.Kind == "VirtualMachine" {
		return nil
	}
	vmi := &kubevirtv1.VirtualMachineInstance{}
	vmi.Namespace, vmi.Name, vmi.Annotations = object.GetNamespace(), object.GetName(), object.GetAnnotations()
	if err := r.spec(object, &vmi.Spec, "spec"); err != nil {
		return err
	}
	r.report.VMIs++
	r.add(CheckVMI(vmi, r.cluster))
	return nil
}

var migrationNetworkMissing = rule{
	"migration-network-missing", multihome.SeverityError,
	"create it, or correct spec.configuration.migrations.network of the KubeVirt object: virt-handler does not start without it",
	"kubevirt user-guide, dedicated network for live migration",
}

// migrationNetworks looks at the networks of KubeVirt itself, for which every
// plugin will do.
func (r *run) migrationNetworks() {
	for _, name := range r.cluster.MigrationNetworks {
		c := &check{subject: subject{object: "NetworkAttachmentDefinition " + name}, cluster: r.cluster}
		switch _, network := r.cluster.find("", name); {
		case r.cluster.networks == nil:
		case network == nil:
			c.report(migrationNetworkMissing, "", "does not exist, but KubeVirt is to migrate VMs over it")
		case network.broken != "":
			c.report(nadBroken, "", "cannot work, but KubeVirt is to migrate VMs over it: %s", network.broken)
		}
		r.add(c.findings)
	}
}
