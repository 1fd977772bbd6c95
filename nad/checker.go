package nad

import (
	"maps"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A checker looks at one plugin of a network, or at a part of it. Every method
// takes keys below where it is; the key "" is that place itself.
type checker struct {
	*subject
	source string

	// Where it is. The path is put together when there is something to report,
	// which is seldom.
	outer *checker // nil at the top
	key   string   // below outer
	nth   int      // from 1, if the key is that of a list
}

// A subject is what all checkers of a plugin know.
type subject struct {
	report  *report
	network *Network
	index   int    // of the plugin
	plugin  Plugin // nil for what is not about one
	common  Common // keys of the plugin
	ipam    IPAM   // of the plugin, nil without
	hasIPs  bool   // a plugin before this one asks for addresses, or may do so
}

// at returns a checker for an element of a list. The list "" is k itself.
func (k *checker) at(list string, i int) *checker {
	return &checker{subject: k.subject, source: k.source, outer: k, key: list, nth: i + 1}
}

// child returns a checker for an object inside.
func (k *checker) child(key string) *checker {
	return &checker{subject: k.subject, source: k.source, outer: k, key: key}
}

// join returns the path of a key, or of what the checker looks at itself.
func (k *checker) join(key string) string {
	path := k.appendTo(make([]byte, 0, 64))
	if key != "" {
		path = appendKey(path, key)
	}
	return string(path)
}

func (k *checker) appendTo(path []byte) []byte {
	if k.outer != nil {
		path = k.outer.appendTo(path)
	}
	if k.key != "" {
		path = appendKey(path, k.key)
	}
	if k.nth > 0 {
		path = appendIndex(path, k.nth-1)
	}
	return path
}

func (k *checker) fail(code string, err field.Error) {
	err.Field = k.join(err.Field)
	k.report.fail(code, &err, k.source)
}

// invalid reports a value that the plugin refuses.
func (k *checker) invalid(key string, value any, code, reason string) {
	k.fail(code, field.Error{Type: field.ErrorTypeInvalid, Field: key, BadValue: value, Detail: reason})
}

// require reports a key that the plugin needs.
func (k *checker) require(key, what string) {
	k.fail("required", field.Error{Type: field.ErrorTypeRequired, Field: key, Detail: what})
}

// forbid reports a key that makes the plugin fail where it is.
func (k *checker) forbid(key, code, reason string) {
	k.fail(code, field.Error{Type: field.ErrorTypeForbidden, Field: key, Detail: reason})
}

// warn reports what is accepted and likely wrong.
func (k *checker) warn(key, code, message, remedy string) {
	k.report.warn(k.join(key), code, message, remedy, k.source)
}

// tell says what holds of every such network and need not be wrong.
func (k *checker) tell(key, code, message, remedy string) {
	k.report.tell(k.join(key), code, message, remedy, k.source)
}

func (k *checker) warnIf(is bool, key, code, message, remedy string) {
	if is {
		k.warn(key, code, message, remedy)
	}
}

// saysZero reports whether the key is there with "" or 0.
func (k *checker) saysZero(key string) bool {
	return len(k.report.zeros) > 0 && slices.Contains(k.report.zeros, k.join(key))
}

// saysNull reports whether the key is there with null, which is not nothing to
// types that read themselves.
func (k *checker) saysNull(key string) bool {
	return len(k.report.nulls) > 0 && slices.Contains(k.report.nulls, k.join(key))
}

// has reports whether the plugin has the capability.
func (k *checker) has(capability Capability) bool {
	return k.common.Capabilities[capability]
}

func (k *checker) hasResource() bool { return k.network.ResourceName != "" }

func (k *checker) hasExtra(key string) bool {
	for name := range k.common.Extra {
		if strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// upTo reports a number that is not from 0 to the highest.
func (k *checker) upTo(highest int, key string, value int) {
	if value < 0 || value > highest {
		code := "range"
		if strings.HasPrefix(key, "vlan") && key != "vlanQoS" {
			code = "vlan-range"
		}
		k.invalid(key, value, code, "must be from 0 to "+strconv.Itoa(highest))
	}
}

// oneOf reports a word that the plugin does not know. "" is its default.
func oneOf[T ~string](k *checker, key string, value T, known ...T) {
	if value == "" || slices.Contains(known, value) {
		return
	}
	err := field.NotSupported(field.NewPath(key), value, known)
	k.fail("word", *err)
}

func oneOfFold(k *checker, key, value string, known ...string) {
	if !containsFold(known, value) {
		k.fail("word", *field.NotSupported(field.NewPath(key), value, known))
	}
}

// minMTU is the smallest MTU of all links but VLANs, for which the kernel has
// no limit. IPv4 needs it.
const minMTU = 68

// mtu reports what the kernel refuses.
func (k *checker) mtu(mtu int) { k.mtuAt("mtu", mtu) }

func (k *checker) mtuAt(key string, mtu int) {
	switch {
	case mtu == 0:
	case mtu < minMTU || mtu > 65535:
		k.invalid(key, mtu, "mtu", "must be from 68 to 65535, or 0 for the default")
	case mtu < 1280 && hasIPv6(k.ipam):
		k.invalid(key, mtu, "mtu", "must be at least 1280, which IPv6 needs")
	}
}

// vethMTU is mtu for plugins that take a negative one for not set.
func (k *checker) vethMTU(mtu int) {
	if mtu < 0 {
		k.warn("mtu", "negative-mtu", "is negative, which the plugin takes for not set", "remove it")
		return
	}
	k.mtu(mtu)
}

// mac reports what is no hardware address, and what the kernel refuses as one.
func (k *checker) mac(mac string) {
	if k.parseMAC("mac", mac) {
		for _, err := range validateMAC(mac, field.NewPath("mac")) {
			k.fail("mac", *err)
		}
	}
}

func (k *checker) parseMAC(key, mac string) bool {
	if mac == "" {
		return true
	}
	_, err := net.ParseMAC(mac)
	if err != nil {
		k.invalid(key, mac, "mac", "must be a hardware address such as 02:00:00:00:00:01")
	}
	return err == nil
}

// readExtra reads a key that the plugin's struct has no field for, and reports
// values of a wrong type in it.
func readExtra[T any](k *checker, key string) T {
	var value T
	if len(k.common.Extra) == 0 {
		return value // in less time than a loop takes
	}
	for name, text := range k.common.Extra {
		if strings.EqualFold(name, key) {
			value = readJSON(k, key, string(text), value)
		}
	}
	return value
}

// readJSON reads an object on top of a value.
func readJSON[T any](k *checker, key, text string, value T) T {
	d := decoder{path: []step{{key: key}}}
	if t, ok := newTree(text); ok {
		d.object(t, reflect.ValueOf(&value).Elem())
	}
	for _, err := range d.errs {
		k.fail("type", *err)
	}
	return value
}

func (k *checker) interfaceName(key, name string) {
	if problem := interfaceProblem(name); problem != "" {
		k.invalid(key, name, "interface-name", problem)
	}
}

// hostInterface looks at an interface that the plugin uses or moves: the kernel
// allows neither with lo.
func (k *checker) hostInterface(key, name string) {
	if name == loopback {
		k.invalid(key, name, "interface-name", "is the loopback interface, which cannot be used for this")
		return
	}
	k.interfaceName(key, name)
}

// podInterface looks at an interface to be made in the pod, which has two.
func (k *checker) podInterface(key, name string) {
	if name == "eth0" {
		k.invalid(key, name, "interface-name", "is the interface of every pod in the cluster's own network")
		return
	}
	k.hostInterface(key, name)
}

const loopback = "lo"

// master looks at the interface of the node.
func (k *checker) master(name string, inContainer bool) {
	switch {
	case name != "":
		k.hostInterface("master", name)
	case inContainer:
		k.warn("linkInContainer", "master-default", "has no master: the default route of a pod is on eth0, the cluster's own network", "name the interface")
	case k.index == 0:
		k.warn("master", "master-default", "is not set: the interface of the default route is taken, which may differ between nodes", "name the interface")
	}
}

// bridgeName looks at a bridge of the node.
func (k *checker) bridgeName(key, name string) {
	switch {
	case name == loopback:
		k.hostInterface(key, name)
	case name != "":
		k.interfaceName(key, name)
	case k.saysZero(key):
		k.invalid(key, name, "interface-name", "must not be empty; leave it out for cni0")
	}
	taken := name == "" || name == "cni0" || name == "docker0" || strings.HasPrefix(name, "cilium_") || strings.HasPrefix(name, "lxc")
	if taken && !k.saysZero(key) {
		k.warn(key, "primary-bridge", "is "+strconv.Quote(name)+", and that bridge may belong to the primary CNI (\"\" is cni0)", "use a bridge of your own")
	}
}

func (k *checker) trunk(trunk VLANTrunk, highest int) {
	lowest := 4095 - highest // 1 for the plugin bridge, 0 for ovs
	for key, id := range map[string]int{"id": trunk.ID, "minID": trunk.MinID, "maxID": trunk.MaxID} {
		if id < 0 || id > highest || id < lowest && k.saysZero(key) {
			k.invalid(key, id, "vlan-range", "must be from "+strconv.Itoa(lowest)+" to "+strconv.Itoa(highest))
		}
	}
	hasMin, hasMax := trunk.MinID != 0 || k.saysZero("minID"), trunk.MaxID != 0 || k.saysZero("maxID")
	switch {
	case hasMin && !hasMax:
		k.require("maxID", "minID and maxID go together")
	case hasMax && !hasMin:
		k.require("minID", "minID and maxID go together")
	case trunk.MinID > trunk.MaxID:
		k.invalid("minID", trunk.MinID, "vlan-range", "must not be above maxID")
	}
}

// masqBackend looks at a backend that only counts when masquerading is on.
func (k *checker) masqBackend(on bool, backend string) {
	if on {
		k.backend("ipMasqBackend", backend)
	} else if backend != "" {
		k.warn("ipMasqBackend", "no-effect", "has no effect without ipMasq and ipam", "remove it")
	}
}

// backend looks at the name of a packet filter. That it is left out is not as
// good as "".
func (k *checker) backend(key, name string) {
	if name == "" && k.saysZero(key) {
		k.invalid(key, name, "word", "must not be empty; leave it out for what the node has")
	}
	oneOf(k, key, name, "iptables", "nftables")
}

// device looks for the device of a plugin that needs one.
func (k *checker) device(id string) {
	if id == "" && !k.hasResource() {
		k.require("deviceID", "or the annotation resourceName, so that the kubelet allocates one")
	}
}

// unknownCapabilities warns of capabilities that the plugin does not use.
func (k *checker) unknownCapabilities(kind pluginKind) {
	ofIPAM := func(capability Capability) bool { return capability == CapabilityIPs || capability == "ipRanges" }
	var unused []Capability
	for capability, on := range k.common.Capabilities {
		used := slices.Contains(kind.capabilities, capability) || k.ipam != nil && ofIPAM(capability)
		if on && !used {
			unused = append(unused, capability)
		}
	}
	slices.Sort(unused)
	for _, capability := range unused {
		if ofIPAM(capability) {
			k.warn("capabilities."+string(capability), "capability-misplaced", "has no effect on a plugin without ipam", "put it on the plugin with ipam")
		} else {
			k.warn("capabilities."+string(capability), "capability-misplaced", "is not used by "+k.plugin.Type(), "put it on a plugin that uses it: "+consumers(capability))
		}
	}
}

// consumers names the plugins that use a capability.
func consumers(capability Capability) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(pluginKinds)) {
		if slices.Contains(pluginKinds[name].capabilities, capability) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
