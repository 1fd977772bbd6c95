package nad_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome/nad"
)

var (
	addresses = nad.Static{Addresses: []nad.StaticAddress{{Address: "10.7.0.5/24", Gateway: "10.7.0.1"}}}
	bridge    = nad.BridgeConfig{Bridge: "br0", IPAM: addresses}
)

const (
	addressesJSON = `{"type":"static","addresses":[{"address":"10.7.0.5/24","gateway":"10.7.0.1"}]}`
	bridgeJSON    = `{"type":"bridge","bridge":"br0","ipam":` + addressesJSON + `}`
)

// TestBuild: every field of every plugin becomes its key in its JSON type, and
// is read back as it was.
func TestBuild(t *testing.T) {
	on := map[nad.Capability]bool{nad.CapabilityMAC: true, nad.CapabilityIPs: true}
	tests := []struct {
		name    string
		plugins []nad.Plugin
		want    string // the configuration without name and cniVersion
	}{
		{"bridge", []nad.Plugin{nad.BridgeConfig{
			Bridge: "br0", IsGateway: true, IsDefaultGateway: true, ForceAddress: true, IPMasq: true, IPMasqBackend: "nftables", MTU: 9000, HairpinMode: true,
			VLAN: 100, VLANTrunk: []nad.VLANTrunk{{ID: 5}, {MinID: 10, MaxID: 20}}, PreserveDefaultVLAN: new(true), MACSpoofCheck: true, EnableDAD: true,
			PortIsolation: true, IPAM: addresses, Common: nad.Common{Capabilities: on},
		}}, `{"type":"bridge","bridge":"br0","isGateway":true,"isDefaultGateway":true,"forceAddress":true,"ipMasq":true,"ipMasqBackend":"nftables","mtu":9000,"hairpinMode":true,
			"vlan":100,"vlanTrunk":[{"id":5},{"minID":10,"maxID":20}],"preserveDefaultVlan":true,"macspoofchk":true,"enabledad":true,"portIsolation":true,
			"ipam":` + addressesJSON + `,"capabilities":{"ips":true,"mac":true}}`},
		{
			"bridge for VMs",
			[]nad.Plugin{nad.BridgeConfig{Bridge: "br0", PromiscMode: true, VLANTrunk: []nad.VLANTrunk{}, PreserveDefaultVLAN: new(false), DisableContainerInterface: true}},
			`{"type":"bridge","bridge":"br0","promiscMode":true,"vlanTrunk":[],"preserveDefaultVlan":false,"disableContainerInterface":true}`,
		},
		{"bridge of OpenShift", []nad.Plugin{nad.BridgeConfig{Plugin: "cnv-bridge", Bridge: "br0"}}, `{"type":"cnv-bridge","bridge":"br0"}`},
		{"macvlan", []nad.Plugin{nad.MacvlanConfig{
			Master: "eth0", Mode: nad.MacvlanModePrivate, MTU: 1500, MAC: "02:00:00:00:00:01", LinkInContainer: true, BroadcastQueueLength: 4294967295,
			IPAM: nad.DHCP{
				DaemonSocketPath: "/run/dhcp.sock", Provide: []nad.DHCPProvide{{Option: "host-name", Value: "a", FromArg: "K8S_POD_NAME"}},
				Request: []nad.DHCPRequest{{SkipDefault: true, Option: "121"}}, Priority: 7,
			},
			Common: nad.Common{DNS: nad.DNS{Nameservers: []string{"10.0.0.53"}, Domain: "a.example", Search: []string{"b.example"}, Options: []string{"ndots:2"}}},
		}}, `{"type":"macvlan","master":"eth0","mode":"private","mtu":1500,"mac":"02:00:00:00:00:01","linkInContainer":true,"bcqueuelen":4294967295,
			"ipam":{"type":"dhcp","daemonSocketPath":"/run/dhcp.sock","provide":[{"option":"host-name","value":"a","fromArg":"K8S_POD_NAME"}],"request":[{"skipDefault":true,"option":"121"}],"priority":7},
			"dns":{"nameservers":["10.0.0.53"],"domain":"a.example","search":["b.example"],"options":["ndots:2"]}}`},
		{"ipvlan", []nad.Plugin{nad.IPVLANConfig{Master: "eth0", Mode: nad.IPVLANModeL3S, MTU: 1400, LinkInContainer: true, IPAM: nad.HostLocal{
			Subnet: "10.1.2.0/24", RangeStart: "10.1.2.10", RangeEnd: "10.1.2.20", Gateway: "10.1.2.1",
			Ranges:  [][]nad.HostLocalRange{{{Subnet: "2001:db8::/64", RangeStart: "2001:db8::10", RangeEnd: "2001:db8::20", Gateway: "2001:db8::1"}}},
			Routes:  []nad.Route{{Dst: "10.0.0.0/8", GW: "10.1.2.1", MTU: 1400, AdvMSS: 1300, Priority: 100, Table: new(7), Scope: new(0)}},
			DataDir: "/var/lib/a", ResolvConf: "/etc/resolv.conf",
		}}}, `{"type":"ipvlan","master":"eth0","mode":"l3s","mtu":1400,"linkInContainer":true,"ipam":{"type":"host-local","subnet":"10.1.2.0/24","rangeStart":"10.1.2.10","rangeEnd":"10.1.2.20","gateway":"10.1.2.1",
			"ranges":[[{"subnet":"2001:db8::/64","rangeStart":"2001:db8::10","rangeEnd":"2001:db8::20","gateway":"2001:db8::1"}]],
			"routes":[{"dst":"10.0.0.0/8","gw":"10.1.2.1","mtu":1400,"advmss":1300,"priority":100,"table":7,"scope":0}],"dataDir":"/var/lib/a","resolvConf":"/etc/resolv.conf"}}`},
		{"vlan", []nad.Plugin{nad.VLANConfig{Master: "eth0", VLANID: 5, MTU: 1400, LinkInContainer: true, IPAM: nad.Whereabouts{
			Range: "10.1.2.0/24", RangeStart: "10.1.2.10", RangeEnd: "10.1.2.20", Exclude: []string{"10.1.2.12/30"},
			IPRanges: []nad.WhereaboutsRange{{Range: "2001:db8::/64", RangeStart: "2001:db8::10", RangeEnd: "2001:db8::20", Exclude: []string{"2001:db8::11"}}},
			Gateway:  "10.1.2.1", Routes: []nad.Route{{Dst: "10.0.0.0/8"}}, DNS: nad.DNS{Domain: "a.example"}, Addresses: []nad.StaticAddress{{Address: "10.1.3.5/24"}},
			NetworkName: "a", EnableOverlappingRanges: new(false), NodeSliceSize: "/28", LogFile: "/var/log/a", LogLevel: "debug", ConfigurationPath: "/etc/a",
			Kubernetes: nad.WhereaboutsKubernetes{Kubeconfig: "/etc/k", APIRoot: "https://a.example"},
		}}}, `{"type":"vlan","master":"eth0","vlanId":5,"mtu":1400,"linkInContainer":true,"ipam":{"type":"whereabouts","range":"10.1.2.0/24","range_start":"10.1.2.10","range_end":"10.1.2.20","exclude":["10.1.2.12/30"],
			"ipRanges":[{"range":"2001:db8::/64","range_start":"2001:db8::10","range_end":"2001:db8::20","exclude":["2001:db8::11"]}],"gateway":"10.1.2.1","routes":[{"dst":"10.0.0.0/8"}],
			"dns":{"domain":"a.example"},"addresses":[{"address":"10.1.3.5/24"}],"network_name":"a","enable_overlapping_ranges":false,"node_slice_size":"/28","log_file":"/var/log/a","log_level":"debug",
			"configuration_path":"/etc/a","kubernetes":{"kubeconfig":"/etc/k","k8s_api_root":"https://a.example"}}}`},
		{"host-device", []nad.Plugin{nad.HostDeviceConfig{Device: "eth1", HWAddr: "02:00:00:00:00:01", KernelPath: "/sys/devices/a/net", PCIBusID: "0000:85:00.0", IPAM: nad.Raw{
			Plugin: "spiderpool", Common: nad.Common{Extra: map[string]json.RawMessage{"default_ipv4_ippool": json.RawMessage(`["a"]`)}},
		}}}, `{"type":"host-device","device":"eth1","hwaddr":"02:00:00:00:00:01","kernelpath":"/sys/devices/a/net","pciBusID":"0000:85:00.0","ipam":{"type":"spiderpool","default_ipv4_ippool":["a"]}}`},
		{
			"ptp",
			[]nad.Plugin{nad.PTPConfig{IPMasq: true, IPMasqBackend: "iptables", MTU: 1400, IPAM: addresses}},
			`{"type":"ptp","ipMasq":true,"ipMasqBackend":"iptables","mtu":1400,"ipam":` + addressesJSON + `}`,
		},
		{"dummy", []nad.Plugin{nad.DummyConfig{IPAM: nad.Static{
			Addresses: []nad.StaticAddress{{Address: "2001:db8::5/64"}}, Routes: []nad.Route{{Dst: "2001:db8:1::/48", GW: "2001:db8::1"}}, DNS: nad.DNS{Options: []string{"ndots:2"}},
		}}}, `{"type":"dummy","ipam":{"type":"static","addresses":[{"address":"2001:db8::5/64"}],"routes":[{"dst":"2001:db8:1::/48","gw":"2001:db8::1"}],"dns":{"options":["ndots:2"]}}}`},
		{"loopback", []nad.Plugin{nad.LoopbackConfig{}}, `{"type":"loopback"}`},
		{
			"tap",
			[]nad.Plugin{nad.TapConfig{MultiQueue: true, MTU: 1400, MAC: "02:00:00:00:00:01", Owner: new(uint32(0)), Group: new(uint32(107)), SELinuxContext: "a:b:c:s0", Bridge: "br1", IPAM: addresses}},
			`{"type":"tap","multiQueue":true,"mtu":1400,"mac":"02:00:00:00:00:01","owner":0,"group":107,"selinuxContext":"a:b:c:s0","bridge":"br1","ipam":` + addressesJSON + `}`,
		},
		{"tuning", []nad.Plugin{bridge, nad.TuningConfig{
			Sysctl: map[string]string{"net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.arp_ignore": "1"}, MAC: "02:00:00:00:00:01", Promisc: true, MTU: 1400,
			AllMulti: new(false), TxQueueLength: new(0), DataDir: "/run/a",
		}}, `{"plugins":[` + bridgeJSON + `,{"type":"tuning","sysctl":{"net.core.somaxconn":"500","net.ipv4.conf.IFNAME.arp_ignore":"1"},"mac":"02:00:00:00:00:01","promisc":true,"mtu":1400,"allmulti":false,"txQLen":0,"dataDir":"/run/a"}]}`},
		{"tuning of OpenShift", []nad.Plugin{bridge, nad.TuningConfig{Plugin: "cnv-tuning"}}, `{"plugins":[` + bridgeJSON + `,{"type":"cnv-tuning"}]}`},
		{
			"bandwidth",
			[]nad.Plugin{bridge, nad.BandwidthConfig{IngressRate: 9007199254740993, IngressBurst: 34359738359, EgressRate: 80, EgressBurst: 40}},
			`{"plugins":[` + bridgeJSON + `,{"type":"bandwidth","ingressRate":9007199254740993,"ingressBurst":34359738359,"egressRate":80,"egressBurst":40}]}`,
		},
		{"portmap", []nad.Plugin{bridge, nad.PortmapConfig{
			Backend: "nftables", SNAT: new(false), MasqAll: true, MarkMasqBit: new(0), ConditionsV4: []string{"ip saddr 10.0.0.0/8"}, ConditionsV6: []string{},
			Common: nad.Common{Capabilities: map[nad.Capability]bool{nad.CapabilityPortMappings: true}},
		}}, `{"plugins":[` + bridgeJSON + `,{"type":"portmap","backend":"nftables","snat":false,"masqAll":true,"markMasqBit":0,"conditionsV4":["ip saddr 10.0.0.0/8"],"conditionsV6":[],"capabilities":{"portMappings":true}}]}`},
		{
			"portmap with a chain",
			[]nad.Plugin{bridge, nad.PortmapConfig{ExternalSetMarkChain: new("A"), ConditionsV4: []string{"!", "-s", "a"}}},
			`{"plugins":[` + bridgeJSON + `,{"type":"portmap","externalSetMarkChain":"A","conditionsV4":["!","-s","a"]}]}`,
		},
		{"sbr", []nad.Plugin{bridge, nad.SBRConfig{Table: new(200)}}, `{"plugins":[` + bridgeJSON + `,{"type":"sbr","table":200}]}`},
		{
			"firewall",
			[]nad.Plugin{bridge, nad.FirewallConfig{Backend: "iptables", IptablesAdminChainName: "A", FirewalldZone: "b", IngressPolicy: nad.FirewallIngressPolicySameBridge}},
			`{"plugins":[` + bridgeJSON + `,{"type":"firewall","backend":"iptables","iptablesAdminChainName":"A","firewalldZone":"b","ingressPolicy":"same-bridge"}]}`,
		},
		{"vrf", []nad.Plugin{bridge, nad.VRFConfig{VRFName: "blue", Table: 7}}, `{"plugins":[` + bridgeJSON + `,{"type":"vrf","vrfname":"blue","table":7}]}`},
		{"ovs", []nad.Plugin{nad.OVSConfig{
			Bridge: "br1", VLAN: new(uint(0)), Trunk: []nad.VLANTrunk{{MinID: 1, MaxID: 4095}}, MTU: 9000, DeviceID: "0000:03:02.1", OfPortRequest: 7, InterfaceType: "internal",
			ConfigurationPath: "/etc/a", SocketFile: "unix:/a", LinkStateCheckRetries: 3, LinkStateCheckInterval: 100, IPAM: nad.DHCP{},
		}}, `{"type":"ovs","bridge":"br1","vlan":0,"trunk":[{"minID":1,"maxID":4095}],"mtu":9000,"deviceID":"0000:03:02.1","ofport_request":7,"interface_type":"internal",
			"configuration_path":"/etc/a","socket_file":"unix:/a","link_state_check_retries":3,"link_state_check_interval":100,"ipam":{"type":"dhcp"}}`},
		{"sriov", []nad.Plugin{nad.SRIOVConfig{
			DeviceID: "0000:03:02.1", VLAN: new(100), VLANQoS: new(7), VLANProto: new("802.1AD"), MAC: "02:00:00:00:00:01", MTU: new(9000), SpoofCheck: "off", Trust: "on",
			LinkState: nad.LinkStateEnable, MinTxRate: new(0), MaxTxRate: new(100), LogLevel: "debug", LogFile: "/var/log/a", IPAM: nad.DHCP{},
		}}, `{"type":"sriov","deviceID":"0000:03:02.1","vlan":100,"vlanQoS":7,"vlanProto":"802.1AD","mac":"02:00:00:00:00:01","MTU":9000,"spoofchk":"off","trust":"on","link_state":"enable",
			"min_tx_rate":0,"max_tx_rate":100,"logLevel":"debug","logFile":"/var/log/a","ipam":{"type":"dhcp"}}`},
		{
			"ib-sriov",
			[]nad.Plugin{nad.IBSRIOVConfig{DeviceID: "0000:03:02.1", PKey: "0x8001", LinkState: nad.LinkStateAuto, RDMAIsolation: true, IBKubernetesEnabled: true, VFIOPCIMode: true, IPAM: addresses}},
			`{"type":"ib-sriov","deviceID":"0000:03:02.1","pkey":"0x8001","link_state":"auto","rdmaIsolation":true,"ibKubernetesEnabled":true,"vfioPciMode":true,"ipam":` + addressesJSON + `}`,
		},
		{"macvtap", []nad.Plugin{nad.MacvtapConfig{DeviceID: "eth0", MTU: 1500, PromiscMode: true}}, `{"type":"macvtap","deviceID":"eth0","mtu":1500,"promiscMode":true}`},
		{"bond", []nad.Plugin{nad.BondConfig{
			Interface: "bond0", Mode: nad.BondModeActiveBackup, LinksInContainer: true, FailOverMAC: 1, Miimon: "100", MTU: 1500, Links: []nad.BondLink{{Name: "net1"}, {Name: "net2"}}, IPAM: addresses,
		}}, `{"type":"bond","ifname":"bond0","mode":"active-backup","linksInContainer":true,"failOverMac":1,"miimon":"100","mtu":1500,"links":[{"name":"net1"},{"name":"net2"}],"ipam":` + addressesJSON + `}`},
		{
			"unknown plugin",
			[]nad.Plugin{nad.Raw{Plugin: "kube-ovn", IPAM: addresses, Common: nad.Common{Extra: map[string]json.RawMessage{"server_socket": json.RawMessage(`"<a>"`)}}}},
			`{"type":"kube-ovn","ipam":` + addressesJSON + `,"server_socket":"<a>"}`,
		},
		{
			"unknown keys everywhere",
			[]nad.Plugin{nad.MacvlanConfig{Master: "eth0", IPAM: nad.Static{
				Addresses: []nad.StaticAddress{{Address: "10.7.0.5/24", Extra: map[string]json.RawMessage{"a": json.RawMessage("1")}}}, Extra: map[string]json.RawMessage{"b": json.RawMessage("null")},
			}, Common: nad.Common{Extra: map[string]json.RawMessage{"c": json.RawMessage("1e400"), "args": json.RawMessage(`{"cni":{}}`)}}}},
			`{"type":"macvlan","master":"eth0","ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24","a":1}],"b":null},"args":{"cni":{}},"c":1e400}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def, err := nad.Chain("net", tt.plugins...)
			if err != nil {
				t.Fatal(err)
			}
			network := parse(t, def)
			if network.Name != "net" || network.CNIVersion == "" {
				t.Errorf("got name %q and version %q", network.Name, network.CNIVersion)
			}
			if diff := cmp.Diff(tt.plugins, network.Plugins); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
			want := `{"cniVersion":"` + network.CNIVersion + `","name":"net",` + tt.want[1:]
			if diff := cmp.Diff(indent(t, want), def.Spec.Config); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text, err := network.Config(); err != nil || text != def.Spec.Config {
				t.Errorf("got error %v and another text than was read:\n%s", err, text)
			}
		})
	}
}

// indent returns the JSON in the form that this package writes.
func indent(t *testing.T, text string) string {
	t.Helper()
	var compact, out bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func parse(t *testing.T, def *netattdefv1.NetworkAttachmentDefinition) *nad.Network {
	t.Helper()
	network, err := nad.Parse(def)
	if err != nil {
		t.Fatal(err)
	}
	return network
}

func TestDefinition(t *testing.T) {
	got, err := nad.Network{Name: "fast", ResourceName: "example.com/vf", CNIVersion: "0.3.1", List: true, Plugins: []nad.Plugin{nad.SRIOVConfig{}}, Extra: map[string]json.RawMessage{"disableCheck": json.RawMessage("true")}}.Definition()
	if err != nil {
		t.Fatal(err)
	}
	want := &netattdefv1.NetworkAttachmentDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: "k8s.cni.cncf.io/v1", Kind: "NetworkAttachmentDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: "fast", Annotations: map[string]string{nad.ResourceNameAnnotation: "example.com/vf"}},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: indent(t, `{"cniVersion":"0.3.1","name":"fast","disableCheck":true,"plugins":[{"type":"sriov"}]}`)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	network := parse(t, got)
	again, err := network.Definition()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("built from what was parsed (-want +got):\n%s", diff)
	}
}

// TestConfigChanges: what is read comes back letter by letter until something
// is changed, and then all that was there is still there.
func TestConfigChanges(t *testing.T) {
	const source = `{ "name":"net", "type":"macvlan", "mtu":0, "MASTER":"eth0", "later":{"a":[1, 2]}, "ipam":{"type":"other","x":1} }`
	def := &netattdefv1.NetworkAttachmentDefinition{ObjectMeta: metav1.ObjectMeta{Name: "net"}, Spec: netattdefv1.NetworkAttachmentDefinitionSpec{Config: source}}
	network := parse(t, def)
	if got, err := network.Config(); err != nil || got != source {
		t.Errorf("unchanged: got %s, %v", got, err)
	}
	config := network.Plugins[0].(nad.MacvlanConfig)
	config.Mode = nad.MacvlanModeVEPA
	network.Plugins[0] = config
	want := indent(t, `{"name":"net","type":"macvlan","master":"eth0","mode":"vepa","ipam":{"type":"other","x":1},"later":{"a":[1,2]}}`)
	if got, err := network.Config(); err != nil || got != want {
		t.Errorf("changed: got error %v and %s", err, cmp.Diff(want, got))
	}
	config.Mode = ""
	network.Plugins[0] = config
	if got, err := network.Config(); err != nil || got != source {
		t.Errorf("changed back: got %s, %v", got, err)
	}
	network.Plugins = nil
	if got, err := network.Config(); err != nil || got != "" {
		t.Errorf("without plugins: got %s, %v", got, err)
	}
}

// TestCNIVersion: the newest that every plugin of the chain understands.
func TestCNIVersion(t *testing.T) {
	capabilities := nad.Common{Capabilities: map[nad.Capability]bool{nad.CapabilityBandwidth: true}}
	tests := []struct {
		name    string
		plugins []nad.Plugin
		want    string
	}{
		{"reference plugin", []nad.Plugin{bridge}, "1.0.0"},
		{"reference plugins", []nad.Plugin{bridge, nad.BandwidthConfig{Common: capabilities}}, "1.0.0"},
		{"another", []nad.Plugin{nad.OVSConfig{Bridge: "br0"}}, "0.3.1"},
		{"unknown", []nad.Plugin{nad.Raw{Plugin: "kube-ovn"}}, "0.3.1"},
		{"unknown and one that needs more", []nad.Plugin{nad.Raw{Plugin: "kube-ovn"}, nad.FirewallConfig{}}, "0.4.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def, err := nad.Chain("net", tt.plugins...)
			if err != nil {
				t.Fatal(err)
			}
			if got := parse(t, def).CNIVersion; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestExplicitDefaults: a default that differs between versions of a plugin is
// always written.
func TestExplicitDefaults(t *testing.T) {
	for _, config := range []nad.BridgeConfig{{Bridge: "br0", VLAN: 100}, {Bridge: "br0", VLANTrunk: []nad.VLANTrunk{}}} {
		for _, plugin := range []nad.Plugin{config, &config} {
			def, err := nad.Chain("net", plugin)
			if err != nil {
				t.Fatal(err)
			}
			got := parse(t, def).Plugins[0].(nad.BridgeConfig)
			if got.PreserveDefaultVLAN == nil || *got.PreserveDefaultVLAN {
				t.Errorf("got preserveDefaultVlan %v", got.PreserveDefaultVLAN)
			}
		}
		if config.PreserveDefaultVLAN != nil {
			t.Error("the caller's configuration was changed")
		}
	}
}

func TestBuildIsTyped(t *testing.T) {
	_, err := nad.VLAN("net", nad.VLANConfig{VLANID: 4095})
	var invalid *field.Error
	if !errors.As(err, &invalid) || invalid.Field != "ipam" || invalid.Type != field.ErrorTypeRequired {
		t.Errorf("got %v, want a *field.Error for ipam first", err)
	}
}
