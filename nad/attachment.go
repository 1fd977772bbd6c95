package nad

import (
	"encoding/json"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/types"
)

// DefaultNetworkAnnotation names the annotation that replaces a pod's first
// interface, eth0. Its networks annotation is the constant
// NetworkAttachmentAnnot of the NAD client's types.
const DefaultNetworkAnnotation = "v1.multus-cni.io/default-network"

// An Attachment asks for one interface on one network: an element of the
// annotation k8s.v1.cni.cncf.io/networks (Multi-Network specification 1.3,
// section 4.1.2). Only Name is needed. Whether a network can honour the other
// requests depends on its plugins: see [CheckAttachment].
type Attachment struct {
	// Name is the name of the NAD.
	Name string `json:"name"`
	// Namespace is the namespace of the NAD. "" is the one of the pod, in the
	// default-network annotation that of Multus, kube-system.
	Namespace string `json:"namespace,omitzero"`
	// Interface is the name of the interface in the pod, at most 15 bytes. ""
	// is net1 for the first attachment, net2 for the second, and so on.
	Interface string `json:"interface,omitzero"`
	// IPs are the addresses to request. Write them with prefix length,
	// "10.0.0.5/24": static and whereabouts refuse them without.
	IPs []string `json:"ips,omitzero"`
	// MAC is the hardware address to request.
	MAC string `json:"mac,omitzero"`
	// InfinibandGUID is the GUID to request of an InfiniBand device, 8 bytes.
	InfinibandGUID string `json:"infiniband-guid,omitzero"`
	// PortMappings are the ports of the host to forward to the pod.
	PortMappings []PortMapping `json:"portMappings,omitzero"`
	// Bandwidth are the limits to request. Nil asks for none.
	Bandwidth *Bandwidth `json:"bandwidth,omitzero"`
	// DeviceID is the device to use instead of one that the kubelet allocated
	// for the NAD's resource, "0000:03:02.1".
	DeviceID string `json:"deviceID,omitzero"`
	// CNIArgs are handed to the plugins as args.cni. Numbers are read as
	// json.Number.
	CNIArgs map[string]any `json:"cni-args,omitzero"`
	// DefaultRoute are the gateways of the pod's default route, one for each
	// address family and pod. Nil leaves routes alone; empty and not nil makes
	// this network the one whose own default route stays, while Multus removes
	// those of the others. Multus v4.2.2 to v4.3.0 leaves routes as they are
	// all the same (multus-cni #1552).
	DefaultRoute []string `json:"default-route,omitzero"`
	// IPAMClaim names the IPAMClaim that holds the addresses. It excludes IPs.
	IPAMClaim string `json:"ipam-claim-reference,omitzero"`
	// Extra are keys that are not known here, with their JSON values. Multus
	// ignores them; they are written back.
	Extra map[string]json.RawMessage `json:"-"`
}

// PortMapping forwards a port of the host to the pod. The network needs the
// plugin portmap with the capability portMappings.
type PortMapping struct {
	// HostPort is the port on the host, 1 to 65535.
	HostPort int `json:"hostPort"`
	// ContainerPort is the port in the pod, 1 to 65535.
	ContainerPort int `json:"containerPort"`
	// Protocol is tcp, udp or sctp, in any letter case. "" is tcp.
	Protocol string `json:"protocol,omitzero"`
	// HostIP is the address of the host to listen on. "" is every one.
	HostIP string `json:"hostIP,omitzero"`
}

// Bandwidth limits an interface. A rate needs its burst and the other way
// round; zero is no limit. The network needs the plugin bandwidth with the
// capability bandwidth.
type Bandwidth struct {
	// IngressRate is the limit for traffic to the pod, in bits a second.
	IngressRate int64 `json:"ingressRate,omitzero"`
	// IngressBurst is what may pass above IngressRate, in bits.
	IngressBurst int64 `json:"ingressBurst,omitzero"`
	// EgressRate is the limit for traffic from the pod, in bits a second.
	EgressRate int64 `json:"egressRate,omitzero"`
	// EgressBurst is what may pass above EgressRate, in bits.
	EgressBurst int64 `json:"egressBurst,omitzero"`
}

// Key returns the namespace and name of the NAD for an object in the given
// namespace, as a client's Get takes it.
func (a Attachment) Key(namespace string) types.NamespacedName {
	if a.Namespace != "" {
		namespace = a.Namespace
	}
	return types.NamespacedName{Namespace: namespace, Name: a.Name}
}

// String returns the short form, "namespace/name@interface", without what else
// the attachment asks for.
func (a Attachment) String() string {
	s := a.Name
	if a.Namespace != "" {
		s = a.Namespace + "/" + s
	}
	if a.Interface != "" {
		s += "@" + a.Interface
	}
	return s
}

// networksAnnotation is what the rest of the package calls it.
const networksAnnotation = netattdefv1.NetworkAttachmentAnnot
