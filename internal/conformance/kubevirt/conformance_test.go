package kubevirt_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"kubevirt.io/kubevirt/pkg/network/admitter"
	"kubevirt.io/kubevirt/pkg/network/vmispec"
	"kubevirt.io/kubevirt/pkg/network/vmliveupdate"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/internal/vmcases"
	"github.com/multihome/multihome/kubevirt"
)

const testdata = "../../../kubevirt/testdata/"

// everything is a cluster where all is allowed, so that only what is wrong with
// a VM itself is refused.
type everything struct{}

func (everything) IsBridgeInterfaceOnPodNetworkEnabled() bool { return true }
func (everything) PasstBindingEnabled() bool                  { return true }
func (everything) NetworkDevicesWithDRAGateEnabled() bool     { return true }
func (everything) PortRangesSpecGateEnabled() bool            { return true }

// tables returns the VMs of kubevirt's own tests.
func tables(t *testing.T) map[string][]vmcases.Case {
	t.Helper()
	files, err := filepath.Glob(testdata + "check/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d tables and error %v", len(files), err)
	}
	out := make(map[string][]vmcases.Case)
	for _, file := range files {
		cases, err := vmcases.Read(golden.Archive(t, file))
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".txtar")] = cases
	}
	return out
}

// admitted are the errors of package kubevirt that KubeVirt lets through, each
// with where that is known or seen from.
var admitted = map[string]string{
	"kubevirt/binding-mismatch":     "kubevirt docs/network/sriov.md and network-binding-plugin.md: left to whoever writes the NAD",
	"kubevirt/binding-nad-missing":  "kubevirt pkg/network/multus/annotation.go: the name is written into the annotation unread",
	"kubevirt/binding-unregistered": "kubevirt pkg/network/multus/annotation.go: an error when the pod is rendered",
	"kubevirt/default-namespace":    "kubevirt #3069",
	"kubevirt/default-without-ip":   "kubevirt/user-guide PR #203",
	"kubevirt/ipam-no-route":        "kubevirt #7001",
	"kubevirt/mac-moves":            "kubevirt #5483 (open), #7001, #2925",
	"kubevirt/nad-broken":           "kubevirt pkg/network/admitter reads no NAD",
	"kubevirt/nad-missing":          "kubevirt pkg/network/admitter reads no NAD; an error when the pod is made",
	"kubevirt/network-name":         "kubevirt pkg/network/admitter/netsource.go: any text but an empty one",
	"kubevirt/pod-cidr":             "kubevirt pkg/network/setup/netpod: an error when the VM starts",
	"kubevirt/resource-missing":     "kubevirt docs/network/sriov.md",
	"kubevirt/version":              "an older API server drops the field before admission",
}

// TestAdmission: what KubeVirt refuses is not repeated, and what it admits and
// we refuse is listed.
func TestAdmission(t *testing.T) {
	defs := vmcases.NADs(golden.Archive(t, testdata+"nads.txtar"))
	seen, vms, refused := make(map[string]bool), 0, 0
	for table, cases := range tables(t) {
		for _, c := range cases {
			vms++
			var messages []string
			for _, cause := range admitter.Validate(field.NewPath("spec"), &c.Spec, everything{}) {
				messages = append(messages, cause.Field+": "+cause.Message)
			}
			findings := c.Check(defs)
			switch {
			case table == "refused" && len(messages) == 0:
				t.Errorf("%s: KubeVirt admits it", c.Name)
			case table == "refused":
				refused++
				if len(findings) > 0 {
					t.Errorf("%s: KubeVirt says %q, and we say %v", c.Name, messages, findings)
				}
			case len(messages) > 0:
				t.Errorf("%s/%s: KubeVirt refuses it: %q", table, c.Name, messages)
			}
			for _, f := range findings {
				if f.Severity == multihome.SeverityError {
					seen[f.Code] = true
				}
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(admitted)), slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Errorf("errors of VMs that KubeVirt admits (-listed +seen):\n%s", diff)
	}
	const atLeast = 80
	if vms < atLeast || refused < atLeast/4 {
		t.Errorf("only %d VMs, %d of them refused", vms, refused)
	}
	t.Logf("%d VMs, %d refused by KubeVirt", vms, refused)
}

// TestBuilders: KubeVirt admits what the builders make.
func TestBuilders(t *testing.T) {
	type made struct {
		iface   kubevirtv1.Interface
		network kubevirtv1.Network
	}
	var all []made
	add := func(iface kubevirtv1.Interface, network kubevirtv1.Network) { all = append(all, made{iface, network}) }
	add(kubevirt.BridgeInterface("lan", "vms/lan"))
	add(kubevirt.SRIOVInterface("vf", "vf"))
	add(kubevirt.BindingInterface("tap", "macvtap", "macvtap"))
	add(kubevirt.MasqueradeInterface("default"))
	add(kubevirt.BindingInterface("default", "", "passt"))
	spec := &kubevirtv1.VirtualMachineInstanceSpec{}
	for _, m := range all { // the last one takes the place of the one before
		if err := kubevirt.Attach(spec, m.iface, m.network); err != nil {
			t.Fatal(err)
		}
		if causes := admitter.Validate(field.NewPath("spec"), spec, everything{}); len(causes) > 0 {
			t.Errorf("%s: %v", m.iface.Name, causes)
		}
	}
	if len(spec.Networks) != 4 {
		t.Errorf("got %d networks", len(spec.Networks))
	}
}

// TestAttachRefuses: what Attach refuses of a pair that it adds to a VM, KubeVirt
// refuses too, and the other way round, for every combination of parts.
func TestAttachRefuses(t *testing.T) {
	names := []string{"lan", "default", "my.lan", ""}
	methods := []kubevirtv1.InterfaceBindingMethod{
		{},
		{Bridge: &kubevirtv1.InterfaceBridge{}},
		{Masquerade: &kubevirtv1.InterfaceMasquerade{}},
		{SRIOV: &kubevirtv1.InterfaceSRIOV{}},
		{Bridge: &kubevirtv1.InterfaceBridge{}, SRIOV: &kubevirtv1.InterfaceSRIOV{}},
	}
	sources := []kubevirtv1.NetworkSource{
		{},
		{Pod: &kubevirtv1.PodNetwork{}},
		{Multus: &kubevirtv1.MultusNetwork{NetworkName: "lan"}},
		{Multus: &kubevirtv1.MultusNetwork{}},
		{Multus: &kubevirtv1.MultusNetwork{NetworkName: "lan", Default: true}},
		{Pod: &kubevirtv1.PodNetwork{}, Multus: &kubevirtv1.MultusNetwork{NetworkName: "lan"}},
	}
	compared := 0
	for _, ifaceName := range names {
		for _, networkName := range names {
			for _, method := range methods {
				for _, source := range sources {
					iface := kubevirtv1.Interface{Name: ifaceName, InterfaceBindingMethod: method}
					network := kubevirtv1.Network{Name: networkName, NetworkSource: source}
					spec := &kubevirtv1.VirtualMachineInstanceSpec{}
					pod, podNetwork := kubevirt.MasqueradeInterface("pod")
					if err := kubevirt.Attach(spec, pod, podNetwork); err != nil {
						t.Fatal(err)
					}
					err := kubevirt.Attach(spec, iface, network)
					if err != nil { // as it would be
						spec.Domain.Devices.Interfaces = append(spec.Domain.Devices.Interfaces, iface)
						spec.Networks = append(spec.Networks, network)
					}
					causes := admitter.Validate(field.NewPath("spec"), spec, everything{})
					if (err != nil) != (len(causes) > 0) {
						t.Errorf("%+v on %+v: Attach says %v, KubeVirt %v", iface, network, err, causes)
					}
					compared++
				}
			}
		}
	}
	t.Logf("%d pairs", compared)
}

// restartUnsaid are changes that need a restart and of which KubeVirt says
// nothing: the new interface is left out until then.
var restartUnsaid = []string{"plugged-default", "plugged-e1000", "plugged-plugin"}

// TestUpdate: a change needs a restart where KubeVirt v1.9.0 says so.
func TestUpdate(t *testing.T) {
	cases, err := vmcases.Read(golden.Archive(t, testdata+"update.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	running := &kubevirtv1.VirtualMachineInstance{Spec: cases[0].Spec}
	compared := 0
	for _, c := range cases[1:] {
		if c.Cluster.Version != "" && c.Cluster.Version != "v1.9.0" {
			continue
		}
		vm := &kubevirtv1.VirtualMachine{}
		vm.Spec.Template = &kubevirtv1.VirtualMachineInstanceTemplateSpec{Spec: c.Spec}
		want := vmliveupdate.IsRestartRequired(vm, running)
		got := slices.ContainsFunc(kubevirt.CheckUpdate(&running.Spec, &c.Spec, kubevirt.Cluster{Version: "v1.9.0"}), func(f multihome.Finding) bool {
			return f.Code == "kubevirt/restart-required"
		})
		if unsaid := slices.Contains(restartUnsaid, c.Name); unsaid && (want || !got) || !unsaid && got != want {
			t.Errorf("%s: KubeVirt says %v, we say %v", c.Name, want, got)
		}
		compared++
	}
	t.Logf("%d changes", compared)
}

// TestMigratable: a VM that is to migrate and cannot is told where KubeVirt says
// so, once it runs.
func TestMigratable(t *testing.T) {
	defs := vmcases.NADs(golden.Archive(t, testdata+"nads.txtar"))
	compared, cannot := 0, 0
	for table, cases := range tables(t) {
		for _, c := range cases {
			if table == "refused" || c.Kind == "spec" { // a spec alone has no annotations
				continue
			}
			strategy := kubevirtv1.EvictionStrategyLiveMigrate
			c.Spec.EvictionStrategy = &strategy
			vmi := &kubevirtv1.VirtualMachineInstance{Spec: c.Spec}
			vmi.Annotations = c.Annotations
			if unregistered(c) { // no pod is made
				continue
			}
			want := vmispec.VerifyVMIMigratable(vmi, c.Cluster.Bindings)
			got := slices.ContainsFunc(c.Check(defs), func(f multihome.Finding) bool { return f.Code == "kubevirt/not-migratable" })
			if got != (want != nil) {
				t.Errorf("%s/%s: KubeVirt says %v, we say %v", table, c.Name, want, got)
			}
			compared++
			if got {
				cannot++
			}
		}
	}
	if cannot == 0 {
		t.Error("every VM can migrate")
	}
	t.Logf("%d VMs, %d cannot migrate", compared, cannot)
}

func unregistered(c vmcases.Case) bool {
	return slices.ContainsFunc(c.Spec.Domain.Devices.Interfaces, func(i kubevirtv1.Interface) bool {
		if i.Binding == nil {
			return false
		}
		_, registered := c.Cluster.Bindings[i.Binding.Name]
		return !registered
	})
}
