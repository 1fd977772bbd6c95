package talos

import (
	"regexp"
	"slices"

	"github.com/multihome/multihome"
)

// machine are the rules that need a whole machine config.
func (l *linter) machine(chunks []chunk) {
	m := modelOf(chunks)
	if m.truncated {
		l.add(multihome.SeverityWarning, "too-many-links", "machine config", "", "only the first "+itoa(maxViews)+" links, and ports of each, were judged", "check that this is the config of one node", "package documentation")
	}
	l.links(m)
	l.reach(m)
	l.names(chunks, m)
	l.versions(chunks, m)
	if machine := m.legacy.Machine; machine != nil && machine.Type == "worker" {
		manifests := m.legacy.Cluster != nil && len(m.legacy.Cluster.InlineManifests) > 0
		for _, c := range chunks {
			manifests = manifests || c.wire.Kind == kindInlineManifest
		}
		for _, v := range m.views {
			if len(v.addressing.vips) > 0 {
				l.about(v, multihome.SeverityError, "worker-vip", "vip", "only control planes share a VIP, and Talos rejects it in the legacy form", "remove it", "siderolabs/talos Config.Validate")
			}
		}
		if manifests {
			l.add(multihome.SeverityWarning, "worker-manifest", "v1alpha1.Config", "cluster.inlineManifests",
				"a worker does not apply inline manifests", "put them into the configs of all control planes", "siderolabs/docs: deploying Cilium")
		}
	}
}

// reach finds a node that no link connects.
func (l *linter) reach(m model) {
	if !m.documented() || m.reachable() || m.legacy.Machine == nil {
		return
	}
	l.add(multihome.SeverityError, "unreachable", "v1alpha1.Config", "",
		"documents for links stop DHCP and link-up on all others, and no link has an address", "add a DHCPv4Config, or addresses, for the link by which the node is reached; a cloud platform may give it one", "siderolabs/talos #12654")
}

// names finds settings that exist twice.
func (l *linter) names(chunks []chunk, m model) {
	if m.legacy.Machine == nil || m.legacy.Machine.Network == nil {
		return
	}
	network := m.legacy.Machine.Network
	for _, c := range chunks {
		switch {
		case c.wire.Kind == kindHostname && network.Hostname != "":
			l.add(multihome.SeverityError, "hostname-conflict", c.object(), "hostname",
				"machine.network.hostname is set too, and Talos rejects both", "keep the document", "siderolabs/talos HostnameConfigV1Alpha1.V1Alpha1ConflictValidate")
		case c.wire.Kind == "ResolverConfig" && len(network.Nameservers) > 0 && len(c.wire.Nameservers) > 0:
			l.add(multihome.SeverityError, "resolver-conflict", c.object(), "nameservers",
				"machine.network.nameservers is set too, and Talos rejects both", "keep the document", "siderolabs/talos ResolverConfigV1Alpha1.V1Alpha1ConflictValidate")
		}
	}
}

// installer finds the Talos version in the name of an installer image.
var installer = regexp.MustCompile(`:(v\d+\.\d+\.\d+\S*)$`)

// installed is the version of the installer image, if the config names one.
func installed(m model) (version, bool) {
	machine := m.legacy.Machine
	if machine == nil || machine.Install == nil {
		return version{}, false
	}
	match := installer.FindStringSubmatch(machine.Install.Image)
	if match == nil {
		return version{}, false
	}
	v, err := parseVersion(match[1])
	return v, err == nil
}

// versions compares the forms with the Talos version that the config installs.
func (l *linter) versions(chunks []chunk, m model) {
	v, ok := installed(m)
	if !ok {
		return
	}
	machine := m.legacy.Machine
	if network := machine.Network; v.documents() && network != nil {
		for _, key := range []struct {
			name, instead string
			set           bool
		}{
			{"interfaces", "one document per link", len(network.Interfaces) > 0},
			{"hostname", kindHostname, network.Hostname != ""},
			{"nameservers", "ResolverConfig", len(network.Nameservers) > 0},
		} {
			if key.set {
				l.add(multihome.SeverityInfo, "deprecated", "v1alpha1.Config", "machine.network."+key.name,
					"Talos v1.12 and later call this deprecated and still accept it", "move to "+key.instead+" when it suits", "siderolabs/talos release notes of v1.12")
			}
		}
	}
	for _, c := range chunks {
		if !v.documents() && (slices.Contains(linkKinds(), c.wire.Kind) || c.wire.Kind == kindDHCPv4 || c.wire.Kind == kindDHCPv6 || c.wire.Kind == kindAlias || c.wire.Kind == kindVIP) {
			l.add(multihome.SeverityError, "too-new", c.object(), "kind",
				"Talos "+v.text+", which the config installs, does not know this kind and rejects the config", "use machine.network.interfaces, or install v1.12", "siderolabs/talos registry")
		}
	}
}
