package nad

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateName looks at the name of a NAD to be made.
func validateName(name string) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		return append(errs, field.Required(field.NewPath("name"), "the name of the network"))
	}
	for _, problem := range validation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(field.NewPath("name"), name, problem))
	}
	return errs
}

// isNetworkName reports whether libcni takes a name for that of a network.
func isNetworkName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return name != ""
}

// judge applies every rule to what was read. Fields are below the path.
func (r *reading) judge(out *report, path string) {
	const libcni = "containernetworking/cni v1.3.1 libcni"
	k := &checker{subject: &subject{report: out, network: &r.network}, source: libcni, key: path}
	if name := r.network.Name; name != "" && !isNetworkName(name) {
		k.invalid("name", name, "name", "must begin with a letter or digit and consist of letters, digits, _, . and -")
	}
	for _, key := range []string{"name", "cniVersion"} {
		if k.saysNull(key) && (key == "name" || r.network.List) {
			k.invalid(key, "null", "name", "must be a string; leave it out instead")
		}
	}
	own := &checker{} // of one plugin after the other
	for i, p := range r.network.Plugins {
		if r.bad[i] {
			continue // what is read is not what was meant
		}
		name := p.Type()
		kind, known := kindOf(name)
		k.index, k.plugin, k.common, k.ipam = i, p, p.common(), ipamOf(p)
		*own = *k
		if r.network.List {
			own.outer, own.key, own.nth = k, "plugins", i+1
		}
		if known {
			own.source = kind.source
		}
		own.judge(name, kind, known)
		k.hasIPs = k.hasIPs || !known || k.ipam != nil
	}
}

// judge applies every rule to one plugin.
func (k *checker) judge(name string, kind pluginKind, known bool) {
	k.pluginType(name)
	k.runtimeKeys()
	if known {
		k.version(kind)
		k.chain(kind)
		k.unknownCapabilities(kind)
	}
	k.plugin.check(k)
	k.dns("dns", k.common.DNS)
	if k.ipam == nil && ipamField(k.plugin) != nil {
		k.warn("ipam.type", "no-effect", "is not set, so the rest of ipam has no effect", "name the plugin that gives addresses")
	}
	if k.ipam != nil {
		inner := k.child("ipam")
		inner.pluginType(k.ipam.Type())
		inner.source = ipamSource(k.ipam.Type())
		k.ipam.checkIPAM(inner)
	}
}

func (k *checker) pluginType(name string) {
	switch {
	case name == "":
		k.require("type", "the name of the plugin's binary")
	case strings.ContainsAny(name, `/\`):
		k.invalid("type", name, "plugin-type", "must be the name of a binary, without a directory")
	case name == "cilium-cni":
		k.forbid("type", "cilium-secondary", "cilium-cni cannot make a second interface: its veth exists already on the node (cilium/cilium #23483)")
	}
}

// runtimeKeys looks at keys that libcni reads of every plugin, also of those
// that have no use for them.
func (k *checker) runtimeKeys() {
	readExtra[struct{}](k, "prevResult")
	readExtra[struct {
		Type string `json:"type"`
	}](k, "ipam")
}

// version looks at the cniVersion for one plugin, as that does for itself.
func (k *checker) version(kind pluginKind) {
	top := *k
	if k.outer != nil {
		top.outer, top.key, top.nth = nil, k.outer.key, 0
	}
	version := k.network.CNIVersion
	switch {
	case version != "" && !slices.Contains(cniVersions, version):
		if k.index == 0 {
			top.fail("cni-version", *field.NotSupported(field.NewPath("cniVersion"), version, cniVersions))
		}
	case kind.minVersion != "" && !atLeast(version, kind.minVersion):
		top.invalid("cniVersion", version, "cni-version", "must be at least "+kind.minVersion+" for "+k.plugin.Type())
	case k.index == 0 && !kind.chained && !kind.noIPAM && !atLeast(version, "0.3.0") && k.ipam == nil:
		top.invalid("cniVersion", version, "cni-version", "must be at least 0.3.0 for a network without ipam: older results cannot lack addresses")
	}
}

// chain looks at the place of a plugin among the others.
func (k *checker) chain(kind pluginKind) {
	name := k.plugin.Type()
	if kind.chained && k.index == 0 {
		k.forbid("type", "chained-only", name+" works on the interface of a plugin before it in the list")
	}
	if kind.requiresIPAM && k.ipam == nil && (k.index == 0 || name != "ipvlan" || !k.hasIPs) {
		k.require("ipam", name+" needs addresses")
	}
}

func ipamSource(ipam string) string {
	switch ipam {
	case "whereabouts":
		return "k8snetworkplumbingwg/whereabouts v0.9.4"
	case "host-local":
		return referencePlugins + "ipam/host-local"
	case "static":
		return referencePlugins + "ipam/static"
	case "dhcp":
		return referencePlugins + "ipam/dhcp"
	}
	return ""
}
