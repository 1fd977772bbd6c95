package kubevirt_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/kubevirt"
	"github.com/multihome/multihome/nad"
)

// FuzzCheck judges any NAD under any binding. Nothing panics, every finding is
// whole, twice the same is said twice, the NAD that a VM names is never missing,
// and macvlan or ipvlan as main plugin is an error exactly under a bridge.
func FuzzCheck(f *testing.F) {
	for i, def := range defs(f) {
		f.Add(def.Spec.Config, def.Annotations[nad.ResourceNameAnnotation], def.Name, uint8(i), "02:00:00:00:00:05", "10.0.2.0/24", "v1.9.0")
	}
	f.Fuzz(func(t *testing.T, config, resource, name string, kind uint8, mac, cidr, version string) {
		def := &netattdefv1.NetworkAttachmentDefinition{
			ObjectMeta: metav1.ObjectMeta{Namespace: "vms", Name: "lan", Annotations: map[string]string{nad.ResourceNameAnnotation: resource}},
			Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: config},
		}
		iface, network := kubevirt.BridgeInterface(name, "lan")
		switch kind % 5 {
		case 1:
			iface, network = kubevirt.SRIOVInterface(name, "lan")
		case 2:
			iface, network = kubevirt.BindingInterface(name, "lan", "l2")
		case 3:
			iface, network = kubevirt.BindingInterface(name, "lan", "macvtap")
		case 4:
			network.Multus.Default = true
		}
		iface.MacAddress = mac
		pod, podNetwork := kubevirt.MasqueradeInterface("default")
		podNetwork.Pod.VMNetworkCIDR = cidr
		spec := &kubevirtv1.VirtualMachineInstanceSpec{Networks: []kubevirtv1.Network{podNetwork, network}}
		spec.Domain.Devices.Interfaces = []kubevirtv1.Interface{pod, iface}
		cluster := kubevirt.NADs(def)
		cluster.Version, cluster.MultusNamespace = version, "vms"
		cluster.Bindings = map[string]kubevirtv1.InterfaceBindingPlugin{
			"l2": {DomainAttachmentType: kubevirtv1.ManagedTap}, "macvtap": {DomainAttachmentType: kubevirtv1.Tap},
		}
		findings := kubevirt.Check("vms", spec, cluster)
		for _, finding := range findings {
			complete(t, finding)
		}
		if diff := cmp.Diff(findings, kubevirt.Check("vms", spec, cluster)); diff != "" {
			t.Errorf("the second time (-first +second):\n%s", diff)
		}
		has := func(code string) bool {
			return slices.ContainsFunc(findings, func(f multihome.Finding) bool { return f.Code == code })
		}
		if has("kubevirt/nad-missing") {
			t.Error("the NAD is missing")
		}
		broken := slices.ContainsFunc(nad.Lint(def), func(f multihome.Finding) bool { return f.Severity == multihome.SeverityError })
		parsed, err := nad.Parse(def)
		if broken || err != nil || len(parsed.Plugins) == 0 || name == "default" { // that is the pod's own
			return
		}
		main := parsed.Plugins[0].Type()
		want := (main == "macvlan" || main == "ipvlan") && slices.Contains([]uint8{0, 2, 4}, kind%5)
		if got := has("kubevirt/mac-moves"); got != want {
			t.Errorf("mac-moves is said: %v, for binding %d on %s", got, kind%5, main)
		}
	})
}

// FuzzInterfaces reads any network-status: an error, or each network of the VM
// once and in its order.
func FuzzInterfaces(f *testing.F) {
	f.Add("[" + primary + "]")
	f.Add(`[{"name":"vms/lan","interface":"net1","ips":["10.0.0.1"]},{"interface":"net2"}]`)
	f.Add(`[null]`)
	f.Fuzz(func(t *testing.T, status string) {
		vmi := instance(kubevirtv1.VirtualMachineInstanceNetworkInterface{Name: "lan", PodInterfaceName: strings.ToValidUTF8(status, "")})
		got, err := kubevirt.Interfaces(vmi, podWith(status))
		if err != nil {
			return
		}
		var names []string
		for _, i := range got {
			names = append(names, i.Name)
		}
		if diff := cmp.Diff([]string{"default", "lan", "dmz"}, names); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// FuzzCheckCluster reads VMs of any shape: never an error, and each is counted
// or reported as unreadable.
func FuzzCheckCluster(f *testing.F) {
	f.Add([]byte(`{"template":{"spec":{"domain":{"devices":{"interfaces":[{"name":"lan","bridge":{}}]}},"networks":[{"name":"lan","multus":{"networkName":"lan"}}]}}}`))
	f.Add([]byte(`{"template":{"spec":{"domain":5,"networks":[null]}}}`))
	f.Add([]byte(`{"template":{"metadata":{"annotations":[]},"spec":null}}`))
	objects := string(golden.Section(f, golden.Archive(f, clusterFile), "objects.yaml"))
	settings, _, _ := strings.Cut(objects, "---\n")
	f.Fuzz(func(t *testing.T, spec []byte) {
		c := clusterOf(t, settings)
		vm, ok := decode(spec)
		if !ok {
			return
		}
		c.objects["VirtualMachine"] = vm
		report, err := kubevirt.CheckCluster(t.Context(), c, kubevirt.CheckOptions{})
		if err != nil {
			t.Fatal(err)
		}
		unread := slices.ContainsFunc(report.Findings, func(f multihome.Finding) bool {
			return f.Code == "kubevirt/unseen" && f.Object == "VirtualMachine vms/fuzz"
		})
		if read := report.VMs == 1; read == unread {
			t.Errorf("%d VMs, unreadable: %v", report.VMs, unread)
		}
	})
}
