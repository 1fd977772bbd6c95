package multustest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

const (
	hostLocal = `{"cniVersion":"1.0.0","type":"macvlan","ipam":{"type":"host-local","subnet":"192.168.1.0/24","rangeStart":"192.168.1.200","rangeEnd":"192.168.1.201","gateway":"192.168.1.1"}}`
	ranges    = `{"cniVersion":"1.0.0","plugins":[{"type":"bridge","ipam":{"type":"host-local","ranges":[[{"subnet":"10.9.0.0/30"},{"subnet":"10.9.1.0/24"}],[{"subnet":"fd00::/64"}]]}}]}`
	static    = `{"cniVersion":"1.0.0","type":"ipvlan","ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"},{"address":"fd01::5/64"}]}}`
	layer2    = `{"cniVersion":"1.0.0","type":"bridge","bridge":"br0"}`
)

// withMultus is a cluster with Multus and a NAD of each kind.
func withMultus(t *testing.T, o multustest.Options) *multustest.Cluster {
	t.Helper()
	o.Objects = append(o.Objects, multusSet("multus:1"), nadCRD(),
		newNAD("lan", hostLocal), newNAD("wide", ranges), newNAD("fixed", static), newNAD("l2", layer2), newNAD("file", ""), newNAD("broken", "{"),
		newNAD("noaddress", `{"ipam":{"type":"host-local","subnet":"x"}}`))
	return newCluster(t, o)
}

// interfaces are the attachments that network-status tells: "net1
// default/lan 192.168.1.200".
func interfaces(t *testing.T, pod *corev1.Pod) []string {
	t.Helper()
	annotation := pod.Annotations["k8s.v1.cni.cncf.io/network-status"]
	if annotation == "" {
		return nil
	}
	var status []netattdefv1.NetworkStatus
	if err := json.Unmarshal([]byte(annotation), &status); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range status {
		line := fmt.Sprintf("%s %s %s", s.Interface, s.Name, strings.Join(s.IPs, ","))
		if s.Default != (s.Interface == "eth0") || s.Mac == "" {
			line += fmt.Sprintf(" (default %t, mac %q)", s.Default, s.Mac)
		}
		out = append(out, line)
	}
	return out
}

func TestAttach(t *testing.T) {
	const eth0 = "eth0 cilium 10.244.0.2"
	tests := []struct {
		name     string
		networks string
		want     []string
	}{
		{"none", "", []string{eth0}},
		{"short", "lan", []string{eth0, "net1 default/lan 192.168.1.200"}},
		{"short with all", "default/lan@storage, l2", []string{eth0, "storage default/lan 192.168.1.200", "net2 default/l2 "}},
		{"json", `[{"name":"fixed","interface":"data"},{"name":"lan","namespace":"default"}]`, []string{
			eth0, "data default/fixed 10.7.0.5,fd01::5", "net2 default/lan 192.168.1.200",
		}},
		{"json with an address", `[{"name":"l2","ips":["10.1.1.1/24"],"mac":"02:00:00:00:00:01"}]`, []string{eth0, "net1 default/l2 10.1.1.1"}},
		{"ranges", "wide", []string{eth0, "net1 default/wide 10.9.0.2,fd00::2"}},
		{"config on the node", "file", []string{eth0, "net1 default/file "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := withMultus(t, multustest.Options{PrimaryCNI: "cilium"})
			if err := c.Client().Create(t.Context(), newPod("a", test.networks)); err != nil {
				t.Fatal(err)
			}
			pod := get[corev1.Pod](t, c, "default", "a")
			if pod.Status.Phase != corev1.PodRunning || pod.Spec.NodeName != "node-1" || pod.Status.PodIP != "10.244.0.2" {
				t.Errorf("phase %s on %q with address %s", pod.Status.Phase, pod.Spec.NodeName, pod.Status.PodIP)
			}
			if diff := cmp.Diff(test.want, interfaces(t, pod)); diff != "" {
				t.Errorf("interfaces (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAttachFails(t *testing.T) {
	tests := []struct {
		name     string
		networks string
		want     string
	}{
		{"missing", "wan", `cannot find a network-attachment-definition (wan) in namespace (default): network-attachment-definitions.k8s.cni.cncf.io "wan" not found`},
		{"json", `[{"name":`, "failed to parse pod Network Attachment Selection Annotation: "},
		{"interface", "wan@of-more-than-15-bytes", "failed to parse pod Network Attachment Selection Annotation: "},
		{"config", "broken", "error parsing configuration"},
		{"subnet", "noaddress", "invalid CIDR address: x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := withMultus(t, multustest.Options{})
			if err := c.Client().Create(t.Context(), newPod("a", test.networks)); err != nil {
				t.Fatal(err)
			}
			for range 2 { // what does not change is not told again
				pod := get[corev1.Pod](t, c, "default", "a")
				if got := summary(*pod); got[0] != "Pending" || got[3] != "app: waiting ContainerCreating" {
					t.Errorf("pod %v", got)
				}
				got := events(t, c, "FailedCreatePodSandBox")
				if len(got) != 1 || !strings.Contains(got[0], test.want) {
					t.Errorf("events %q, want one with %q", got, test.want)
				}
				apply(t, c, newNAD("other", layer2))
			}
		})
	}
}

func TestAttachWhenTheNADComes(t *testing.T) {
	c := withMultus(t, multustest.Options{})
	if err := c.Client().Create(t.Context(), newPod("a", "later")); err != nil {
		t.Fatal(err)
	}
	apply(t, c, newNAD("later", layer2))
	want := []string{"eth0 cbr0 10.244.0.2", "net1 default/later "}
	if diff := cmp.Diff(want, interfaces(t, get[corev1.Pod](t, c, "default", "a"))); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
}

// TestWithoutMultus: pods start with their first interface alone, and nothing
// tells so but the missing annotation.
func TestWithoutMultus(t *testing.T) {
	tests := []struct {
		name  string
		fault multustest.Fault
	}{
		{"absent", multustest.FaultNone},
		{"crashing", multustest.FaultCrashLoop},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{})
			c.SetFault("node-1", test.fault)
			if test.fault != multustest.FaultNone {
				apply(t, c, multusSet("multus:1"))
			}
			if err := c.Client().Create(t.Context(), newPod("a", "lan")); err != nil {
				t.Fatal(err)
			}
			pod := get[corev1.Pod](t, c, "default", "a")
			if pod.Status.Phase != corev1.PodRunning || interfaces(t, pod) != nil {
				t.Errorf("phase %s, interfaces %v", pod.Status.Phase, interfaces(t, pod))
			}
		})
	}
}

func TestAddressesRunOut(t *testing.T) {
	c := withMultus(t, multustest.Options{})
	for _, name := range []string{"a", "b", "c"} {
		if err := c.Client().Create(t.Context(), newPod(name, "lan")); err != nil {
			t.Fatal(err)
		}
	}
	if got := events(t, c, "FailedCreatePodSandBox"); len(got) != 1 || !strings.Contains(got[0], "no IP addresses available in range set: 192.168.1.200-192.168.1.201") {
		t.Errorf("events %q", got)
	}
	if err := c.Client().Delete(t.Context(), newPod("a", "")); err != nil {
		t.Fatal(err)
	}
	pod := get[corev1.Pod](t, c, "default", "c")
	if got := interfaces(t, pod); len(got) != 2 || got[1] != "net1 default/lan 192.168.1.200" {
		t.Errorf("the address of a deleted pod is not free: %v", got)
	}
	for n := range 3 {
		if err := c.Client().Create(t.Context(), newPod(fmt.Sprint("wide-", n), "wide")); err != nil {
			t.Fatal(err)
		}
	}
	if got := interfaces(t, get[corev1.Pod](t, c, "default", "wide-1")); !strings.Contains(fmt.Sprint(got), "10.9.1.2,fd00::3") {
		t.Errorf("the second range of a set is not used: %v", got)
	}
}

func TestPodPlacement(t *testing.T) {
	tests := []struct {
		name  string
		spec  func(*corev1.PodSpec)
		node  string
		phase corev1.PodPhase
	}{
		{"first that fits", func(*corev1.PodSpec) {}, "worker-1", corev1.PodRunning},
		{"selected", func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"kubernetes.io/arch": "arm64"} }, "worker-2", corev1.PodRunning},
		{"bound", func(s *corev1.PodSpec) { s.NodeName = "cp-1" }, "cp-1", corev1.PodRunning},
		{"bound to nothing", func(s *corev1.PodSpec) { s.NodeName = "gone" }, "gone", corev1.PodPending},
		{"host network", func(s *corev1.PodSpec) { s.HostNetwork = true }, "worker-1", corev1.PodRunning},
		{"nowhere", func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"a": "b"} }, "", corev1.PodPending},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := withMultus(t, multustest.Options{Nodes: append(threeNodes, multustest.Node{Name: "a-cordoned", Unschedulable: true})})
			pod := newPod("a", "lan")
			pod.Namespace = "kube-system" // where a pod may use the host's network
			test.spec(&pod.Spec)
			pod.Annotations = map[string]string{"k8s.v1.cni.cncf.io/networks": "default/lan"}
			if err := c.Client().Create(t.Context(), pod); err != nil {
				t.Fatal(err)
			}
			got := get[corev1.Pod](t, c, "kube-system", "a")
			if got.Spec.NodeName != test.node || got.Status.Phase != test.phase {
				t.Errorf("%s on %q, want %s on %q", got.Status.Phase, got.Spec.NodeName, test.phase, test.node)
			}
			if pod.Spec.HostNetwork && (interfaces(t, got) != nil || got.Status.PodIP != got.Status.HostIP) {
				t.Errorf("a pod on the host's network: %v, address %s", interfaces(t, got), got.Status.PodIP)
			}
			if test.phase == corev1.PodPending && summary(*got)[1] != "PodScheduled=False Unschedulable" {
				t.Errorf("pod %v", summary(*got))
			}
		})
	}
	t.Run("when a node comes", func(t *testing.T) {
		c := newCluster(t, multustest.Options{Nodes: []multustest.Node{}})
		if err := c.Client().Create(t.Context(), newPod("a", "")); err != nil {
			t.Fatal(err)
		}
		if err := c.Client().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}); err != nil {
			t.Fatal(err)
		}
		if got := get[corev1.Pod](t, c, "default", "a"); got.Spec.NodeName != "n" {
			t.Errorf("on %q", got.Spec.NodeName)
		}
		if err := c.Client().DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace("default")); err != nil {
			t.Fatal(err)
		}
	})
}
