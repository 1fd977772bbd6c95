package cni_test

import "maps"

// A schema is a configuration that a plugin takes, and the values to give its
// keys, one at a time.
type schema struct {
	name string
	base string
	// values by path, as the members of a JSON array. A path goes through
	// objects by key and through arrays by index: "ipam.routes.0.dst".
	values map[string]string
}

// wrongTypes are given to every key: one of them at least is of no type that
// the key takes.
const wrongTypes = `null, true, 5, 5.5, "5", [], {}`

const (
	bridge = `"type":"bridge","bridge":"br0"`
	ipv4   = `"ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24","gateway":"10.7.0.1"}]}`
	ipv6   = `"ipam":{"type":"static","addresses":[{"address":"2001:db8::5/64","gateway":"2001:db8::1"}]}`

	mtus      = `-5, -1, 0, 1, 67, 68, 1279, 1280, 1500, 1501, 65521, 65522, 65535, 65536, 70000, 1500.0, 15e2`
	macs      = `"", "zz", "02:00:00:00:00:07", "02-00-00-00-00-07", "0200.0000.0007", "01:00:00:00:00:07", "00:00:00:00:00:00", "02:00:00:00:00:00:00:07", "ff:ff:ff:ff:ff:ff"`
	names     = `"", "abcdefghijklmno", "abcdefghijklmnop", "a b", "a/b", "a:b", ".", "..", "é", "lo", "eth0"`
	flags     = `true, false, "true", 1`
	prefixes  = `"", "10.7.0.5/24", "10.7.0.5", "10.7.0.0/24", "10.7.0.255/24", "224.0.0.1/4", "127.0.0.1/8", "0.0.0.0/0", "10.7.0.1/32", "10.7.0.4/30", "10.7.0.4/31", "::1/128", "fe80::1/64", "2001:db8::/64", "2001:db8::5/64", "2001:db8::4/126", "2001:db8::4/127", "ff02::1/64", "::/0", "::ffff:10.0.0.1/120", "10.7.0.05/24", "10.7.0.5/33", "10.7.0.5/08", "10.7.0.5/024", "fe80::1%eth0/64"`
	addresses = `"", "10.7.0.1", "10.7.0.0", "10.7.0.5", "10.7.0.255", "10.8.0.1", "2001:db8::1", "fe80::1", "0.0.0.0", "::", "x", "10.7.0.1/24", "::ffff:10.7.0.1", "10.7.0.01"`
	versions  = `"", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", "1.2.0", "0.4", "v1.0.0", "x"`
	routes    = `[{"dst":"10.9.0.0/16"},{"dst":"10.9.0.0/16"}], [{"dst":"10.9.0.0/16"},{"dst":"10.9.0.0/16","priority":5}], [{"dst":"10.9.0.0/16","table":100}], [{"dst":"0.0.0.0/0"}], [{"dst":"0.0.0.0/0","gw":"10.7.0.1"}], [{"dst":"10.9.0.0/16","gw":"10.7.0.1"},{"dst":"10.9.0.0/16","gw":"10.7.0.1"}], [{"dst":"10.9.0.0/16","scope":253}], [{"dst":"10.9.0.0/16","scope":253},{"dst":"10.11.0.0/16","gw":"10.9.0.1"}], [{"dst":"2001:db8:1::/48"}], [{"dst":"10.9.0.0/16","mtu":1400}], [null], [{}], [{"dst":"10.9.0.0/16","gw":"10.7.0.5"}], [{"dst":"10.9.0.0/16","table":-1}], [{"dst":"10.9.0.0/16","priority":-1}], [{"gw":"10.7.0.1"}], [{"dst":"10.9.0.5/16"}]`
)

// general are keys of all plugins.
var general = map[string]string{
	"cniVersion":   versions,
	"name":         `"", "a b", "a/b", "-a", "a_b.c-d", "é"`,
	"capabilities": `{"mac":true}, {"mac":1}, {"ips":true}`,
	"dns":          `{"nameservers":"x"}, {"nameservers":["x"]}, {"options":[5]}`,
	"prevResult":   `{"ips":5}`,
	"ipam":         `{"type":""}, {"type":5}, {"subnet":"10.7.0.0/24"}, {"type":"a/b"}`,
}

var schemas = []schema{
	{"bridge", `{` + bridge + `}`, merge(general, bridgeValues)},
	{"bridge with ipam", `{` + bridge + `,` + ipv4 + `}`, merge(general, bridgeValues)},
	{"bridge as gateway", `{` + bridge + `,"isGateway":true,"ipMasq":true,` + ipv4 + `}`, map[string]string{
		"ipMasqBackend": `"", "iptables", "nftables", "pf"`, "vlan": `0, 4094`, "forceAddress": flags, "enabledad": flags,
	}},
	{"bridge with a long name as gateway", `{"type":"bridge","bridge":"abcdefghijklm","isGateway":true,` + ipv4 + `}`, map[string]string{"vlan": `0, 5, 50`}},
	{"bridge with IPv6", `{` + bridge + `,` + ipv6 + `}`, map[string]string{"mtu": mtus, "isGateway": flags, "isDefaultGateway": flags}},
	{"bridge, default gateway", `{` + bridge + `,"isDefaultGateway":true,"ipam":{"type":"host-local","subnet":"10.7.0.0/24"}}`, map[string]string{
		"ipam.routes": routes, "isGateway": flags,
	}},
	{"macvlan", `{"type":"macvlan","master":"eth0"}`, merge(general, macvlanValues)},
	{"macvlan with ipam", `{"type":"macvlan","master":"eth0",` + ipv4 + `}`, macvlanValues},
	{"macvlan with IPv6", `{"type":"macvlan","master":"eth0",` + ipv6 + `}`, map[string]string{"mtu": mtus}},
	{"macvlan in the pod", `{"type":"macvlan","linkInContainer":true}`, map[string]string{"master": `"eth0", "lo"`}},
	{"ipvlan", `{"type":"ipvlan","master":"eth0",` + ipv4 + `}`, merge(general, map[string]string{
		"master": names, "mode": `"", "l2", "l3", "l3s", "L2"`, "mtu": mtus, "linkInContainer": flags,
	})},
	{"ipvlan with IPv6", `{"type":"ipvlan","master":"eth0",` + ipv6 + `}`, map[string]string{"mtu": `67, 1279, 1280`}},
	{"ipvlan without ipam", `{"type":"ipvlan","master":"eth0"}`, nil},
	{"vlan", `{"type":"vlan","master":"eth0","vlanId":5,` + ipv4 + `}`, merge(general, map[string]string{
		"master": names, "vlanId": `-1, 0, 1, 4094, 4095, 4096`, "mtu": mtus, "linkInContainer": flags,
	})},
	{"vlan with IPv6", `{"type":"vlan","master":"eth0","vlanId":5,` + ipv6 + `}`, map[string]string{"mtu": `1, 67, 68, 1279, 1280`}},
	{"vlan without master", `{"type":"vlan","vlanId":5,` + ipv4 + `}`, nil},
	{"vlan without ipam", `{"type":"vlan","master":"eth0","vlanId":5}`, nil},
	{"host-device", `{"type":"host-device","device":"peer0"}`, merge(general, map[string]string{"device": names})},
	{"host-device by another name", `{"type":"host-device"}`, map[string]string{
		"hwaddr": `"zz", ""`, "kernelpath": `"/x", "/sys/devices/../x", "sys/devices/x", ""`, "pciBusID": `""`,
	}},
	{"ptp", `{"type":"ptp",` + ipv4 + `}`, merge(general, map[string]string{
		"mtu": mtus, "ipMasq": flags, "ipMasqBackend": `"", "iptables", "pf"`, "ipam.addresses.0.gateway": addresses,
		"ipam.addresses": `[], [{"address":"10.7.0.5/24","gateway":"10.7.0.1"},{"address":"10.7.0.6/24","gateway":"10.7.0.1"}], [{"address":"10.7.0.5/24"}]`,
	})},
	{"ptp that masquerades", `{"type":"ptp","ipMasq":true,` + ipv4 + `}`, map[string]string{"ipMasqBackend": `"", "iptables", "pf"`}},
	{"ptp with host-local", `{"type":"ptp","ipam":{"type":"host-local","ranges":[[{"subnet":"10.7.0.0/24"}],[{"subnet":"2001:db8::/64"}]]}}`, map[string]string{
		"ipam.ranges.1.0.subnet": `"10.8.0.0/24", "10.7.0.0/24"`, "ipam.ranges.1.0.gateway": `"2001:db8::9", "10.7.0.1"`,
	}},
	{"ptp without ipam", `{"type":"ptp"}`, nil},
	{"dummy", `{"type":"dummy",` + ipv4 + `}`, general},
	{"dummy with IPv6", `{"type":"dummy",` + ipv6 + `}`, nil},
	{"dummy without ipam", `{"type":"dummy"}`, nil},
	{"loopback", `{"type":"loopback"}`, merge(general, map[string]string{"mtu": mtus})},
	{"tap", `{"type":"tap","owner":0,"group":0}`, merge(general, tapValues)},
	{"tap made by ip", `{"type":"tap"}`, tapValues},
	{"no plugin", `{}`, map[string]string{
		"type": `"", "a/b", "a\\b", "cilium-cni", "..", "BRIDGE"`,
		"plugins": `[null], [{}], [[]], ["bridge"], [{"type":""}], [{"type":5}], [{"type":"loopback"},null], [{"type":"loopback"},{}],
			[{"type":"loopback"},{"type":"loopback"}], [{"type":"bridge","bridge":"br0"},{"type":"tuning"},{"type":"tuning"}]`,
	}},
	{"no plugin but a type", `{"type":"loopback"}`, map[string]string{"plugins": `[{"type":"bridge","vlan":5000}]`}},
}

var bridgeValues = map[string]string{
	"bridge": names, "mtu": mtus, "vlan": `-1, 0, 1, 4094, 4095`,
	"isGateway": flags, "isDefaultGateway": flags, "forceAddress": flags, "ipMasq": flags, "ipMasqBackend": `"", "iptables", "pf"`,
	"promiscMode": flags, "hairpinMode": flags, "preserveDefaultVlan": flags, "macspoofchk": `false`, "enabledad": flags,
	"disableContainerInterface": flags, "portIsolation": flags,
	"vlanTrunk": `[{}], [null], [{"id":-1}], [{"id":0}], [{"id":1}], [{"id":4094}], [{"id":4095}], [{"id":null}], [{"id":"5"}],
		[{"minID":1,"maxID":1}], [{"minID":5,"maxID":4}], [{"minID":0,"maxID":4}], [{"minID":4}], [{"maxID":4}], [{"minID":1,"maxID":4095}], [{"id":5,"minID":5,"maxID":6}]`,
	"args": `{"cni":{"mac":"zz"}}, {"cni":{"mac":"02:00:00:00:00:07"}}, {"cni":5}, {"cni":{"mac":5}}`,
}

var macvlanValues = map[string]string{
	"master": names + `, "nope"`, "mode": `"", "bridge", "private", "vepa", "passthru", "source", "Bridge"`, "mtu": mtus, "mac": macs,
	"linkInContainer": flags, "bcqueuelen": `0, 4294967295, 4294967296, -1`,
}

var tapValues = map[string]string{
	"multiQueue": flags, "mtu": mtus, "mac": macs, "owner": `0, -1, 4294967295, 4294967296`, "group": `0, -1, 4294967295, 4294967296`,
	"selinuxContext": `""`, "bridge": names,
}

// chained are plugins behind another one; the keys are those of the last.
var chained = []schema{
	{"tuning", `{"type":"tuning"}`, merge(general, map[string]string{
		"sysctl": `{"net.core.somaxconn":"500"}, {"net/core/somaxconn":"500"}, {"net.core.somaxconn":500}, {"kernel.msgmax":"5"}, {"net.ipv4.conf.IFNAME.arp_ignore":"1"},
			{"net.ipv4.conf.net1.arp_ignore":"1"}, {"net":"1"}, {"netfoo.x":"1"}, {"":"1"}, {"net.nope":"1"}, {"net.core/../../kernel.msgmax":"5"}, {"net.core.somaxconn":"x"}`,
		"mtu": mtus, "mac": macs, "promisc": flags, "allmulti": flags, "txQLen": `-1, 0, 100`, "dataDir": `"/run/tuning"`,
		"args": `{"cni":{"mac":"zz"}}, {"cni":{"sysctl":"net.core.somaxconn=500"}}, {"cni":{"sysctl":{}}}, {"cni":{"sysctl":{"net.core.somaxconn":"500"}}}, {"cni":{"mac":"01:00:00:00:00:07"}}, {"cni":{"promisc":"x"}}, {"cni":{"sysctl":null}}, {"cni":{"mtu":67}}, {"cni":{"mtu":"1400"}}, {"cni":{"txQLen":"x"}}`,
	})},
	{"bandwidth", `{"type":"bandwidth"}`, general},
	{"bandwidth with limits", `{"type":"bandwidth","ingressRate":80000,"ingressBurst":80000}`, map[string]string{
		"cniVersion": versions, "ingressRate": `0, -1, 7, 8, 16`, "ingressBurst": `0, -1, 8, 15, 16, 24, 800, 34359738359, 34359738360`, "egressRate": `0, 80000, -1`, "egressBurst": `0, 80000, -1`,
	}},
	{"bandwidth at 10 Gbit", `{"type":"bandwidth","egressRate":10000000000,"egressBurst":8000000}`, map[string]string{"egressBurst": `8, 9999, 10000, 10008, 20000, 80000`}},
	{"portmap", `{"type":"portmap","capabilities":{"portMappings":true}}`, merge(general, map[string]string{
		"backend": `"", "iptables", "nftables", "pf"`, "snat": flags, "masqAll": flags, "markMasqBit": `-1, 0, 31, 32`, "externalSetMarkChain": `"", "A"`,
		"conditionsV4": `["-s","1.1.1.1"], ["!","-s"], ["ip saddr 1.1.1.1"], [""], [null], [5]`, "conditionsV6": `["-s","::1"], ["ip6 saddr ::1"]`,
	})},
	{"portmap with iptables", `{"type":"portmap","backend":"iptables"}`, map[string]string{"conditionsV4": `["-s","1.1.1.1"], ["ip saddr 1.1.1.1"]`, "conditionsV6": `["-s","::1"], ["ip6 saddr ::1"]`}},
	{"portmap with nftables", `{"type":"portmap","backend":"nftables"}`, map[string]string{"conditionsV4": `["-s","1.1.1.1"], ["ip saddr 1.1.1.1"]`, "conditionsV6": `["-s","::1"], ["ip6 saddr ::1"]`}},
	{"portmap with a mark", `{"type":"portmap","markMasqBit":1}`, map[string]string{"externalSetMarkChain": `"", "A"`}},
	{"sbr", `{"type":"sbr"}`, merge(general, map[string]string{"table": `-1, 0, 200, 4294967296`})},
	{"firewall", `{"type":"firewall"}`, merge(general, map[string]string{
		"backend": `"", "iptables", "x"`, "ingressPolicy": `"", "open", "same-bridge", "isolated", "foo"`, "iptablesAdminChainName": `"A"`, "firewalldZone": `"trusted"`,
	})},
	{"vrf", `{"type":"vrf","vrfname":"red"}`, merge(general, map[string]string{"vrfname": names, "table": `0, 5, -1, 4294967296`})},
	{"vrf without name", `{"type":"vrf"}`, nil},
}

// makers are plugins that may stand before a chained one.
var makers = []schema{
	{"bridge with ipam", `{` + bridge + `,` + ipv4 + `}`, nil},
	{"bridge", `{` + bridge + `}`, nil},
	{"macvlan with ipam", `{"type":"macvlan","master":"eth0",` + ipv4 + `}`, nil},
}

// ipams are configurations of IPAMs, which the plugin bridge asks.
var ipams = []schema{
	{"static", `{"type":"static","addresses":[{"address":"10.7.0.5/24"}]}`, map[string]string{
		"addresses":           `[], [null], [{}], [{"address":"10.7.0.5/24"},{"address":"10.7.0.6/24"}], [{"address":"10.7.0.5/24"},{"address":"10.7.0.5/24"}], [{"address":"10.7.0.5/24"},{"address":"10.7.0.5/25"}], [{"address":"10.7.0.5/24"},{"address":"2001:db8::5/64"}]`,
		"addresses.0.address": prefixes, "addresses.0.gateway": addresses, "routes": routes, "dns": `{"nameservers":["10.7.0.1"]}, {"search":"x"}`,
		"routes.0.dst": prefixes, "mtu": `5`,
	}},
	{"static with a route", `{"type":"static","addresses":[{"address":"10.7.0.5/24"}],"routes":[{"dst":"10.9.0.0/16"}]}`, map[string]string{
		"routes.0.gw": addresses, "addresses.0.gateway": addresses, "routes.0.scope": `0, 200, 253, 254, 255, -1, 256`, "routes.0.table": `0, 254, 4294967296`, "routes.0.priority": `0, 5`,
		"routes.0.mtu": `68`, "routes.0.advmss": `1400`,
	}},
	{"static with a gateway and a route", `{"type":"static","addresses":[{"address":"10.7.0.5/24","gateway":"10.7.0.1"}],"routes":[{"dst":"10.9.0.0/16"}]}`, map[string]string{
		"routes": routes, "routes.0.gw": addresses,
	}},
	{"static with IPv6", `{"type":"static","addresses":[{"address":"2001:db8::5/64","gateway":"2001:db8::1"}],"routes":[{"dst":"2001:db8:1::/48"}]}`, map[string]string{
		"routes.0.gw": `"fe80::1", "2001:db8::9", "2001:db9::1", "10.7.0.1"`, "routes.0.dst": `"2001:db8:1::5/48", "::/0", "10.9.0.0/16"`,
		"addresses.0.gateway": `"fe80::1", "2001:db9::1", "10.7.0.1"`, "routes.0.scope": `253`,
	}},
	{"host-local", `{"type":"host-local","subnet":"10.7.0.0/24"}`, map[string]string{
		"subnet": prefixes, "rangeStart": addresses + `, "10.7.0.254"`, "rangeEnd": addresses + `, "10.7.0.254"`, "gateway": addresses, "routes": routes,
		"ranges":  `[[{"subnet":"10.8.0.0/24"}]], [[{"subnet":"10.7.0.0/24"}]], [[{"subnet":"10.7.0.0/25"}]], [[{"subnet":"2001:db8::/64"}]], [[]], [null], [[null]], [[{}]]`,
		"dataDir": `"/run/host-local"`, "resolvConf": `"", "/nope"`,
	}},
	{"host-local with a range", `{"type":"host-local","subnet":"10.7.0.0/24","rangeStart":"10.7.0.10","rangeEnd":"10.7.0.20"}`, map[string]string{
		"rangeStart": `"10.7.0.20", "10.7.0.21", "10.7.0.1"`, "rangeEnd": `"10.7.0.10", "10.7.0.9"`, "gateway": `"10.7.0.10", "10.8.0.1"`,
	}},
	{"host-local with one address", `{"type":"host-local","subnet":"10.7.0.0/24","rangeStart":"10.7.0.1","rangeEnd":"10.7.0.1"}`, map[string]string{"gateway": `"10.7.0.2", "10.7.0.1", "0.0.0.0"`}},
	{"host-local with sets", `{"type":"host-local","ranges":[[{"subnet":"10.7.0.0/24"}],[{"subnet":"2001:db8::/64"}]]}`, map[string]string{
		"ranges":            `[[{"subnet":"10.7.0.0/24"},{"subnet":"10.8.0.0/24"}]], [[{"subnet":"10.7.0.0/24"},{"subnet":"10.7.0.128/25"}]], [[{"subnet":"10.7.0.0/24"},{"subnet":"2001:db8::/64"}]], {"subnet":"10.7.0.0/24"}, [{"subnet":"10.7.0.0/24"}]`,
		"ranges.1.0.subnet": prefixes, "rangeStart": `"10.7.0.5", "x"`, "rangeEnd": `"x"`, "gateway": `"10.7.0.5", "x"`, "subnet": `null, "10.9.0.0/24"`,
		"ranges.1": `[{"subnet":"10.7.0.0/24","rangeStart":"10.7.0.10"}], [{"subnet":"10.7.0.0/24","rangeStart":"10.7.0.10","rangeEnd":"10.7.0.20"}]`,
	}},
	{"host-local with disjoint ranges of one subnet", `{"type":"host-local","ranges":[[{"subnet":"10.7.0.0/24","rangeEnd":"10.7.0.9"}],[{"subnet":"10.7.0.0/24","rangeStart":"10.7.0.10"}]]}`, nil},
	{"host-local, old version", `{"type":"host-local","ranges":[[{"subnet":"10.7.0.0/24"}],[{"subnet":"10.8.0.0/24"}]]}`, nil},
	{"dhcp", `{"type":"dhcp"}`, map[string]string{
		"daemonSocketPath": `""`, "provide": `[{"option":"12","value":"x"}], [{"option":"nope"}]`, "request": `[{"option":"3"}]`, "priority": `5, -1`,
	}},
}

func merge(all ...map[string]string) map[string]string {
	out := make(map[string]string)
	for _, values := range all {
		maps.Copy(out, values)
	}
	return out
}
