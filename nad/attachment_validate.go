package nad

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateAttachments says what is wrong with a list that is to be written:
// everything that stops a pod, and what the specification forbids.
// The names in reserved are those of interfaces that the pods have anyway.
func validateAttachments(all []Attachment, at *field.Path, reserved ...string) field.ErrorList {
	var errs field.ErrorList
	names := make(map[string]int)
	gateways := make(map[bool]int) // by family: IPv4 or not
	for i, a := range all {
		errs = append(errs, a.validateAsRead(at.Index(i))...)
		errs = append(errs, a.validateAsWritten(at.Index(i))...)
		name := a.Interface
		if name == "" {
			name = fmt.Sprintf("net%d", i+1)
		}
		if slices.Contains(reserved, name) {
			errs = append(errs, field.Forbidden(at.Index(i).Child("interface"), "every pod has its own "+name))
		} else if first, taken := names[name]; taken {
			errs = append(errs, field.Invalid(at.Index(i).Child("interface"), name, fmt.Sprintf("is the interface of element %d already; give each a name of its own", first)))
		} else {
			names[name] = i
		}
		for j, gateway := range a.DefaultRoute {
			isIPv4 := net.ParseIP(gateway).To4() != nil
			if gateways[isIPv4]++; gateways[isIPv4] == 2 {
				errs = append(errs, field.Forbidden(at.Index(i).Child("default-route").Index(j), "Multus takes one gateway for each address family of a pod"))
			}
		}
	}
	return errs
}

// validateAsWritten refuses what Multus reads and no plugin can do.
func (a Attachment) validateAsWritten(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, validateMAC(a.MAC, at.Child("mac"))...)
	if guid, err := net.ParseMAC(a.InfinibandGUID); err == nil && len(guid) != 8 {
		errs = append(errs, field.Invalid(at.Child("infiniband-guid"), a.InfinibandGUID, "must have 8 bytes"))
	}
	if a.IPAMClaim != "" && len(a.IPs) > 0 {
		errs = append(errs, field.Forbidden(at.Child("ips"), "the addresses are those of ipam-claim-reference"))
	}
	for i, mapping := range a.PortMappings {
		errs = append(errs, mapping.validate(at.Child("portMappings").Index(i))...)
	}
	if a.Bandwidth != nil {
		errs = append(errs, a.Bandwidth.validate(at.Child("bandwidth"))...)
	}
	return append(errs, validateExtra(a, a.Extra, at)...)
}

func (p PortMapping) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for key, port := range map[string]int{"hostPort": p.HostPort, "containerPort": p.ContainerPort} {
		if port < 1 || port > 65535 {
			errs = append(errs, field.Invalid(at.Child(key), port, "must be from 1 to 65535"))
		}
	}
	if protocols := []string{"tcp", "udp", "sctp"}; p.Protocol != "" && !slices.Contains(protocols, strings.ToLower(p.Protocol)) {
		errs = append(errs, field.NotSupported(at.Child("protocol"), p.Protocol, protocols))
	}
	if p.HostIP != "" && net.ParseIP(p.HostIP) == nil {
		errs = append(errs, field.Invalid(at.Child("hostIP"), p.HostIP, "must be an address"))
	}
	return errs
}

func (b Bandwidth) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	pair := func(direction string, rate, burst int64) {
		for key, value := range map[string]int64{"Rate": rate, "Burst": burst} {
			switch {
			case value < 0:
				errs = append(errs, field.Invalid(at.Child(direction+key), value, "must not be negative"))
			case value == 0 && (rate > 0 || burst > 0):
				errs = append(errs, field.Required(at.Child(direction+key), "a rate and its burst go together"))
			}
		}
	}
	pair("ingress", b.IngressRate, b.IngressBurst)
	pair("egress", b.EgressRate, b.EgressBurst)
	if b == (Bandwidth{}) {
		errs = append(errs, field.Required(at, "set a limit, or leave bandwidth out"))
	}
	return errs
}

// validateMAC refuses what the kernel refuses as the address of an interface.
func validateMAC(text string, at *field.Path) field.ErrorList {
	if text == "" {
		return nil
	}
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil: // which is reported where it is read
		return nil
	case len(mac) != 6:
		return field.ErrorList{field.Invalid(at, text, "must have 6 bytes")}
	case mac[0]&1 == 1:
		return field.ErrorList{field.Invalid(at, text, "must not be a multicast address: the first byte must be even")}
	case mac.String() == "00:00:00:00:00:00":
		return field.ErrorList{field.Invalid(at, text, "must not be zero")}
	}
	return nil
}
