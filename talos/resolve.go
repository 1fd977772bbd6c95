package talos

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// resolve returns the patch for one machine config: bridges and bonds take
// over what their ports have, and companions stay out where the config already
// says how the primary link is reached.
func (p Patch) resolve(config model) (Patch, error) {
	p.documents = slices.Clone(p.documents)
	if p.legacy.Machine != nil && p.legacy.Machine.Network != nil {
		network := *p.legacy.Machine.Network
		network.Interfaces = slices.Clone(network.Interfaces)
		p.legacy.Machine = &legacyMachine{Network: &network}
	}
	for i, d := range p.devices() {
		// Such an entry is replaced as a whole: Talos never merges selectors
		// that say physical, since it compares pointers.
		if d.DeviceSelector != nil {
			p.legacy.Machine.Network.Interfaces[i].VLANs = config.vlansOf(d)
		}
	}
	own := p.model()
	p.documents = slices.DeleteFunc(p.documents, func(d document) bool {
		return d.companion && config.addressing(d.Name).reachable()
	})
	for _, v := range own.views {
		if !v.isMaster() {
			continue
		}
		for _, port := range own.portsOf(v.name) {
			for _, w := range config.of(port) {
				if w.cloudVIP {
					return Patch{}, fmt.Errorf("machine config: %s: the VIP of a cloud has a token and is not moved; move it to %s first", strings.TrimSpace(w.object+" "+w.path), v.name)
				}
			}
		}
		p.inherit(v, own, config)
	}
	return p, nil
}

// inherit fills in the addressing of one bridge or bond.
func (p *Patch) inherit(master view, own, config model) {
	a := own.addressing(master.name)
	assumed := slices.Contains(p.assumed, master.name)
	if assumed {
		a.dhcp4 = false
	}
	var ports addressing
	for _, port := range own.portsOf(master.name) {
		from := config.addressing(port)
		ports.join(from)
		ports.joinVIPs(from)
	}
	before := config.addressing(master.name)
	if a.unset() {
		a.join(ports)
		a.join(before)
		a.dhcp4 = a.dhcp4 || assumed && !a.reachable()
	}
	if len(a.vips) == 0 {
		a.joinVIPs(before)
	}
	a.joinVIPs(ports)
	a.mtu = master.addressing.mtu
	for i, value := range a.addresses {
		// The legacy form takes an address without prefix length.
		if ip, err := netip.ParseAddr(value); err == nil {
			a.addresses[i] = netip.PrefixFrom(ip, ip.BitLen()).String()
		}
	}
	if master.form == FormLegacy {
		for i, d := range p.legacy.Machine.Network.Interfaces {
			if d.Interface == master.name {
				p.legacy.Machine.Network.Interfaces[i].deviceAddressing = a.legacy()
			}
		}
		return
	}
	i := slices.IndexFunc(p.documents, func(d document) bool { return d.Kind == master.kind && d.Name == master.name })
	d := p.documents[i]
	d.Addresses, d.Routes = nil, nil
	rest := a.documents(&d)
	for j := range rest {
		// What the patch says of a document, such as ignoreHostname, stays.
		k := slices.IndexFunc(p.documents, func(old document) bool { return old.id() == rest[j].id() })
		if k >= 0 {
			rest[j] = p.documents[k]
			rest[j].companion = false
		}
	}
	p.documents[i] = d
	p.documents = slices.DeleteFunc(p.documents, func(old document) bool {
		return old.Kind == kindDHCPv4 && old.Name == d.Name || old.Kind == kindDHCPv6 && old.Name == d.Name || old.Kind == kindVIP && old.Link == d.Name
	})
	i = slices.IndexFunc(p.documents, func(old document) bool { return old.id() == d.id() })
	p.documents = slices.Insert(p.documents, i+1, rest...)
}

// edits is what has to go from a machine config before the patch is merged
// into it, so that nothing is there twice.
type edits struct {
	keys      map[any][]string // of entries of machine.network.interfaces
	vlans     []string         // VLANs of such entries, by name
	documents map[string]bool  // by kind/name
	said      map[string]bool  // documents that lose what the patch can say of them
	bare      map[string]bool  // documents that lose addresses and routes
	merged    map[any]bool     // entries that the patch merges into
	manifests []string
	cni       bool
}

// edits collects what the resolved patch replaces in the config.
func (p Patch) edits(config model) edits {
	e := edits{
		keys: make(map[any][]string), documents: make(map[string]bool),
		said: make(map[string]bool), bare: make(map[string]bool), merged: make(map[any]bool),
	}
	own := p.model()
	for _, d := range p.devices() {
		e.keys[d.key()] = append(e.keys[d.key()], d.owns.keys()...)
		e.merged[d.key()] = true
		for _, vlan := range d.VLANs {
			e.vlans = append(e.vlans, vlanName(d.Interface, vlan.VLANID))
		}
	}
	for _, d := range p.documents {
		switch d.Kind {
		case kindLink, kindDHCPv4, kindDHCPv6:
			e.said[d.id()] = !d.companion
		default:
			e.documents[d.id()] = true
		}
	}
	for _, v := range own.views {
		e.otherForm(v)
	}
	for _, v := range own.views {
		if v.isMaster() {
			for _, port := range own.portsOf(v.name) {
				e.strip(port, config)
			}
		}
	}
	if cluster := p.legacy.Cluster; cluster != nil {
		e.cni = cluster.Network != nil
		for _, m := range cluster.InlineManifests {
			e.manifests = append(e.manifests, m.Name)
		}
	}
	for _, d := range p.documents {
		if d.Kind == kindInlineManifest {
			e.manifests = append(e.manifests, d.Name)
		}
	}
	return e
}

// devices are the entries of machine.network.interfaces that the patch writes.
func (p Patch) devices() []device {
	if p.legacy.Machine == nil || p.legacy.Machine.Network == nil {
		return nil
	}
	return p.legacy.Machine.Network.Interfaces
}

// otherForm removes what the form that the patch does not use says of the same
// link.
func (e *edits) otherForm(v view) {
	owns := map[string]ownership{kindBridge: ownsLink, kindBond: ownsLink, kindLink: ownsAddressing, kindDHCPv4: ownsDHCP, kindDHCPv6: ownsDHCP}[v.kind]
	switch {
	case v.companion || v.name == "":
	case v.form == FormDocuments && v.kind == kindVLAN:
		e.vlans = append(e.vlans, v.name)
	case v.form == FormDocuments:
		e.keys[v.name] = append(e.keys[v.name], owns.keys()...)
	case len(v.keys) > 0 || v.isMaster() || v.kind == kindVLAN:
		for _, kind := range append(linkKinds(), kindDHCPv4, kindDHCPv6) {
			e.documents[kind+"/"+v.name] = true
		}
	}
}

// strip takes the addressing from a port.
func (e *edits) strip(port string, config model) {
	for _, v := range config.of(port) {
		switch {
		case v.form == FormLegacy && v.kind == kindVLAN:
			e.bare["vlan "+v.name] = true
		case v.form == FormLegacy:
			e.keys[v.name] = append(e.keys[v.name], portKeys()...)
		case v.isLink():
			e.bare[v.document.id()] = true
		default:
			// DHCP, or a VIP that the patch has moved.
			e.documents[v.document.id()] = true
		}
	}
}

// portKeys are what an interface cannot have as a port.
func portKeys() []string {
	return slices.DeleteFunc(ownsAddressing.keys(), func(key string) bool { return key == "mtu" })
}
