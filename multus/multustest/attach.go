package multustest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/multihome/multihome/nad"
)

var nadGVR = resource{gvk: nadKind.WithVersion("v1")}.gvr()

// startPods does for the pods that clients have created what scheduler,
// kubelet and Multus do. A pod that cannot start waits for the next change.
func (c *Cluster) startPods() {
	for _, name := range slices.SortedFunc(maps.Keys(c.waiting), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }) {
		if pod := c.pod(name); pod == nil {
			delete(c.waiting, name)
		} else {
			c.startPod(pod.DeepCopy())
		}
	}
}

// startPod moves a copy of a pod as far as it gets.
func (c *Cluster) startPod(pod *corev1.Pod) {
	name := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
	node := c.schedule(pod)
	if node == nil {
		c.wait(pod, name, corev1.PodStatus{
			Phase: corev1.PodPending, Conditions: []corev1.PodCondition{unschedulable(len(c.store.objects[nodeGVR]))},
		}, "unschedulable")
		return
	}
	pod.Spec.NodeName = node.Name
	status, err := c.attach(pod, node)
	if err != nil {
		c.leases.release(pod.UID)
		problem := err.Error()
		if c.wait(pod, name, c.kubelet(pod, node, FaultSlow), problem) {
			c.event(corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
				"kubelet", "FailedCreatePodSandBox", "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox: plugin type=\"multus-shim\" name=\"multus-cni-network\" failed (add): CmdAdd (shim): CNI request failed with status 400: "+problem)
		}
		return
	}
	if status != "" {
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		pod.Annotations[netattdefv1.NetworkStatusAnnot] = status
	}
	pod.Status = c.kubelet(pod, node, FaultNone)
	delete(c.waiting, name)
	c.putPod(pod)
}

// wait stores the state of a pod that cannot go on, and reports whether the
// problem is a new one.
func (c *Cluster) wait(pod *corev1.Pod, name types.NamespacedName, status corev1.PodStatus, problem string) bool {
	if c.waiting[name] == problem {
		return false
	}
	c.waiting[name] = problem
	pod.Status = status
	c.putPod(pod)
	return true
}

// schedule returns the first node that a pod fits on, or nil.
func (c *Cluster) schedule(pod *corev1.Pod) *corev1.Node {
	if pod.Spec.NodeName != "" {
		return c.node(pod.Spec.NodeName)
	}
	for _, node := range c.nodes() {
		if fits(&pod.Spec, node) {
			return node
		}
	}
	return nil
}

// attach gives a pod its interfaces and returns the network-status annotation
// that Multus writes, "" where it does not run: then a pod starts with its
// first interface alone.
func (c *Cluster) attach(pod *corev1.Pod, node *corev1.Node) (string, error) {
	if pod.Spec.HostNetwork || !c.hasMultus(node) {
		return "", nil
	}
	wanted, err := nad.Attachments(pod)
	if err != nil {
		return "", fmt.Errorf("parsePodNetworkAnnotation: failed to parse pod Network Attachment Selection Annotation: %w", err)
	}
	status := make([]netattdefv1.NetworkStatus, 1, 1+len(wanted))
	for n, network := range wanted {
		key := types.NamespacedName{Namespace: cmp.Or(network.Namespace, pod.Namespace), Name: network.Name}
		def, _ := c.store.get(nadGVR, key).(*netattdefv1.NetworkAttachmentDefinition)
		if def == nil {
			return "", fmt.Errorf("cannot find a network-attachment-definition (%s) in namespace (%s): network-attachment-definitions.k8s.cni.cncf.io %q not found", key.Name, key.Namespace, key.Name)
		}
		ips, err := c.leases.assign(key, def.Spec.Config, pod.UID, network.IPs)
		if err != nil {
			return "", err
		}
		entry := netattdefv1.NetworkStatus{Name: key.String(), Interface: network.Interface, IPs: ips, Mac: network.MAC}
		if entry.Interface == "" {
			entry.Interface = fmt.Sprintf("net%d", n+1)
		}
		if entry.Mac == "" {
			entry.Mac = mac(append(ips, fmt.Sprintf("0.%d.0.%d", n, len(c.shown)%250))[0])
		}
		status = append(status, entry)
	}
	pod.Status.PodIP = c.podIP(pod, node)
	status[0] = netattdefv1.NetworkStatus{
		Name: c.primary.network, Interface: "eth0", IPs: []string{pod.Status.PodIP}, Mac: mac(pod.Status.PodIP), Default: true,
	}
	data, err := json.MarshalIndent(status, "", "    ")
	return string(data), err
}

// hasMultus reports whether a ready Multus pod is on a node.
func (c *Cluster) hasMultus(node *corev1.Node) bool {
	for _, object := range c.store.objects[podGVR] {
		pod, ok := object.(*corev1.Pod)
		if ok && pod.Spec.NodeName == node.Name && pod.Labels["app"] == "multus" && isReady(pod) {
			return true
		}
	}
	return false
}
