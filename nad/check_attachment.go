package nad

import (
	"slices"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
)

// CheckAttachment says what a pod asks of a network and does not get. A warning
// is a request that no plugin of the network hears, which Multus drops without
// a word; an error is one that keeps the pod from starting. Plugins that this
// package does not know are taken to honour everything. Paths are keys of the
// attachment. The caller sees to it that the attachment names this NAD.
func CheckAttachment(def *netattdefv1.NetworkAttachmentDefinition, attachment Attachment) []multihome.Finding {
	network, err := Parse(def)
	if err != nil || len(network.Plugins) == 0 {
		return nil // Lint says why
	}
	out := &report{}
	k := &checker{subject: &subject{report: out, network: network}, source: "Multi-Network specification 1.3, section 4.1.2"}
	for _, err := range append(attachment.validateAsRead(nil), attachment.validateAsWritten(nil)...) {
		k.fail("attachment", *err)
	}
	r := request{k, attachment}
	r.mac()
	r.ips()
	r.others()
	r.gateways()
	r.defaultRoute()
	return out.findings(objectOf(def))
}

type request struct {
	*checker
	attachment Attachment
}

// honours reports whether a plugin is handed what has the capability, and
// whether there is a plugin that nothing is known of.
func (r request) honours(capability Capability) bool {
	for _, p := range r.network.Plugins {
		kind, known := kindOf(p.Type())
		if !known || slices.Contains(kind.capabilities, capability) && p.common().Capabilities[capability] {
			return true
		}
	}
	return false
}

func (r request) dropped(key string, capability Capability, remedy string) {
	r.warn(key, "request-dropped", "is dropped: no plugin of the network is handed "+string(capability), remedy)
}

// mac also reaches plugins without the capability, as an argument of Multus.
func (r request) mac() {
	if r.attachment.MAC == "" || r.honours(CapabilityMAC) {
		return
	}
	for _, p := range r.network.Plugins {
		if kind, _ := kindOf(p.Type()); kind.keepsMAC {
			return
		}
	}
	r.dropped("mac", CapabilityMAC, `add the plugin tuning with "capabilities": {"mac": true} to the network`)
}

// ips also reach plugins without the capability, as an argument of Multus.
func (r request) ips() {
	ips := r.attachment.IPs
	if len(ips) == 0 {
		return
	}
	for _, p := range r.network.Plugins {
		ipam := ipamOf(p)
		if _, known := kindOf(p.Type()); !known {
			return
		}
		switch ipam := ipam.(type) {
		case nil:
			continue
		case Static, Whereabouts:
			for i, ip := range ips {
				if _, ok := parseIP(ip); ok {
					r.child("ips").at("", i).invalid("", ip, "request-refused", "must have a prefix length: "+ipam.Type()+" refuses it without")
				}
			}
		case HostLocal:
			r.hostLocal(ipam)
		case DHCP:
			r.warn("ips", "request-dropped", "is dropped: the DHCP server chooses the address", "use static or whereabouts for fixed addresses")
		}
		return
	}
	r.warn("ips", "request-dropped", "is dropped: the network has no ipam", `add ipam static and "capabilities": {"ips": true} to the network`)
}

func (r request) hostLocal(ipam HostLocal) {
	ips := r.attachment.IPs
	if len(ips) > 1 {
		r.invalid("ips", ips, "request-refused", "must be one address: Multus hands several to host-local in a form that it refuses")
	}
	subnets := subnetsOf(ipam)
	for i, ip := range ips {
		prefix, ok := parseCIDR(ip)
		addr, isIP := parseIP(ip)
		if !isIP {
			addr, isIP = prefix.Addr(), ok
		}
		switch at := r.child("ips").at("", i); {
		case !isIP: // reported already
		case !contains(subnets, addr):
			at.invalid("", ip, "request-refused", "must be in a range of the network")
		case slices.ContainsFunc(subnets, func(s subnet) bool { return s.gateway == addr }):
			at.invalid("", ip, "request-refused", "is the gateway, which host-local never gives out")
		}
	}
}

func (r request) others() {
	a := r.attachment
	if len(a.PortMappings) > 0 && !r.honours(CapabilityPortMappings) {
		r.dropped("portMappings", CapabilityPortMappings, `add the plugin portmap with "capabilities": {"portMappings": true} to the network`)
	}
	if a.InfinibandGUID != "" && !r.honours(CapabilityInfinibandGUID) {
		r.dropped("infiniband-guid", CapabilityInfinibandGUID, `set "capabilities": {"infinibandGUID": true} on the plugin ib-sriov`)
	}
	if a.Bandwidth == nil {
		return
	}
	if !r.honours(CapabilityBandwidth) {
		r.dropped("bandwidth", CapabilityBandwidth, `add the plugin bandwidth with "capabilities": {"bandwidth": true} to the network`)
	}
	for _, p := range r.network.Plugins {
		if limits, ok := p.(BandwidthConfig); ok && limits.limits() {
			r.warn("bandwidth", "request-dropped", "is dropped: the network has limits of its own", "remove those of the network")
		}
	}
}

// defaultRoute warns of what released versions of Multus do not do. Whether the
// cluster has one of them is not known here; the newest release is.
func (r request) defaultRoute() {
	if r.attachment.DefaultRoute == nil {
		return
	}
	k := *r.checker
	k.source = "multus-cni #1552"
	k.warn("default-route", "default-route-ignored", "has no effect with Multus v4.2.2 to v4.3.0, which leave the pod's routes as they are", "set routes in the ipam of the network, or use another release")
}

// gateways looks whether those of the default route can be reached.
func (r request) gateways() {
	var subnets []subnet
	for _, p := range r.network.Plugins {
		if _, known := kindOf(p.Type()); !known {
			return
		}
		subnets = append(subnets, subnetsOf(ipamOf(p))...)
	}
	for _, ip := range r.attachment.IPs {
		if prefix, ok := parseCIDR(ip); ok {
			subnets = append(subnets, subnet{prefix: prefix.Masked()})
		}
	}
	for i, text := range r.attachment.DefaultRoute {
		if gateway, ok := parseIP(text); ok && len(subnets) > 0 && !contains(subnets, gateway) && !gateway.IsLinkLocalUnicast() {
			r.child("default-route").at("", i).fail("gateway-outside", field.Error{
				Type: field.ErrorTypeInvalid, BadValue: text, Detail: "is in none of the networks of this interface, so the kernel does not reach it",
			})
		}
	}
}
