package nad_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/nad"
)

// TestDocumented: the builders write what the documentation of Talos, Multus
// and the plugins tells people to write by hand. In what they write the name is
// always there, and what is false is left out.
func TestDocumented(t *testing.T) {
	tests := []struct {
		name       string
		cniVersion string
		plugins    []nad.Plugin
		want       string
	}{
		{"Talos guide", "0.3.0", []nad.Plugin{guide()}, `{"cniVersion":"0.3.0","type":"macvlan","master":"eth0","mode":"bridge","ipam":{"type":"host-local","subnet":"192.168.1.0/24",
			"rangeStart":"192.168.1.200","rangeEnd":"192.168.1.216","routes":[{"dst":"0.0.0.0/0"}],"gateway":"192.168.1.1"}}`},
		{"Multus, macvlan with DHCP", "0.3.0", []nad.Plugin{nad.MacvlanConfig{Master: "eth1", Mode: nad.MacvlanModeBridge, IPAM: nad.DHCP{}}}, `{"cniVersion":"0.3.0","type":"macvlan","master":"eth1","mode":"bridge","ipam":{"type":"dhcp"}}`},
		{"Multus, requests of pods", "0.3.1", []nad.Plugin{
			nad.MacvlanConfig{Master: "eth1", Mode: nad.MacvlanModeBridge, IPAM: nad.Static{}, Common: nad.Common{Capabilities: map[nad.Capability]bool{nad.CapabilityIPs: true}}},
			nad.TuningConfig{},
		}, `{"cniVersion":"0.3.1","plugins":[{"type":"macvlan","capabilities":{"ips":true},"master":"eth1","mode":"bridge","ipam":{"type":"static"}},{"type":"tuning"}]}`},
		{
			"bridge", "1.0.0",
			[]nad.Plugin{nad.BridgeConfig{Bridge: "mynet0", IsDefaultGateway: true, IPMasq: true, HairpinMode: true, IPAM: nad.HostLocal{Subnet: "10.10.0.0/16"}}},
			`{"cniVersion":"1.0.0","name":"net","type":"bridge","bridge":"mynet0","isDefaultGateway":true,"forceAddress":false,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","subnet":"10.10.0.0/16"}}`,
		},
		{
			"bridge on layer 2 with a VLAN", "1.0.0",
			[]nad.Plugin{nad.BridgeConfig{Bridge: "mynet0", VLAN: 100, PreserveDefaultVLAN: new(false)}},
			`{"cniVersion":"1.0.0","type":"bridge","bridge":"mynet0","vlan":100,"preserveDefaultVlan":false,"ipam":{}}`,
		},
		{"ipvlan", "1.0.0", []nad.Plugin{nad.IPVLANConfig{Master: "eth0", IPAM: nad.HostLocal{Subnet: "10.1.2.0/24"}}}, `{"cniVersion":"1.0.0","name":"net","type":"ipvlan","master":"eth0","ipam":{"type":"host-local","subnet":"10.1.2.0/24"}}`},
		{
			"vlan", "1.0.0",
			[]nad.Plugin{nad.VLANConfig{Master: "eth0", MTU: 1500, VLANID: 5, IPAM: nad.HostLocal{Subnet: "10.1.1.0/24"}, Common: nad.Common{DNS: nad.DNS{Nameservers: []string{"10.1.1.1", "8.8.8.8"}}}}},
			`{"cniVersion":"1.0.0","type":"vlan","master":"eth0","mtu":1500,"vlanId":5,"linkInContainer":false,"ipam":{"type":"host-local","subnet":"10.1.1.0/24"},"dns":{"nameservers":["10.1.1.1","8.8.8.8"]}}`,
		},
		{"host-device", "1.0.0", []nad.Plugin{nad.HostDeviceConfig{Device: "enp0s1"}}, `{"cniVersion":"1.0.0","type":"host-device","device":"enp0s1"}`},
		{
			"ptp", "1.0.0",
			[]nad.Plugin{nad.PTPConfig{IPAM: nad.HostLocal{Subnet: "10.1.1.0/24"}, Common: nad.Common{DNS: nad.DNS{Nameservers: []string{"10.1.1.1", "8.8.8.8"}}}}},
			`{"cniVersion":"1.0.0","type":"ptp","ipam":{"type":"host-local","subnet":"10.1.1.0/24"},"dns":{"nameservers":["10.1.1.1","8.8.8.8"]}}`,
		},
		{"dummy", "1.0.0", []nad.Plugin{nad.DummyConfig{IPAM: nad.HostLocal{Subnet: "10.1.2.0/24"}}}, `{"cniVersion":"1.0.0","type":"dummy","ipam":{"type":"host-local","subnet":"10.1.2.0/24"}}`},
		{
			"tap", "1.0.0",
			[]nad.Plugin{nad.TapConfig{MultiQueue: true, MTU: 1500, MAC: "00:11:22:33:44:55", SELinuxContext: "system_u:system_r:container_t:s0", Owner: new(uint32(0)), Group: new(uint32(0))}},
			`{"cniVersion":"1.0.0","type":"tap","mac":"00:11:22:33:44:55","mtu":1500,"selinuxContext":"system_u:system_r:container_t:s0","multiQueue":true,"owner":0,"group":0}`,
		},
		{
			"tuning", "1.0.0",
			[]nad.Plugin{nad.BridgeConfig{Bridge: "br0"}, nad.TuningConfig{Sysctl: map[string]string{"net.core.somaxconn": "500"}}},
			`{"cniVersion":"1.0.0","plugins":[{"type":"bridge","bridge":"br0"},{"type":"tuning","sysctl":{"net.core.somaxconn":"500"}}]}`,
		},
		{
			"bandwidth", "0.3.1",
			[]nad.Plugin{nad.PTPConfig{IPMasq: true, MTU: 512, IPAM: nad.HostLocal{Subnet: "10.0.0.0/24"}}, nad.BandwidthConfig{IngressRate: 123, IngressBurst: 456, EgressRate: 123, EgressBurst: 456}},
			`{"cniVersion":"0.3.1","plugins":[{"type":"ptp","ipMasq":true,"mtu":512,"ipam":{"type":"host-local","subnet":"10.0.0.0/24"}},{"type":"bandwidth","ingressRate":123,"ingressBurst":456,"egressRate":123,"egressBurst":456}]}`,
		},
		{"portmap", "0.3.1", []nad.Plugin{nad.PTPConfig{IPMasq: true, IPAM: nad.HostLocal{Subnet: "172.16.30.0/24", Routes: []nad.Route{{Dst: "0.0.0.0/0"}}}}, nad.PortmapConfig{
			SNAT: new(true), MarkMasqBit: new(13), ConditionsV4: []string{"!", "-d", "192.0.2.0/24"}, ConditionsV6: []string{"!", "-d", "fc00::/7"},
			Common: nad.Common{Capabilities: map[nad.Capability]bool{nad.CapabilityPortMappings: true}},
		}}, `{"cniVersion":"0.3.1","plugins":[{"type":"ptp","ipMasq":true,"ipam":{"type":"host-local","subnet":"172.16.30.0/24","routes":[{"dst":"0.0.0.0/0"}]}},
			{"type":"portmap","capabilities":{"portMappings":true},"snat":true,"markMasqBit":13,"conditionsV4":["!","-d","192.0.2.0/24"],"conditionsV6":["!","-d","fc00::/7"]}]}`},
		{"sbr", "1.0.0", []nad.Plugin{nad.MacvlanConfig{Master: "eth0", IPAM: nad.DHCP{}}, nad.SBRConfig{}}, `{"cniVersion":"1.0.0","plugins":[{"type":"macvlan","master":"eth0","ipam":{"type":"dhcp"}},{"type":"sbr"}]}`},
		{
			"firewall", "0.4.0",
			[]nad.Plugin{nad.BridgeConfig{Bridge: "mybr", IsGateway: true, IPMasq: true, IPAM: nad.HostLocal{Subnet: "10.88.0.0/16", Routes: []nad.Route{{Dst: "0.0.0.0/0"}}}}, nad.FirewallConfig{}},
			`{"cniVersion":"0.4.0","plugins":[{"type":"bridge","bridge":"mybr","isGateway":true,"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.88.0.0/16","routes":[{"dst":"0.0.0.0/0"}]}},{"type":"firewall"}]}`,
		},
		{
			"vrf", "1.0.0",
			[]nad.Plugin{nad.MacvlanConfig{Master: "eth0", IPAM: nad.Static{Addresses: []nad.StaticAddress{{Address: "10.0.0.2/24"}}}}, nad.VRFConfig{VRFName: "blue"}},
			`{"cniVersion":"1.0.0","plugins":[{"type":"macvlan","master":"eth0","ipam":{"type":"static","addresses":[{"address":"10.0.0.2/24"}]}},{"type":"vrf","vrfname":"blue"}]}`,
		},
		{
			"whereabouts", "0.3.0",
			[]nad.Plugin{nad.MacvlanConfig{Master: "eth0", Mode: nad.MacvlanModeBridge, IPAM: nad.Whereabouts{Range: "192.168.2.225/28", Exclude: []string{"192.168.2.229/30", "192.168.2.236/32"}}}},
			`{"cniVersion":"0.3.0","type":"macvlan","master":"eth0","mode":"bridge","ipam":{"type":"whereabouts","range":"192.168.2.225/28","exclude":["192.168.2.229/30","192.168.2.236/32"]}}`,
		},
		{"KubeVirt, bridge for VMs", "0.3.1", []nad.Plugin{nad.BridgeConfig{Bridge: "br1", DisableContainerInterface: true, MACSpoofCheck: true}}, `{"cniVersion":"0.3.1","type":"bridge","bridge":"br1","disableContainerInterface":true,"macspoofchk":true}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def, err := nad.Network{Name: "net", CNIVersion: tt.cniVersion, Plugins: tt.plugins}.Definition()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(documented(t, tt.want), documented(t, def.Spec.Config)); diff != "" {
				t.Errorf("(-documented +built):\n%s", diff)
			}
		})
	}
}

// documented returns what a text says, with its name and without what is false
// or empty.
func documented(t *testing.T, text string) map[string]any {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	config["name"] = "net"
	withoutFalse(config)
	return config
}

func withoutFalse(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, inside := range value {
			if object, isObject := inside.(map[string]any); inside == false || isObject && len(object) == 0 {
				delete(value, key)
			}
			withoutFalse(inside)
		}
	case []any:
		for _, inside := range value {
			withoutFalse(inside)
		}
	}
}
