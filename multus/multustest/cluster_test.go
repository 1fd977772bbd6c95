package multustest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

func TestNewClusterNodes(t *testing.T) {
	type facts struct{ OS, Kernel, Arch, Runtime, Kubelet, PodCIDR, Address string }
	tests := []struct {
		name  string
		nodes []multustest.Node
		want  map[string]facts
	}{
		{"nil", nil, map[string]facts{
			"node-1": {"Talos (v1.13.9)", "6.18.5-talos", "amd64", "containerd://2.2.1", "v1.37.2", "10.244.0.0/24", "172.20.0.2"},
		}},
		{"none", []multustest.Node{}, map[string]facts{}},
		{
			"different",
			[]multustest.Node{
				{Name: "a", Talos: "v1.7.0", Architecture: "arm64", Kubernetes: "v1.30.0"},
				{OSImage: "Debian GNU/Linux 12 (bookworm)", Runtime: "cri-o://1.33.0"},
			},
			map[string]facts{
				"a":      {"Talos (v1.7.0)", "6.18.5-talos", "arm64", "containerd://2.2.1", "v1.30.0", "10.244.0.0/24", "172.20.0.2"},
				"node-2": {"Debian GNU/Linux 12 (bookworm)", "6.1.0-40-amd64", "amd64", "cri-o://1.33.0", "v1.37.2", "10.244.1.0/24", "172.20.0.3"},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{Nodes: test.nodes})
			list := &corev1.NodeList{}
			if err := c.Client().List(t.Context(), list); err != nil {
				t.Fatal(err)
			}
			got := map[string]facts{}
			for _, node := range list.Items {
				info := node.Status.NodeInfo
				got[node.Name] = facts{info.OSImage, info.KernelVersion, info.Architecture, info.ContainerRuntimeVersion, info.KubeletVersion, node.Spec.PodCIDR, node.Status.Addresses[0].Address}
				if node.Labels["kubernetes.io/arch"] != info.Architecture {
					t.Errorf("label kubernetes.io/arch of %s: %q", node.Name, node.Labels["kubernetes.io/arch"])
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewClusterNodesHaveTheirOwnAddresses(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: make([]multustest.Node, 1000)})
	list := &corev1.NodeList{}
	if err := c.Client().List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, node := range list.Items {
		for _, address := range []string{node.Spec.PodCIDR, node.Status.Addresses[0].Address} {
			if other, taken := seen[address]; taken {
				t.Errorf("%s and %s have %s", node.Name, other, address)
			}
			seen[address] = node.Name
		}
	}
}

func TestNewClusterPrimaryCNI(t *testing.T) {
	tests := []struct {
		name      string
		options   multustest.Options
		daemonSet string
		image     string
		configMap string
		key, want string
	}{
		{"default", multustest.Options{}, "kube-flannel", "ghcr.io/siderolabs/flannel:v0.28.1", "kube-flannel-cfg", "", ""},
		{
			"cilium",
			multustest.Options{PrimaryCNI: "cilium"},
			"cilium", "quay.io/cilium/cilium:v1.20.2", "cilium-config", "cni-exclusive", "false",
		},
		{
			"cilium exclusive",
			multustest.Options{PrimaryCNI: "cilium", Cilium: multustest.Cilium{Version: "v1.16.0", Exclusive: true}},
			"cilium", "quay.io/cilium/cilium:v1.16.0", "cilium-config", "cni-exclusive", "true",
		},
		{
			"cilium conflist",
			multustest.Options{PrimaryCNI: "cilium", Cilium: multustest.Cilium{Conflist: "/host/etc/cni/net.d/01-x.conflist"}},
			"cilium", "quay.io/cilium/cilium:v1.20.2", "cilium-config", "write-cni-conf-when-ready", "/host/etc/cni/net.d/01-x.conflist",
		},
		{"calico", multustest.Options{PrimaryCNI: "calico"}, "calico-node", "quay.io/calico/node:v3.31.2", "calico-config", "calico_backend", "bird"},
		{"kube-ovn", multustest.Options{PrimaryCNI: "kube-ovn"}, "kube-ovn-cni", "docker.io/kubeovn/kube-ovn:v1.15.0", "ovn-vpc-nat-config", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Nodes, test.options.Rollout = threeNodes, multustest.RolloutManual
			c := newCluster(t, test.options)
			set := get[appsv1.DaemonSet](t, c, "kube-system", test.daemonSet)
			if got := set.Spec.Template.Spec.Containers[0].Image; got != test.image {
				t.Errorf("image %s, want %s", got, test.image)
			}
			if set.Status.NumberAvailable != 3 {
				t.Errorf("status %+v, want 3 available", set.Status)
			}
			config := get[corev1.ConfigMap](t, c, "kube-system", test.configMap)
			if got := config.Data[test.key]; got != test.want {
				t.Errorf("%s is %q, want %q", test.key, got, test.want)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		c := newCluster(t, multustest.Options{PrimaryCNI: "none"})
		list := &appsv1.DaemonSetList{}
		if err := c.Client().List(t.Context(), list); err != nil || len(list.Items) != 0 {
			t.Errorf("%d DaemonSets, error %v", len(list.Items), err)
		}
	})
}

func TestNewClusterNamespaces(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := c.Client().List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, namespace := range list.Items {
		got = append(got, namespace.Name)
	}
	if diff := cmp.Diff([]string{"default", "kube-node-lease", "kube-public", "kube-system"}, got); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
}

func TestNewClusterErrors(t *testing.T) {
	_, err := multustest.NewCluster(multustest.Options{
		Nodes:      []multustest.Node{{Name: "a"}, {Name: "a"}, {Talos: "v1.13.9", OSImage: "Debian"}, {Fault: "odd"}},
		PrimaryCNI: "weave", Rollout: "sometimes",
		Objects: []client.Object{&corev1.ConfigMap{}, newPod("", ""), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, &unknown{}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"nodes[1].name: a is there twice", "nodes[2]: talos v1.13.9 and osImage \"Debian\" exclude each other", "nodes[3].fault: \"odd\"",
		"primaryCNI: \"weave\" is not simulated", "rollout: \"sometimes\"",
		"objects[0]: ConfigMap has no name", "objects[1]: Pod has no name", "objects[2]: Pod a has no namespace", "objects[3]: no kind is registered",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
}

// unknown is a kind that no scheme knows.
type unknown struct{ corev1.ConfigMap }

func (u *unknown) DeepCopyObject() runtime.Object { return &unknown{*u.DeepCopy()} }

func TestObjectsAreThere(t *testing.T) {
	machine := &unstructured.Unstructured{}
	machine.SetAPIVersion("kubevirt.io/v1")
	machine.SetKind("VirtualMachineInstance")
	machine.SetNamespace("default")
	machine.SetName("vm")
	running := newPod("running", "lan")
	running.Status.Phase = corev1.PodRunning
	clusterRole := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
		"metadata": map[string]any{"name": "reader", "namespace": "default"},
	}}
	c := newCluster(t, multustest.Options{Objects: []client.Object{
		machine, running, newPod("fresh", ""), newNAD("lan", "{}"), multusSet("multus:1"), clusterRole,
	}})
	if len(c.Requests()) != 0 {
		t.Errorf("requests %v, want none", c.Requests())
	}
	machines := &unstructured.UnstructuredList{}
	machines.SetGroupVersionKind(schema.GroupVersionKind{Group: "kubevirt.io", Version: "v1", Kind: "VirtualMachineInstanceList"})
	if err := c.Client().List(t.Context(), machines); err != nil || len(machines.Items) != 1 {
		t.Errorf("%d machines, error %v", len(machines.Items), err)
	}
	if got := get[corev1.Pod](t, c, "default", "running"); got.Spec.NodeName != "" || got.Annotations["k8s.v1.cni.cncf.io/network-status"] != "" {
		t.Errorf("a pod with a phase was touched: %+v", got)
	}
	if got := get[corev1.Pod](t, c, "default", "fresh"); got.Status.Phase != corev1.PodRunning {
		t.Errorf("phase %s, want Running", got.Status.Phase)
	}
	if err := c.Client().Get(t.Context(), client.ObjectKey{Name: "reader"}, clusterRole); err != nil {
		t.Error(err)
	}
	if len(multusPods(t, c)) != 1 {
		t.Error("the DaemonSet does not run")
	}
	machine.SetName("changed")
	if err := c.Client().List(t.Context(), machines); err != nil || machines.Items[0].GetName() != "vm" {
		t.Errorf("the cluster shares the caller's object: %v, %v", machines.Items, err)
	}
}

// machine is a kind of the user's own.
type machine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`

	Spec string `json:"spec,omitempty"`
}

func (m *machine) DeepCopyObject() runtime.Object {
	out := *m
	m.DeepCopyInto(&out.ObjectMeta)
	return &out
}

type machineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []machine `json:"items"`
}

func (m *machineList) DeepCopyObject() runtime.Object {
	out := &machineList{TypeMeta: m.TypeMeta, ListMeta: m.ListMeta}
	for _, item := range m.Items {
		out.Items = append(out.Items, *item.DeepCopyObject().(*machine))
	}
	return out
}

func TestScheme(t *testing.T) {
	scheme := runtime.NewScheme()
	gv := schema.GroupVersion{Group: "example.com", Version: "v1"}
	scheme.AddKnownTypeWithName(gv.WithKind("Machine"), &machine{})
	scheme.AddKnownTypeWithName(gv.WithKind("MachineList"), &machineList{})
	c := newCluster(t, multustest.Options{Scheme: scheme})
	made := &machine{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}, Spec: "one"}
	if err := c.Client().Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	made.Spec = "two"
	if err := c.Client().Update(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	list := &machineList{}
	if err := c.Client().List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].Spec != "two" || list.Items[0].Generation != 2 {
		t.Errorf("list %+v", list.Items)
	}
	if scheme.Recognizes(corev1.SchemeGroupVersion.WithKind("Pod")) {
		t.Error("the caller's scheme was changed")
	}
}

func TestClientKnowsKinds(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	tests := []struct {
		name   string
		object client.Object
		want   bool
	}{
		{"pod", &corev1.Pod{}, true},
		{"node", &corev1.Node{}, false},
		{"crd", nadCRD(), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := c.Client().IsObjectNamespaced(test.object)
			if err != nil || got != test.want {
				t.Errorf("namespaced %t, %v; want %t", got, err, test.want)
			}
		})
	}
	if !c.Client().Scheme().Recognizes(corev1.SchemeGroupVersion.WithKind("Pod")) {
		t.Error("scheme without pods")
	}
	err := c.Client().Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "a"}, &corev1.ConfigMap{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("error %v, want NotFound", err)
	}
}
