package nad_test

import (
	"strings"
	"testing"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"

	"github.com/multihome/multihome/nad"
)

func TestCheckAttachment(t *testing.T) {
	const (
		v         = `"cniVersion":"1.0.0","name":"net"`
		hostLocal = `"ipam":{"type":"host-local","subnet":"10.7.0.0/24"}`
		static    = `"ipam":{"type":"static"}`
		br        = `{"type":"bridge","bridge":"br0","ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"}]}}`
		ignored   = "warning nad/default-route-ignored default-route: has no effect with Multus v4.2.2 to v4.3.0"
	)
	portMappings := []nad.PortMapping{{HostPort: 80, ContainerPort: 80}}
	bandwidth := &nad.Bandwidth{IngressRate: 8, IngressBurst: 8}
	tests := []struct {
		name, config string
		attachment   nad.Attachment
		want         []string
	}{
		{"nothing asked", `{` + v + `,"type":"ipvlan","master":"eth0",` + hostLocal + `}`, nad.Attachment{}, nil},
		{"mac of macvlan", `{` + v + `,"type":"macvlan"}`, nad.Attachment{MAC: "02:00:00:00:00:01"}, nil},
		{"mac of ipvlan", `{` + v + `,"type":"ipvlan",` + hostLocal + `}`, nad.Attachment{MAC: "02:00:00:00:00:01"}, []string{"warning nad/request-dropped mac: is dropped: no plugin of the network is handed mac"}},
		{"mac of ipvlan with tuning", `{` + v + `,"plugins":[{"type":"ipvlan",` + hostLocal + `},{"type":"tuning","capabilities":{"mac":true}}]}`, nad.Attachment{MAC: "02:00:00:00:00:01"}, nil},
		{"mac of an unknown plugin", `{` + v + `,"type":"other"}`, nad.Attachment{MAC: "02:00:00:00:00:01"}, nil},
		{"mac that is none", `{` + v + `,"type":"macvlan"}`, nad.Attachment{MAC: "01:00:00:00:00:01", Interface: "a b"}, []string{"error nad/attachment interface: ", "error nad/attachment mac: "}},
		{"ips of static", `{` + v + `,"type":"macvlan",` + static + `}`, nad.Attachment{IPs: []string{"10.7.0.5/24", "10.7.0.6"}}, []string{`error nad/request-refused ips[1]: Invalid value: "10.7.0.6": must have a prefix length: static refuses it without`}},
		{"ips of whereabouts", `{` + v + `,"type":"macvlan","ipam":{"type":"whereabouts","range":"10.7.0.0/24"}}`, nad.Attachment{IPs: []string{"10.7.0.6"}}, []string{"error nad/request-refused ips[0]: "}},
		{"ips of host-local", `{` + v + `,"type":"macvlan",` + hostLocal + `}`, nad.Attachment{IPs: []string{"10.7.0.6"}}, nil},
		{"ips of host-local, refused", `{` + v + `,"type":"macvlan",` + hostLocal + `}`, nad.Attachment{IPs: []string{"10.7.0.1/24", "10.8.0.1"}}, []string{
			"error nad/request-refused ips: ", "error nad/request-refused ips[0]: Invalid value: \"10.7.0.1/24\": is the gateway", "error nad/request-refused ips[1]: Invalid value: \"10.8.0.1\": must be in a range",
		}},
		{"ips that are none", `{` + v + `,"type":"macvlan",` + hostLocal + `}`, nad.Attachment{IPs: []string{"x"}}, []string{"error nad/attachment ips[0]: "}},
		{"ips of dhcp", `{` + v + `,"type":"macvlan","ipam":{"type":"dhcp"}}`, nad.Attachment{IPs: []string{"10.7.0.6/24"}}, []string{"warning nad/request-dropped ips: is dropped: the DHCP server"}},
		{"ips without ipam", `{` + v + `,"type":"macvlan"}`, nad.Attachment{IPs: []string{"10.7.0.6/24"}}, []string{"warning nad/request-dropped ips: is dropped: the network has no ipam"}},
		{"ips of an unknown ipam", `{` + v + `,"type":"macvlan","ipam":{"type":"other"}}`, nad.Attachment{IPs: []string{"10.7.0.6"}}, nil},
		{"ips of an unknown plugin", `{` + v + `,"type":"other"}`, nad.Attachment{IPs: []string{"10.7.0.6"}}, nil},
		{"all dropped", `{` + v + `,"type":"macvlan"}`, nad.Attachment{PortMappings: portMappings, Bandwidth: bandwidth, InfinibandGUID: "02:00:00:00:00:00:00:01"}, []string{
			"warning nad/request-dropped bandwidth: ", "warning nad/request-dropped infiniband-guid: ", "warning nad/request-dropped portMappings: ",
		}},
		{"plugins without the capability", `{` + v + `,"plugins":[` + br + `,{"type":"portmap"},{"type":"bandwidth"}]}`, nad.Attachment{PortMappings: portMappings, Bandwidth: bandwidth}, []string{
			"warning nad/request-dropped bandwidth: ", "warning nad/request-dropped portMappings: ",
		}},
		{"plugins with the capability", `{` + v + `,"plugins":[` + br + `,{"type":"portmap","capabilities":{"portMappings":true}},{"type":"bandwidth","capabilities":{"bandwidth":true}}]}`, nad.Attachment{PortMappings: portMappings, Bandwidth: bandwidth}, nil},
		{"limits of the network", `{` + v + `,"plugins":[` + br + `,{"type":"bandwidth","ingressRate":1,"ingressBurst":1,"capabilities":{"bandwidth":true}}]}`, nad.Attachment{Bandwidth: bandwidth}, []string{"warning nad/request-dropped bandwidth: is dropped: the network has limits"}},
		{"default route", `{` + v + `,"type":"macvlan",` + hostLocal + `}`, nad.Attachment{DefaultRoute: []string{"10.7.0.1", "fe80::1", "10.8.0.1"}}, []string{"error nad/gateway-outside default-route[2]: ", ignored}},
		{"default route of requested addresses", `{` + v + `,"type":"macvlan",` + static + `}`, nad.Attachment{IPs: []string{"10.8.0.5/24"}, DefaultRoute: []string{"10.8.0.1"}}, []string{ignored}},
		{"default route that stays", `{` + v + `,"type":"macvlan",` + hostLocal + `}`, nad.Attachment{DefaultRoute: []string{}}, []string{ignored}},
		{"default route of an unknown plugin", `{` + v + `,"type":"other",` + hostLocal + `}`, nad.Attachment{DefaultRoute: []string{"10.8.0.1"}}, []string{ignored}},
		{"network that is not read", `{`, nad.Attachment{MAC: "02:00:00:00:00:01"}, nil},
		{"network without configuration", ``, nad.Attachment{MAC: "02:00:00:00:00:01"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.attachment.Name = "net"
			got := nad.CheckAttachment(definition("net", tt.config), tt.attachment)
			if len(got) != len(tt.want) {
				t.Fatalf("got %d findings, want %d: %v", len(got), len(tt.want), got)
			}
			for i, finding := range got {
				text := string(finding.Severity) + " " + finding.Code + " " + finding.Path + ": " + finding.Message
				if !strings.HasPrefix(text, tt.want[i]) || finding.Object != "NetworkAttachmentDefinition shop/net" {
					t.Errorf("got %s %s\nwant %s", finding.Object, text, tt.want[i])
				}
			}
		})
	}
}

func TestLintCluster(t *testing.T) {
	def := func(namespace, name, config string) netattdefv1.NetworkAttachmentDefinition {
		d := definition(name, `{"cniVersion":"1.0.0","name":"`+name+`",`+config+`}`)
		d.Namespace = namespace
		return *d
	}
	whereabouts := func(master, more string) string {
		return `"type":"macvlan","master":"` + master + `","ipam":{"type":"whereabouts","range":"10.7.0.0/24"` + more + `}`
	}
	resource := def("a", "vf", `"type":"sriov"`)
	resource.Annotations = map[string]string{nad.ResourceNameAnnotation: "example.com/vf"}
	gateway := func(subnet, more string) string {
		return `"type":"bridge","bridge":"br0","isGateway":true` + more + `,"ipam":{"type":"host-local","subnet":"` + subnet + `"}`
	}
	type defs = []netattdefv1.NetworkAttachmentDefinition
	tests := []struct {
		name    string
		cluster nad.Cluster
		want    []string
	}{
		{"nothing known", nad.Cluster{Definitions: defs{def("a", "net", whereabouts("eth0", "")), resource}}, nil},
		{"broken and empty", nad.Cluster{Definitions: defs{*definition("net", "{"), *definition("net", "")}, Plugins: []string{}}, nil},
		{"ranges", nad.Cluster{
			Definitions: defs{def("a", "net", whereabouts("eth0", "")), def("a", "other", `"type":"dummy","ipam":{"type":"static","addresses":[{"address":"10.96.0.5/24"}]}`)},
			Ranges:      []nad.ClusterRange{{CIDR: "10.0.0.0/16", Use: "nodes"}, {CIDR: "10.6.0.0/15", Use: "pods"}, {CIDR: "10.96.0.0/12", Use: "services"}, {CIDR: "x", Use: "dreams"}, {CIDR: "2001:db8::/32", Use: "pods"}},
		}, []string{
			` nad/cluster-range ranges[3].cidr: "x" of dreams is no network`,
			"a/net nad/overlap spec.config: 10.7.0.0/24 overlaps with 10.6.0.0/15, the network of pods", "a/other nad/overlap spec.config: 10.96.0.0/24 overlaps with 10.96.0.0/12, the network of services",
		}},
		{"addresses of nodes", nad.Cluster{
			Definitions: defs{
				def("a", "excluded", whereabouts("eth0", `,"exclude":["10.7.0.5/32","10.7.0.6"]`)), def("a", "part", whereabouts("eth0", `,"range_start":"10.7.0.6","range_end":"10.7.0.9"`)),
				def("a", "short", `"type":"macvlan","master":"eth1","ipam":{"type":"whereabouts","ipRanges":[{"range":"10.7.0.7-10.7.0.9/24"}]}`),
			},
			NodeAddresses: map[string][]string{"n1": {"10.7.0.5", "x"}, "n2": {"2001:db8::1", "10.7.0.6"}},
		}, []string{"a/part nad/node-address spec.config: gives out 10.7.0.6, the address of node n2"}},
		{"plugins", nad.Cluster{
			Definitions: defs{def("a", "net", whereabouts("eth0", "")), def("a", "list", `"plugins":[{"type":"bridge","bridge":"br0"},{"type":"tuning"}]`)}, Plugins: []string{"bridge", "macvlan"},
		}, []string{"a/list nad/plugin-missing spec.config.plugins[1].type: the nodes do not have the plugin tuning", "a/net nad/plugin-missing spec.config.ipam.type: the nodes do not have the plugin whereabouts"}},
		{"resources", nad.Cluster{Definitions: defs{resource}, Resources: map[nad.ResourceName]int{"example.com/other": 1}}, []string{"a/vf nad/resource-missing metadata.annotations[k8s.v1.cni.cncf.io/resourceName]: no node offers example.com/vf"}},
		{"resources that are there", nad.Cluster{Definitions: defs{resource}, Resources: map[nad.ResourceName]int{"example.com/vf": 1}}, nil},
		{"one link", nad.Cluster{Definitions: defs{
			def("a", "one", whereabouts("eth0", "")), def("a", "two", whereabouts("eth0", "")), def("b", "three", `"type":"macvlan","master":"eth0","ipam":{"type":"host-local","subnet":"10.7.0.0/24","rangeStart":"10.7.0.200"}`),
			def("b", "elsewhere", `"type":"macvlan","master":"eth1","ipam":{"type":"host-local","subnet":"10.7.0.0/24"}`),
			def("b", "beside", `"type":"ipvlan","master":"eth0","ipam":{"type":"host-local","ranges":[[{"subnet":"10.8.0.0/24"}]]}`),
		}}, []string{"b/three nad/same-addresses spec.config: gives out addresses of 10.7.0.0/24 as a/one does, on the same interface eth0"}},
		{"kinds of links", nad.Cluster{Definitions: defs{
			def("a", "b1", `"type":"bridge","bridge":"br0","vlan":5,"ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"}]}`), def("a", "b2", `"type":"bridge","bridge":"br0","vlan":5,"ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"}]}`),
			def("a", "b3", `"type":"bridge","bridge":"br0","vlan":6,"ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"}]}`),
			def("a", "o1", `"type":"ovs","bridge":"br0","vlan":5,"ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"}]}`), def("a", "o2", `"type":"ovs","bridge":"br0","ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"}]}`),
			def("a", "v1", `"type":"vlan","master":"eth0","vlanId":5,"ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"}]}`), def("a", "v2", `"type":"vlan","master":"eth0","vlanId":5,"ipam":{"type":"static","addresses":[{"address":"10.7.0.6/24"}]}`),
		}}, []string{"a/b2 nad/same-addresses spec.config: gives out addresses of 10.7.0.0/24 as a/b1 does, on the same bridge br0 VLAN 5"}},
		{"gateways", nad.Cluster{Definitions: defs{
			def("a", "one", gateway("10.7.0.0/24", "")), def("a", "same", gateway("10.7.0.0/24", "")), def("a", "other", gateway("10.8.0.0/24", "")), def("a", "forced", gateway("10.9.0.0/24", `,"forceAddress":true`)), def("a", "six", gateway("2001:db8::/64", "")),
		}}, []string{
			"a/other nad/bridge-address spec.config.isGateway: wants an address on bridge br0 VLAN 0 that has another one from a/one",
			"a/same nad/same-addresses spec.config: gives out addresses of 10.7.0.0/24 as a/one does",
		}},
		{"names", nad.Cluster{Definitions: defs{def("a", "net", gateway("10.7.0.0/24", "")), def("b", "net", `"type":"macvlan","master":"eth0","ipam":{"type":"host-local","subnet":"10.8.0.0/24"}`)}}, []string{
			`b/net nad/name-clash spec.config.name: is "net" as in a/net`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := nad.LintCluster(tt.cluster)
			if len(got) != len(tt.want) {
				t.Fatalf("got %d findings, want %d: %v", len(got), len(tt.want), got)
			}
			for i, finding := range got {
				text := strings.TrimPrefix(finding.Object, "NetworkAttachmentDefinition ") + " " + finding.Code + " " + finding.Path + ": " + finding.Message
				if !strings.HasPrefix(text, tt.want[i]) {
					t.Errorf("got  %s\nwant %s", text, tt.want[i])
				}
			}
		})
	}
}
