package multustest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	defaultTalos      = "v1.13.9"
	defaultKubernetes = "v1.37.2"
)

// Node describes a node of the cluster. The zero value is a Talos v1.13.9
// node with amd64.
type Node struct {
	// Name is the node's name. Empty: "node-1", "node-2" and so on by its
	// place in Options.Nodes.
	Name string
	// Talos is the Talos version, "v1.13.9". Empty: that one, unless OSImage
	// says that the node is not a Talos one.
	Talos string
	// OSImage is what a node that does not run Talos says it is, "Debian
	// GNU/Linux 12 (bookworm)". With Talos set it is refused.
	OSImage string
	// Architecture in Go's words. Empty: "amd64".
	Architecture string
	// Runtime is the container runtime. Empty: "containerd://2.2.1".
	Runtime string
	// Kubernetes is the kubelet's version. Empty: that of the cluster.
	Kubernetes string
	// ControlPlane gives the node the label and the taint of a control plane.
	ControlPlane bool
	// Unschedulable cordons the node. Pods of DaemonSets run there all the
	// same.
	Unschedulable bool
	// Labels and Taints are added to those that the kubelet sets.
	Labels map[string]string
	Taints []corev1.Taint
	// Fault strikes the pods of DaemonSets that start on the node once the
	// cluster is up. FaultNone, the zero value: they run. See
	// [Cluster.SetFault].
	Fault Fault
}

var (
	nodeGVR      = corev1.SchemeGroupVersion.WithResource("nodes")
	namespaceGVR = corev1.SchemeGroupVersion.WithResource("namespaces")
)

// newNodes returns the nodes described, or every problem with the
// descriptions.
func newNodes(nodes []Node, kubernetes string) ([]*corev1.Node, error) {
	if nodes == nil {
		nodes = []Node{{}}
	}
	out := make([]*corev1.Node, len(nodes))
	seen := map[string]bool{}
	var problems []error
	for n, node := range nodes {
		node.Name = cmp.Or(node.Name, fmt.Sprintf("node-%d", n+1))
		if seen[node.Name] {
			problems = append(problems, fmt.Errorf("nodes[%d].name: %s is there twice; give every node its own", n, node.Name))
		}
		seen[node.Name] = true
		if node.Talos != "" && node.OSImage != "" {
			problems = append(problems, fmt.Errorf("nodes[%d]: talos %s and osImage %q exclude each other; set one", n, node.Talos, node.OSImage))
		}
		if !slices.Contains(faults, node.Fault) {
			problems = append(problems, fmt.Errorf("nodes[%d].fault: %q is none of %q", n, node.Fault, faults))
		}
		node.Kubernetes = cmp.Or(node.Kubernetes, kubernetes)
		out[n] = newNode(n, node)
	}
	return out, errors.Join(problems...)
}

// newNode returns a node as its kubelet registers it.
func newNode(index int, n Node) *corev1.Node {
	arch := cmp.Or(n.Architecture, "amd64")
	node := &corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{
			Name: n.Name,
			Labels: map[string]string{
				corev1.LabelArchStable: arch, corev1.LabelOSStable: "linux", corev1.LabelHostname: n.Name,
				"beta.kubernetes.io/arch": arch, "beta.kubernetes.io/os": "linux",
			},
		},
		Spec: corev1.NodeSpec{
			PodCIDR: podCIDR(index).String(), PodCIDRs: []string{podCIDR(index).String()},
			Taints: slices.Clone(n.Taints), Unschedulable: n.Unschedulable,
		},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: nodeIP(index).String()},
				{Type: corev1.NodeHostName, Address: n.Name},
			},
			Capacity: capacity(), Allocatable: capacity(),
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
				Message: "kubelet is posting ready status", LastHeartbeatTime: now(), LastTransitionTime: now(),
			}},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture: arch, OperatingSystem: "linux", KubeletVersion: n.Kubernetes,
				ContainerRuntimeVersion: cmp.Or(n.Runtime, "containerd://2.2.1"),
				OSImage:                 cmp.Or(n.OSImage, fmt.Sprintf("Talos (%s)", cmp.Or(n.Talos, defaultTalos))),
				KernelVersion:           "6.18.5-talos",
			},
		},
	}
	maps.Copy(node.Labels, n.Labels)
	if n.OSImage != "" {
		node.Status.NodeInfo.KernelVersion = "6.1.0-40-" + arch
	}
	if n.ControlPlane {
		const role = "node-role.kubernetes.io/control-plane"
		node.Labels[role] = ""
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: role, Effect: corev1.TaintEffectNoSchedule})
	}
	if n.Unschedulable {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	return node
}

func capacity() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    apiresource.MustParse("4"),
		corev1.ResourceMemory: apiresource.MustParse("8Gi"),
		corev1.ResourcePods:   apiresource.MustParse("110"),
	}
}

// podCIDR is a /24 of Talos' pod range for the first 256 nodes. Larger
// clusters take theirs from 10.129.0.0 upwards.
func podCIDR(index int) netip.Prefix {
	address := [4]byte{10, 244, byte(index), 0}
	if index > 255 {
		address[1] = byte(128 + index/256)
	}
	return netip.PrefixFrom(netip.AddrFrom4(address), 24)
}

func nodeIP(index int) netip.Addr {
	return netip.AddrFrom4([4]byte{172, byte(20 + index/62_500), byte(index / 250 % 250), byte(index%250 + 2)})
}

// node returns a node by name, or nil.
func (c *Cluster) node(name string) *corev1.Node {
	node, _ := c.store.get(nodeGVR, types.NamespacedName{Name: name}).(*corev1.Node)
	return node
}

// nodes returns all nodes by name.
func (c *Cluster) nodes() []*corev1.Node {
	objects := c.store.list(nodeGVR, "")
	out := make([]*corev1.Node, 0, len(objects))
	for _, object := range objects {
		if node, ok := object.(*corev1.Node); ok {
			out = append(out, node)
		}
	}
	return out
}
