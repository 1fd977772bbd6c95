package kubevirt

import (
	"net/netip"
	"strings"

	"github.com/multihome/multihome/nad"
)

// ipamOf returns what a plugin takes its addresses from.
func ipamOf(plugin nad.Plugin) nad.IPAM {
	switch p := plugin.(type) {
	case nad.BridgeConfig:
		return p.IPAM
	case nad.MacvlanConfig:
		return p.IPAM
	case nad.IPVLANConfig:
		return p.IPAM
	case nad.VLANConfig:
		return p.IPAM
	case nad.HostDeviceConfig:
		return p.IPAM
	case nad.PTPConfig:
		return p.IPAM
	case nad.TapConfig:
		return p.IPAM
	case nad.DummyConfig:
		return p.IPAM
	case nad.SRIOVConfig:
		return p.IPAM
	case nad.IBSRIOVConfig:
		return p.IPAM
	case nad.OVSConfig:
		return p.IPAM
	case nad.BondConfig:
		return p.IPAM
	case nad.Raw:
		return p.IPAM
	}
	return nil
}

// subnets returns the networks that an IPAM gives addresses of, as far as its
// configuration says.
func subnets(ipam nad.IPAM) []netip.Prefix {
	var out []netip.Prefix
	add := func(cidr string) {
		cidr = cidr[strings.LastIndexByte(cidr, '-')+1:] // the last address of a whereabouts range has the length
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			out = append(out, prefix.Masked())
		}
	}
	switch i := ipam.(type) {
	case nad.Static:
		for _, a := range i.Addresses {
			add(a.Address)
		}
	case nad.HostLocal:
		add(i.Subnet)
		for _, set := range i.Ranges {
			for _, r := range set {
				add(r.Subnet)
			}
		}
	case nad.Whereabouts:
		add(i.Range)
		for _, r := range i.IPRanges {
			add(r.Range)
		}
		for _, a := range i.Addresses {
			add(a.Address)
		}
	}
	return out
}

// routes returns the routes of an IPAM.
func routes(ipam nad.IPAM) []nad.Route {
	switch i := ipam.(type) {
	case nad.Static:
		return i.Routes
	case nad.HostLocal:
		return i.Routes
	case nad.Whereabouts:
		return i.Routes
	}
	return nil
}
