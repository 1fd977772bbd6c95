package talos

import (
	"slices"
	"strconv"
	"strings"

	"github.com/multihome/multihome"
)

// links are the rules that hold in a patch and in a whole machine config.
func (l *linter) links(m model) {
	for _, v := range m.views {
		if v.ignored {
			continue
		}
		l.name(m, v)
		l.addresses(v)
		if v.isMaster() {
			l.ports(m, v)
		}
		if v.kind == kindBridge {
			l.bridge(m, v)
		}
		l.selector(v)
	}
	l.masters(m)
	l.bothForms(m)
	l.twice(m)
}

func (l *linter) name(m model, v view) {
	created := v.isLink() && v.kind != kindLink
	if created && v.path == "" && v.name == "" && v.form == FormDocuments {
		l.about(v, multihome.SeverityError, "no-name", "name", "the document has no name, so Talos rejects it", "set name", "siderolabs/talos network documents")
	}
	if created && len(v.name) > maxLinkName {
		key := "name"
		if v.form == FormLegacy {
			key = "interface"
		}
		l.about(v, multihome.SeverityError, "name-length", key,
			"the name "+strconv.Quote(v.name)+" has "+itoa(len(v.name))+" bytes, and the kernel takes at most 15", "choose a shorter one", "linux/if.h IFNAMSIZ")
	}
	if v.isMaster() && slices.Contains(m.aliases, v.name) {
		l.about(v, multihome.SeverityError, "alias-name", "name", "a link alias has the same name", "rename one", "siderolabs/talos LinkAliasConfig")
	}
}

func (l *linter) addresses(v view) {
	if slices.Contains(v.keys, "cidr") {
		l.about(v, multihome.SeverityInfo, "deprecated", "cidr", "cidr is deprecated in every version", "list it in addresses", "siderolabs/talos CheckDeviceAddressing")
	}
	for i, value := range v.addressing.addresses {
		if slices.Contains(v.addressing.addresses[:i], value) {
			l.about(v, multihome.SeverityWarning, "duplicate-address", "addresses["+itoa(i)+"]",
				value+" is listed twice, as after a patch that was applied twice", "remove one", "siderolabs/talos merge: lists are appended")
		}
	}
	for i, r := range v.addressing.routes {
		key := "routes[" + itoa(i) + "]"
		if slices.Contains(v.addressing.routes[:i], r) {
			l.about(v, multihome.SeverityWarning, "duplicate-route", key, "the route is listed twice, as after a patch that was applied twice", "remove one", "siderolabs/talos merge: lists are appended")
		}
		if v.form == FormDocuments && r.Network != "" && r.isDefault() {
			l.about(v, multihome.SeverityError, "default-route", key+".destination",
				"a document writes the default route without a destination, and Talos rejects "+r.Network, "remove destination", "siderolabs/talos CommonLinkConfig.Validate")
		}
	}
}

// ports of one bridge or bond.
func (l *linter) ports(m model, v view) {
	for i, port := range v.ports {
		key := v.portsKey + "[" + itoa(i) + "]"
		switch {
		case slices.Contains(v.ports[:i], port):
			l.about(v, multihome.SeverityWarning, "duplicate-link", key, port+" is listed twice, as after a patch that was applied twice", "remove one", "siderolabs/talos merge: lists are appended")
			continue
		case port == v.name:
			l.about(v, multihome.SeverityError, "own-port", key, "the link is its own port", "remove it", "Linux: ELOOP")
			continue
		}
		for _, w := range m.of(port) {
			if w.kind == kindBridge {
				l.about(v, multihome.SeverityError, "nested-bridge", key, port+" is a bridge, which cannot be a port", "bridge its ports, or connect the bridges by a VLAN", "siderolabs/talos #5414")
			}
			for _, at := range w.keys {
				l.about(w, multihome.SeverityError, "port-addressing", at,
					port+" is a port of "+v.name+" and cannot carry addresses, routes, DHCP or a VIP itself", "move them to "+v.name, "siderolabs/talos #5414")
			}
		}
	}
}

// masters finds ports that two bridges or bonds claim.
func (l *linter) masters(m model) {
	claims := make(map[string]string)
	claim := func(v view, key, port, master string) {
		if port == master {
			return // see ports
		}
		if first, taken := claims[port]; taken && first != master {
			l.about(v, multihome.SeverityError, "two-masters", key, port+" is already a port of "+first+", and a link has one master", "remove it from one of them", "Linux: EBUSY")
			return
		}
		claims[port] = master
	}
	for _, v := range m.views {
		switch {
		case v.ignored || v.name == "":
		case v.isMaster():
			for i, port := range v.ports {
				claim(v, v.portsKey+"["+itoa(i)+"]", port, v.name)
			}
		}
		if v.master != "" && v.name != "" && !v.ignored {
			claim(v, "bridgePort.master", v.name, v.master)
			for _, key := range v.keys {
				l.about(v, multihome.SeverityError, "port-addressing", key, v.name+" is a port of "+v.master+" and cannot carry addresses, routes, DHCP or a VIP itself", "move them to "+v.master, "siderolabs/talos #5414")
			}
		}
	}
}

func (l *linter) bridge(m model, v view) {
	ports := m.portsOf(v.name)
	selected := slices.ContainsFunc(m.views, func(w view) bool { return w.master == v.name })
	if len(ports) == 0 && !selected {
		l.about(v, multihome.SeverityWarning, "no-links", v.portsKey, "the bridge has no port, so it reaches nothing outside of the node", "list its ports, unless only pods and VMs of one node talk over it", "siderolabs/talos #10585")
	}
	if v.stp {
		l.about(v, multihome.SeverityInfo, "stp-delay", "stp.enabled",
			"with STP a port forwards after up to 30 s and sends BPDUs, for which some switches shut it down (BPDU guard)", "leave STP out where no loop can form", "IEEE 802.1D; Talos has no field for the delay")
	}
	if v.filtering && (len(ports) > 0 || selected) {
		key := "vlan.filtering"
		if v.form == FormLegacy {
			key = "bridge.vlan.vlanFiltering"
		}
		l.about(v, multihome.SeverityWarning, "vlan-filtering", key,
			"with VLAN filtering the ports drop tagged packets, since Talos cannot allow VLANs on a port", "use a VLAN of the port with a bridge of its own per network", "siderolabs/talos #9117")
	}
	if !v.pinned && m.addressing(v.name).reachable() && len(ports) > 0 {
		remedy := "set hardwareAddr to the MAC address of its port"
		if v.form == FormLegacy {
			remedy = "from Talos v1.12 write a BridgeConfig, which has hardwareAddr"
		}
		severity := multihome.SeverityInfo
		if a := m.addressing(v.name); a.dhcp4 || a.dhcp6 {
			severity = multihome.SeverityWarning
		}
		l.about(v, severity, "mac-drift", "hardwareAddr", "the MAC address of the bridge changes with its ports, and with it a DHCP lease", remedy, "siderolabs/talos #11225")
	}
}

// selector finds selectors that match more than one link.
func (l *linter) selector(v view) {
	s := v.selector
	if s == nil || v.form != FormLegacy || v.kind == kindVLAN || s.PermanentAddr != "" || s.Physical {
		return
	}
	if s.HardwareAddr != "" || s.Driver != "" || s.BusPath != "" {
		l.about(v, multihome.SeverityInfo, "wide-selector", "deviceSelector",
			"the selector also matches VLANs and macvlan links above the one it means", "use permanentAddr, or add physical: true", "siderolabs/talos #8079, #12782")
	}
}

// twice finds interfaces with two entries, and documents of different kinds for
// one link.
func (l *linter) twice(m model) {
	kinds := make(map[string]string)
	for _, v := range m.views {
		if v.form != FormDocuments || !v.isLink() || v.name == "" {
			continue
		}
		if first, taken := kinds[v.name]; taken && first != v.kind {
			l.about(v, multihome.SeverityError, "conflicting-documents", "name", "there is a "+first+" of that name too, and Talos rejects both", "keep one, or rename one", "siderolabs/talos ConflictsWithKinds")
		}
		kinds[v.name] = v.kind
	}
	seen := make(map[string]bool)
	for _, v := range m.views {
		if v.form != FormLegacy || v.kind == kindVLAN || v.name == "" {
			continue
		}
		if seen[v.name] {
			l.about(v, multihome.SeverityWarning, "duplicate-interface", "interface", v.name+" has two entries, which Talos merges in a way of its own", "write one", "siderolabs/talos LinkConfigController")
		}
		seen[v.name] = true
	}
}

// bothForms finds links that are written in both forms.
func (l *linter) bothForms(m model) {
	for _, v := range m.views {
		if v.form != FormDocuments || !v.isLink() {
			continue
		}
		for _, w := range m.of(v.name) {
			if w.form == FormLegacy && (w.isMaster() || len(w.keys) > 0 || w.kind == v.kind) {
				l.about(v, multihome.SeverityWarning, "both-forms", "name",
					v.name+" is also in "+strings.TrimSuffix(w.path, ".")+"; Talos merges both at run time", "keep the document", "siderolabs/talos LinkConfigController")
			}
		}
	}
}
