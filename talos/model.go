package talos

import (
	"slices"
	"strings"
)

// view is one place of a machine config that says something about a link:
// an interface, a VLAN of it, or a document. Checks and moves look at views and
// do not care which form they come from.
type view struct {
	object   string // as findings name it
	path     string // inside the object, "" for documents
	form     Form
	kind     string // of the document, or what the interface amounts to
	name     string // of the link; empty where a selector finds it
	selector *deviceSelector
	owner    string // the interface whose entry this is, in the legacy form

	portsKey  string
	ports     []string
	master    string // of a bridgePort
	hasPorts  bool   // a selector adds ports
	stp       bool
	filtering bool
	pinned    bool // hardwareAddr is set
	parent    string
	ignored   bool
	cloudVIP  bool // a VIP that the API of a cloud moves
	companion bool

	addressing addressing
	keys       []string // of addressing that is set, as written
	plain      bool     // an address is written as a string
	document   *document
}

// model is all of a machine config, or of a patch.
type model struct {
	views   []view
	legacy  legacyConfig
	aliases []string
	// truncated: there are more views or ports than are looked at.
	truncated bool
}

// maxViews bounds the links of a model, and the ports of all of them together:
// the work on a config that is not a node's.
const maxViews = 1000

// newModel reads what the documents say.
func newModel(legacy *legacyConfig, documents []document) model {
	var m model
	if legacy != nil {
		m.legacy = *legacy
		if legacy.Machine != nil && legacy.Machine.Network != nil {
			for i, d := range legacy.Machine.Network.Interfaces {
				m.views = append(m.views, d.views("machine.network.interfaces["+itoa(i)+"]")...)
			}
		}
	}
	for _, d := range documents {
		if d.Kind == kindAlias {
			m.aliases = append(m.aliases, d.Name)
		}
		if v, ok := d.view(); ok {
			m.views = append(m.views, v)
		}
	}
	if m.truncated = len(m.views) > maxViews; m.truncated {
		m.views = m.views[:maxViews]
	}
	ports := maxViews
	for i := range m.views {
		v := &m.views[i]
		if len(v.ports) > ports {
			v.ports, m.truncated = v.ports[:ports], true
		}
		ports -= len(v.ports)
	}
	return m
}

// modelOf reads a whole machine config.
func modelOf(chunks []chunk) model {
	var legacy *legacyConfig
	var documents []document
	for _, c := range chunks {
		switch {
		case c.node == nil:
		case c.legacy != nil && legacy == nil:
			legacy = c.legacy
		case c.legacy == nil && c.wire.Patch == "":
			documents = append(documents, c.wire)
		}
	}
	return newModel(legacy, documents)
}

// views of an interface: itself and its VLANs.
func (d device) views(path string) []view {
	v := view{
		object: d.object(), path: path, form: FormLegacy, kind: kindLink, name: d.Interface, selector: d.DeviceSelector,
		owner: d.Interface, ignored: d.Ignore, addressing: d.addressing(),
	}
	v.addressing.mtu = d.MTU
	v.cloudVIP = d.VIP != nil && len(d.VIP.Cloud) > 0
	if d.CIDR != "" {
		v.addressing.addresses = append(v.addressing.addresses, d.CIDR)
		v.keys = append(v.keys, "cidr")
	}
	v.keys = append(v.keys, d.keys()...)
	switch {
	case d.Bridge != nil:
		v.kind, v.portsKey, v.ports = kindBridge, "bridge.interfaces", d.Bridge.Interfaces
		v.stp = d.Bridge.STP != nil && d.Bridge.STP.Enabled
		v.filtering = d.Bridge.VLAN != nil && d.Bridge.VLAN.VLANFiltering
	case d.Bond != nil:
		v.kind, v.portsKey, v.ports = kindBond, "bond.interfaces", d.Bond.Interfaces
		v.hasPorts = len(d.Bond.DeviceSelectors) > 0
	case d.Dummy:
		v.kind = "DummyLinkConfig"
	case d.Wireguard != nil:
		v.kind = "WireguardConfig"
	}
	if d.BridgePort != nil {
		v.master = d.BridgePort.Master
	}
	out := []view{v}
	for i, vlan := range d.VLANs {
		w := view{
			object: d.object(), path: path + ".vlans[" + itoa(i) + "]", form: FormLegacy, kind: kindVLAN,
			owner: d.Interface, parent: d.Interface, addressing: vlan.addressing(), keys: vlan.keys(),
		}
		w.addressing.mtu = vlan.MTU
		w.cloudVIP = vlan.VIP != nil && len(vlan.VIP.Cloud) > 0
		if d.Interface != "" {
			w.name = vlanName(d.Interface, vlan.VLANID)
		}
		out = append(out, w)
	}
	return out
}

// keys of addressing that are set.
func (d deviceAddressing) keys() []string {
	var keys []string
	for _, key := range []struct {
		name string
		set  bool
	}{{"addresses", len(d.Addresses) > 0}, {"routes", len(d.Routes) > 0}, {"dhcp", d.DHCP}, {"vip", d.VIP != nil}} {
		if key.set {
			keys = append(keys, key.name)
		}
	}
	return keys
}

// view of a document, if it is about a link.
func (d document) view() (view, bool) {
	v := view{object: d.object(), form: FormDocuments, kind: d.Kind, name: d.Name, companion: d.companion, document: &d}
	switch d.Kind {
	case kindDHCPv4:
		v.addressing.dhcp4, v.addressing.metric, v.keys = true, d.RouteMetric, []string{""}
		return v, true
	case kindDHCPv6:
		v.addressing.dhcp6, v.addressing.metric6, v.keys = true, d.RouteMetric, []string{""}
		return v, true
	case kindVIP:
		v.name, v.addressing.vips, v.keys = d.Link, []string{d.Name}, []string{"link"}
		return v, true
	case kindCloudVIP:
		v.name, v.cloudVIP, v.keys = d.Link, true, []string{"link"}
		return v, true
	case kindBridge, kindBond:
		v.portsKey, v.ports = "links", d.Links
	}
	if !slices.Contains(linkKinds(), d.Kind) {
		return view{}, false
	}
	v.addressing = d.addressing()
	v.stp, v.filtering = d.STP != nil && d.STP.Enabled, d.VLAN != nil && d.VLAN.Filtering
	v.pinned, v.parent = d.HardwareAddr != "", d.Parent
	if len(d.Addresses) > 0 {
		v.keys = append(v.keys, "addresses")
	}
	if len(d.Routes) > 0 {
		v.keys = append(v.keys, "routes")
	}
	for _, a := range d.Addresses {
		v.plain = v.plain || a.plain
	}
	return v, true
}

// linkKinds are the documents after which Talos leaves all other links alone
// (config.NetworkCommonLinkConfig in siderolabs/talos).
func linkKinds() []string {
	return []string{
		kindLink, kindBridge, kindBond, kindVLAN, "DummyLinkConfig", "WireguardConfig", "VRFConfig", "VethConfig", "MacVLANConfig",
	}
}

// isLink reports whether v is a link and not what hangs on one.
func (v view) isLink() bool {
	return !slices.Contains([]string{kindDHCPv4, kindDHCPv6, kindVIP, kindCloudVIP}, v.kind)
}

// isDocumented reports whether v is a document that stops implicit DHCP.
func (v view) isDocumented() bool {
	return v.form == FormDocuments && v.kind != kindVIP && v.kind != kindCloudVIP
}

// isMaster reports whether v is a bridge or a bond.
func (v view) isMaster() bool { return v.kind == kindBridge || v.kind == kindBond }

// at is the path of a key of v.
func (v view) at(key string) string { return strings.Trim(v.path+"."+key, ".") }

// of returns the views of the link by name, in any form.
func (m model) of(name string) []view {
	var out []view
	for _, v := range m.views {
		if v.name == name && name != "" && !v.ignored {
			out = append(out, v)
		}
	}
	return out
}

// addressing of the link by name, from wherever it comes.
func (m model) addressing(name string) addressing {
	var a addressing
	for _, v := range m.of(name) {
		a.join(v.addressing)
		a.joinVIPs(v.addressing)
	}
	return a
}

// vlansOf returns the VLANs of the entry that Talos would merge d into.
func (m model) vlansOf(d device) []legacyVLAN {
	if m.legacy.Machine == nil || m.legacy.Machine.Network == nil {
		return nil
	}
	for _, other := range m.legacy.Machine.Network.Interfaces {
		if other.key() == d.key() {
			return other.VLANs
		}
	}
	return nil
}

// portsOf returns the ports of the master by name, from both of its forms and
// from bridgePort entries.
func (m model) portsOf(name string) []string {
	var ports []string
	for _, v := range m.views {
		switch {
		case v.name == name && v.isMaster():
			ports = append(ports, v.ports...)
		case v.master == name && v.name != "":
			ports = append(ports, v.name)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// reachable reports whether any link gets an address.
func (m model) reachable() bool {
	return slices.ContainsFunc(m.views, func(v view) bool { return !v.ignored && v.addressing.reachable() && v.kind != "DummyLinkConfig" })
}

// documented reports whether Talos stops to configure links by itself.
func (m model) documented() bool { return slices.ContainsFunc(m.views, view.isDocumented) }
