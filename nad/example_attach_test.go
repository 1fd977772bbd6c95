package nad_test

import (
	"fmt"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/multihome/multihome/nad"
)

func ExampleAttach() {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}}
	if err := nad.Attach(deployment, nad.Attachment{Name: "lan"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(deployment.Spec.Template.Annotations[netattdefv1.NetworkAttachmentAnnot])

	err := nad.Attach(deployment, nad.Attachment{Name: "macvlan-conf", Interface: "net7", IPs: []string{"192.168.1.210/24"}})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(deployment.Spec.Template.Annotations[netattdefv1.NetworkAttachmentAnnot])
	// Output:
	// lan
	// [{"name":"lan"},{"name":"macvlan-conf","interface":"net7","ips":["192.168.1.210/24"]}]
}

func ExampleDetach() {
	pod := &corev1.Pod{}
	pod.Annotations = map[string]string{netattdefv1.NetworkAttachmentAnnot: "lan, infra/dmz@net7"}
	if err := nad.Detach(pod, nad.Attachment{Name: "lan"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(pod.Annotations[netattdefv1.NetworkAttachmentAnnot])
	// Output: infra/dmz@net7
}

func ExampleAttachments() {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}}
	pod.Annotations = map[string]string{netattdefv1.NetworkAttachmentAnnot: "lan, infra/dmz@net7"}
	wanted, err := nad.Attachments(pod)
	if err != nil {
		fmt.Println(err)
	}
	for _, attachment := range wanted {
		fmt.Printf("%s %q\n", attachment.Key(pod.Namespace), attachment.Interface)
	}

	pod.Annotations[netattdefv1.NetworkAttachmentAnnot] = `[null]`
	_, err = nad.Attachments(pod)
	fmt.Println(err)
	// Output:
	// shop/lan ""
	// infra/dmz "net7"
	// Pod shop/web: metadata.annotations[k8s.v1.cni.cncf.io/networks][0]: Invalid value: "null": must be an object; Multus panics on null
}

func ExampleSetDefaultNetwork() {
	pod := &corev1.Pod{}
	if err := nad.SetDefaultNetwork(pod, &nad.Attachment{Name: "lan", Namespace: "infra"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(pod.Annotations)
	// Output: map[v1.multus-cni.io/default-network:infra/lan]
}

func ExampleDefaultNetwork() {
	pod := &corev1.Pod{}
	pod.Annotations = map[string]string{nad.DefaultNetworkAnnotation: "lan"}
	network, err := nad.DefaultNetwork(pod)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(network.Key("kube-system"))
	// Output: kube-system/lan
}

func ExampleStatus() {
	pod := &corev1.Pod{}
	pod.Annotations = map[string]string{netattdefv1.NetworkStatusAnnot: `[
		{"name": "cilium", "interface": "eth0", "ips": ["10.244.0.5"], "default": true},
		{"name": "shop/lan", "interface": "net1", "ips": ["192.168.1.210"]}
	]`}
	got, err := nad.Status(pod)
	if err != nil {
		fmt.Println(err)
	}
	for _, network := range got {
		fmt.Println(network.Interface, network.Name, network.IPs)
	}
	// Output:
	// eth0 cilium [10.244.0.5]
	// net1 shop/lan [192.168.1.210]
}
