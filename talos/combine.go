package talos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
)

// Combine returns one patch that does what all the patches do, in their order.
// It is how a bond, its VLANs and the bridges above them become one change that
// is applied at once.
//
// The patches must be of one Talos minor version and one form. The error holds
// everything that Talos would accept and the node would not survive: a port in
// two bridges or bonds, addresses on a port, two documents or interfaces of one
// name; each is a *field.Error whose path begins with the index of the patch.
func Combine(patches ...Patch) (Patch, error) {
	var out Patch
	var errs field.ErrorList
	for i, p := range patches {
		at := field.NewPath("patches").Index(i)
		if p.version.contract == nil {
			continue // the zero Patch
		}
		switch {
		case out.version.contract == nil:
			out.version = p.version
		case out.version.contract.String() != p.version.contract.String():
			errs = append(errs, field.Invalid(at, p.version.text, "must be of the version of the others, "+out.version.text))
		}
		switch {
		case p.form != "" && out.form != "" && p.form != out.form:
			errs = append(errs, field.Invalid(at, p.form, "must be of the form of the others, "+string(out.form)))
		default:
			out.form = cmp.Or(out.form, p.form)
		}
		out.primary = cmp.Or(out.primary, p.primary)
		out.assumed = append(out.assumed, p.assumed...)
		for _, d := range p.documents {
			errs = append(errs, out.addDocument(at, d)...)
		}
		errs = append(errs, addLegacy(at, &out.legacy, p.legacy)...)
		errs = append(errs, addLegacy(at, &out.upgraded, p.upgraded)...)
		out.extra = append(out.extra, p.extra...)
	}
	if len(errs) > 0 {
		return Patch{}, joinErrors(errs)
	}
	out.dropCompanions()
	out, err := out.finish()
	if err != nil {
		return Patch{}, err
	}
	for _, f := range out.Findings {
		if f.Severity == multihome.SeverityError {
			errs = append(errs, field.Forbidden(field.NewPath("patches"), strings.TrimSpace(f.Object+" "+f.Path)+": "+f.Message))
		}
	}
	if len(errs) > 0 {
		return Patch{}, joinErrors(errs)
	}
	return out, nil
}

// addDocument adds a document, of which there is one of each kind and name.
func (p *Patch) addDocument(at *field.Path, d document) field.ErrorList {
	i := slices.IndexFunc(p.documents, func(other document) bool { return other.id() == d.id() })
	switch {
	case i < 0:
		p.documents = append(p.documents, d)
	case d.companion:
	case p.documents[i].companion:
		p.documents[i] = d
	default:
		return field.ErrorList{field.Duplicate(at, d.object())}
	}
	return nil
}

// dropCompanions removes companions of links that the patches configure.
func (p *Patch) dropCompanions() {
	m := p.model()
	p.documents = slices.DeleteFunc(p.documents, func(d document) bool {
		return d.companion && slices.ContainsFunc(m.views, func(v view) bool {
			return !v.companion && (v.name == d.Name && v.addressing.reachable() || v.isMaster() && slices.Contains(v.ports, d.Name))
		})
	})
}

// addLegacy merges the interfaces, manifests and settings of one patch.
func addLegacy(at *field.Path, out *legacyConfig, in legacyConfig) field.ErrorList {
	var errs field.ErrorList
	if in.Machine != nil {
		if out.Machine == nil {
			out.Machine = &legacyMachine{Network: &legacyNetwork{}}
		}
		network := out.Machine.Network
		for _, d := range in.Machine.Network.Interfaces {
			i := slices.IndexFunc(network.Interfaces, func(other device) bool { return other.key() == d.key() })
			if i < 0 {
				network.Interfaces = append(network.Interfaces, d)
				continue
			}
			merged, ok := mergeDevices(network.Interfaces[i], d)
			if !ok {
				errs = append(errs, field.Duplicate(at, d.object()))
			}
			network.Interfaces[i] = merged
		}
	}
	if in.Cluster == nil {
		return errs
	}
	if out.Cluster == nil {
		out.Cluster = &legacyCluster{}
	}
	out.Cluster.Network = cmp.Or(out.Cluster.Network, in.Cluster.Network)
	out.Cluster.Proxy = cmp.Or(out.Cluster.Proxy, in.Cluster.Proxy)
	for _, m := range in.Cluster.InlineManifests {
		if slices.ContainsFunc(out.Cluster.InlineManifests, func(other inlineManifest) bool { return other.Name == m.Name }) {
			errs = append(errs, field.Duplicate(at, fmt.Sprintf("inline manifest %s", m.Name)))
			continue
		}
		out.Cluster.InlineManifests = append(out.Cluster.InlineManifests, m)
	}
	return errs
}

// mergeDevices joins two entries for one interface, of which one may only add
// VLANs or DHCP.
func mergeDevices(a, b device) (device, bool) {
	if a.owns < b.owns {
		a, b = b, a
	}
	ok := b.owns == ownsNothing || b.owns == ownsDHCP && a.owns > ownsDHCP && !a.DHCP
	if b.owns == ownsDHCP {
		a.DHCP, a.DHCPOptions = b.DHCP, b.DHCPOptions
	}
	vlans := slices.Clone(a.VLANs)
	for _, vlan := range b.VLANs {
		ok = ok && !slices.ContainsFunc(vlans, func(other legacyVLAN) bool { return other.VLANID == vlan.VLANID })
		vlans = append(vlans, vlan)
	}
	a.VLANs = vlans
	return a, ok
}
