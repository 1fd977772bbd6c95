package kubevirt_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/internal/vmcases"
	"github.com/multihome/multihome/kubevirt"
)

// defs are the networks of the tables.
func defs(tb testing.TB) []*netattdefv1.NetworkAttachmentDefinition {
	tb.Helper()
	return vmcases.NADs(golden.Archive(tb, "testdata/nads.txtar"))
}

// TestCheck compares what is said of each x.yaml of testdata/check with
// x.findings. The files good and refused have none but of severity info.
func TestCheck(t *testing.T) {
	files, err := filepath.Glob("testdata/check/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d golden files and error %v", len(files), err)
	}
	all := defs(t)
	for _, file := range files {
		cases, err := vmcases.Read(golden.Archive(t, file))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		table := strings.TrimSuffix(filepath.Base(file), ".txtar")
		for _, c := range cases {
			t.Run(table+"/"+c.Name, func(t *testing.T) {
				var got strings.Builder
				for _, finding := range c.Check(all) {
					fmt.Fprintln(&got, strings.ReplaceAll(finding.String(), " VirtualMachine vms/"+c.Name, ""))
					complete(t, finding)
				}
				if table == "good" || table == "refused" {
					if got.Len() > 0 {
						t.Errorf("got\n%s", got.String())
					}
					return
				}
				if got.Len() == 0 {
					t.Error("no findings: this case belongs into good.txtar")
				}
				golden.Check(t, file, c.Name+".findings", []byte(got.String()))
			})
		}
	}
}

func complete(t *testing.T, f multihome.Finding) {
	t.Helper()
	if !strings.HasPrefix(f.Code, "kubevirt/") || f.Path == "" || f.Message == "" || f.Remedy == "" || f.Source == "" {
		t.Errorf("incomplete: %+v", f)
	}
}

// TestCheckNothing: what is not there has no findings.
func TestCheckNothing(t *testing.T) {
	cluster := kubevirt.NADs(nil)
	got := kubevirt.Check("vms", nil, cluster)
	got = append(got, kubevirt.CheckVM(nil, cluster)...)
	got = append(got, kubevirt.CheckVM(&kubevirtv1.VirtualMachine{}, cluster)...)
	got = append(got, kubevirt.CheckVMI(nil, cluster)...)
	got = append(got, kubevirt.CheckUpdate(nil, nil, cluster)...)
	if len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestNADs: a Cluster keeps nothing of the caller's.
func TestNADs(t *testing.T) {
	def := defs(t)[0]
	cluster := kubevirt.NADs(def)
	_, network := kubevirt.BridgeInterface("lan", "lan")
	iface, _ := kubevirt.BridgeInterface("lan", "lan")
	spec := &kubevirtv1.VirtualMachineInstanceSpec{Networks: []kubevirtv1.Network{network}}
	spec.Domain.Devices.Interfaces = []kubevirtv1.Interface{iface}
	def.Name, def.Spec.Config = "other", "{"
	if got := kubevirt.Check("vms", spec, cluster); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestCheckWithoutNamespace: before they are created, VM and NAD have none.
func TestCheckWithoutNamespace(t *testing.T) {
	lan, err := kubevirt.BridgeNAD("lan", kubevirt.BridgeNADConfig{Bridge: "br0"})
	if err != nil {
		t.Fatal(err)
	}
	vm := &kubevirtv1.VirtualMachine{Spec: kubevirtv1.VirtualMachineSpec{Template: &kubevirtv1.VirtualMachineInstanceTemplateSpec{Spec: *bridged(t, "lan")}}}
	vm.Name = "web"
	if got := kubevirt.CheckVM(vm, kubevirt.NADs(lan)); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	got := kubevirt.CheckVM(vm, kubevirt.NADs())
	if len(got) != 1 || got[0].Object != "VirtualMachine web" || got[0].Message != "there is no NAD lan" {
		t.Errorf("got %v", got)
	}
}
