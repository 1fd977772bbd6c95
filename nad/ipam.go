package nad

import (
	"encoding/json"
	"strconv"
)

// Route is a route in the pod. Zero Priority, Table and Scope are the kernel's
// defaults; those and MTU and AdvMSS are from plugins v1.6.0 on.
type Route struct {
	// Dst is the destination, "10.7.0.0/16"; "0.0.0.0/0" is the default route,
	// which takes the pod's traffic away from the cluster's network.
	Dst string `json:"dst,omitzero"`
	// GW is the next hop. "" is the gateway of the IPAM, if it has one.
	GW string `json:"gw,omitzero"`
	// MTU is read by the plugins and not applied.
	MTU int `json:"mtu,omitzero"`
	// AdvMSS is read by the plugins and not applied.
	AdvMSS int `json:"advmss,omitzero"`
	// Priority is the metric.
	Priority int `json:"priority,omitzero"`
	// Table is the routing table. Nil is main.
	Table *int `json:"table,omitzero"`
	// Scope is that of the kernel: 0 global, 253 link. Nil is chosen by GW.
	Scope *int `json:"scope,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// HostLocal configures the IPAM plugin host-local: addresses out of ranges,
// counted on each node alone. Two nodes give out the same address, so it is
// for networks that end on a node, or for ranges that differ by node. Give
// Subnet, or Ranges, or both.
type HostLocal struct {
	// Subnet is the network of the first range, without host bits, at most a
	// /30 or /126.
	Subnet string `json:"subnet,omitzero"`
	// RangeStart is the first address to give out. "" is the second of Subnet.
	RangeStart string `json:"rangeStart,omitzero"`
	// RangeEnd is the last address to give out. "" is the last of Subnet.
	RangeEnd string `json:"rangeEnd,omitzero"`
	// Gateway is never given out. "" is the first address of Subnet.
	Gateway string `json:"gateway,omitzero"`
	// Ranges are sets of ranges; a pod gets one address of each set.
	Ranges [][]HostLocalRange `json:"ranges,omitzero"`
	// Routes are the routes in the pod.
	Routes []Route `json:"routes,omitzero"`
	// DataDir is where the node remembers addresses. "" is /var/lib/cni/networks.
	DataDir string `json:"dataDir,omitzero"`
	// ResolvConf is a file on the node to take the DNS settings from.
	ResolvConf string `json:"resolvConf,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// HostLocalRange is a range of addresses: see the fields of [HostLocal].
type HostLocalRange struct {
	// Subnet is the network, without host bits.
	Subnet string `json:"subnet,omitzero"`
	// RangeStart is the first address to give out.
	RangeStart string `json:"rangeStart,omitzero"`
	// RangeEnd is the last address to give out.
	RangeEnd string `json:"rangeEnd,omitzero"`
	// Gateway is never given out.
	Gateway string `json:"gateway,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// Type returns host-local.
func (HostLocal) Type() string { return "host-local" }

// Static configures the IPAM plugin static: the same addresses for every pod,
// or those that each pod requests.
type Static struct {
	// Addresses are given to every pod. What a pod requests through the
	// capability ips takes their place.
	Addresses []StaticAddress `json:"addresses,omitzero"`
	// Routes are the routes in the pod.
	Routes []Route `json:"routes,omitzero"`
	// DNS is put into the result, which nothing reads on a secondary network.
	DNS DNS `json:"dns,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// StaticAddress is an address of [Static].
type StaticAddress struct {
	// Address is the address with its prefix length, "10.7.0.5/24".
	Address string `json:"address,omitzero"`
	// Gateway is the next hop of routes that name none.
	Gateway string `json:"gateway,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// Type returns static.
func (Static) Type() string { return "static" }

// DHCP configures the IPAM plugin dhcp: IPv4 addresses from a DHCP server on
// the network. It needs the plugin's daemon on each node.
type DHCP struct {
	// DaemonSocketPath is the daemon's socket. "" is /run/cni/dhcp.sock.
	DaemonSocketPath string `json:"daemonSocketPath,omitzero"`
	// Provide are options to send to the server.
	Provide []DHCPProvide `json:"provide,omitzero"`
	// Request are options to ask the server for.
	Request []DHCPRequest `json:"request,omitzero"`
	// Priority is the metric of the routes. From plugins v1.6.0 on.
	Priority int `json:"priority,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// DHCPProvide is an option for the DHCP server.
type DHCPProvide struct {
	// Option is a number, or one of the names that the plugin knows: host-name,
	// dhcp-client-identifier, subnet-mask, routers, user-class,
	// vendor-class-identifier.
	Option string `json:"option,omitzero"`
	// Value is its value, at most 255 bytes.
	Value string `json:"value,omitzero"`
	// FromArg takes the value from an argument of the runtime, "K8S_POD_NAME".
	FromArg string `json:"fromArg,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// DHCPRequest is an option to ask the DHCP server for.
type DHCPRequest struct {
	// SkipDefault leaves out the options that are asked for otherwise.
	SkipDefault bool `json:"skipDefault,omitzero"`
	// Option is a number or a name: see [DHCPProvide].
	Option string `json:"option,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// Type returns dhcp.
func (DHCP) Type() string { return "dhcp" }

func (c DHCP) checkIPAM(k *checker) {
	for i, option := range c.Provide {
		k := k.at("provide", i)
		if option.Option == "" {
			k.require("option", "a number or a name such as host-name")
		}
		k.dhcpOption(option.Option)
		if len(option.Value) > 255 {
			k.invalid("value", shorten(option.Value), "range", "must have at most 255 bytes")
		}
	}
	for i, option := range c.Request {
		k.at("request", i).dhcpOption(option.Option)
	}
}

func (k *checker) dhcpOption(name string) {
	known := []string{"dhcp-client-identifier", "host-name", "routers", "subnet-mask", "user-class", "vendor-class-identifier"}
	if _, err := strconv.ParseUint(name, 10, 8); err != nil && name != "" {
		oneOf(k, "option", name, known...)
	}
}

// Whereabouts configures the IPAM plugin whereabouts: addresses out of ranges,
// counted for the whole cluster. Give Range, or IPRanges, or both.
type Whereabouts struct {
	// Range is a network, "10.7.0.0/24", or a part of one, "10.7.0.5-10.7.0.9/24".
	Range string `json:"range,omitzero"`
	// RangeStart is the first address to give out. It must be in Range; the
	// plugin says nothing if it is not.
	RangeStart string `json:"range_start,omitzero"`
	// RangeEnd is the last address to give out. It must be in Range; the plugin
	// says nothing if it is not.
	RangeEnd string `json:"range_end,omitzero"`
	// Exclude are addresses and networks that are not given out.
	Exclude []string `json:"exclude,omitzero"`
	// IPRanges are further ranges; a pod gets one address of each.
	IPRanges []WhereaboutsRange `json:"ipRanges,omitzero"`
	// Gateway is the next hop of routes that name none. It is given out as an
	// address too, unless Exclude has it.
	Gateway string `json:"gateway,omitzero"`
	// Routes are the routes in the pod.
	Routes []Route `json:"routes,omitzero"`
	// DNS is put into the result, which nothing reads on a secondary network.
	DNS DNS `json:"dns,omitzero"`
	// Addresses are given to every pod as well.
	Addresses []StaticAddress `json:"addresses,omitzero"`
	// NetworkName separates pools of equal ranges. Without it networks with one
	// range share a pool.
	NetworkName string `json:"network_name,omitzero"`
	// EnableOverlappingRanges keeps addresses unique across networks whose
	// ranges overlap. Nil is true.
	EnableOverlappingRanges *bool `json:"enable_overlapping_ranges,omitzero"`
	// NodeSliceSize gives each node a part of the range of this size, "/26".
	NodeSliceSize string `json:"node_slice_size,omitzero"`
	// LogFile is a file on the node.
	LogFile string `json:"log_file,omitzero"`
	// LogLevel is panic, error, verbose or debug.
	LogLevel string `json:"log_level,omitzero"`
	// ConfigurationPath is a file on the node with defaults.
	ConfigurationPath string `json:"configuration_path,omitzero"`
	// Kubernetes says how to reach the API server. Zero is the file on the node.
	Kubernetes WhereaboutsKubernetes `json:"kubernetes,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// WhereaboutsRange is a range of addresses: see the fields of [Whereabouts].
type WhereaboutsRange struct {
	// Range is a network or a part of one.
	Range string `json:"range,omitzero"`
	// RangeStart is the first address to give out.
	RangeStart string `json:"range_start,omitzero"`
	// RangeEnd is the last address to give out.
	RangeEnd string `json:"range_end,omitzero"`
	// Exclude are addresses and networks that are not given out.
	Exclude []string `json:"exclude,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// WhereaboutsKubernetes says how whereabouts reaches the API server.
type WhereaboutsKubernetes struct {
	// Kubeconfig is a file on the node.
	Kubeconfig string `json:"kubeconfig,omitzero"`
	// APIRoot is the URL of the API server.
	APIRoot string `json:"k8s_api_root,omitzero"`
	// Extra are keys that are not known here, with their JSON values.
	Extra map[string]json.RawMessage `json:"-"`
}

// Type returns whereabouts.
func (Whereabouts) Type() string { return "whereabouts" }

// hasGateway reports whether the IPAM names a gateway.
func hasGateway(ipam IPAM) bool {
	switch c := ipam.(type) {
	case HostLocal:
		return c.Gateway != ""
	case Whereabouts:
		return c.Gateway != ""
	case Static:
		for _, address := range c.Addresses {
			if address.Gateway != "" {
				return true
			}
		}
	}
	return false
}

// routesOf returns the routes that the IPAM sets.
func routesOf(ipam IPAM) []Route {
	switch c := ipam.(type) {
	case HostLocal:
		return c.Routes
	case Whereabouts:
		return c.Routes
	case Static:
		return c.Routes
	}
	return nil
}
