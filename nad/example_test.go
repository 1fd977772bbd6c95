package nad_test

import (
	"fmt"

	"github.com/multihome/multihome/nad"
)

func ExampleMacvlan() {
	def, err := nad.Macvlan("macvlan-conf", nad.MacvlanConfig{
		Master: "eth0",
		Mode:   nad.MacvlanModeBridge,
		IPAM: nad.HostLocal{
			Subnet: "192.168.1.0/24", RangeStart: "192.168.1.200", RangeEnd: "192.168.1.216",
			Gateway: "192.168.1.1", Routes: []nad.Route{{Dst: "0.0.0.0/0"}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(def.Spec.Config)
	// Output:
	// {
	//   "cniVersion": "1.0.0",
	//   "name": "macvlan-conf",
	//   "type": "macvlan",
	//   "master": "eth0",
	//   "mode": "bridge",
	//   "ipam": {
	//     "type": "host-local",
	//     "subnet": "192.168.1.0/24",
	//     "rangeStart": "192.168.1.200",
	//     "rangeEnd": "192.168.1.216",
	//     "gateway": "192.168.1.1",
	//     "routes": [
	//       {
	//         "dst": "0.0.0.0/0"
	//       }
	//     ]
	//   }
	// }
}

func ExampleBridge() {
	def, err := nad.Bridge("lan", nad.BridgeConfig{Bridge: "br0", VLAN: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	def.Namespace = "vms" // an ordinary object of Kubernetes from here on
	fmt.Println(def.Spec.Config)

	_, err = nad.Bridge("lan", nad.BridgeConfig{Bridge: "br0", VLAN: 5000, MTU: 20})
	fmt.Println(err)
	// Output:
	// {
	//   "cniVersion": "1.0.0",
	//   "name": "lan",
	//   "type": "bridge",
	//   "bridge": "br0",
	//   "vlan": 100,
	//   "preserveDefaultVlan": false
	// }
	// network lan: mtu: Invalid value: 20: must be from 68 to 65535, or 0 for the default
	// vlan: Invalid value: 5000: must be from 0 to 4094
}

func ExampleChain() {
	def, err := nad.Chain("tuned", nad.BridgeConfig{Bridge: "br0"}, nad.TuningConfig{Sysctl: map[string]string{"net.core.somaxconn": "500"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(def.Spec.Config)
	// Output:
	// {
	//   "cniVersion": "1.0.0",
	//   "name": "tuned",
	//   "plugins": [
	//     {
	//       "type": "bridge",
	//       "bridge": "br0"
	//     },
	//     {
	//       "type": "tuning",
	//       "sysctl": {
	//         "net.core.somaxconn": "500"
	//       }
	//     }
	//   ]
	// }
}

func ExampleIPVLAN() {
	def, err := nad.IPVLAN("l3", nad.IPVLANConfig{
		Master: "eth0",
		Mode:   nad.IPVLANModeL3,
		IPAM:   nad.Static{Addresses: []nad.StaticAddress{{Address: "10.7.0.5/24"}}},
	})
	fmt.Println(def.Name, err)
	// Output: l3 <nil>
}

func ExampleVLAN() {
	_, err := nad.VLAN("office", nad.VLANConfig{VLANID: 5, IPAM: nad.DHCP{}})
	fmt.Println(err)
	// Output: network office: master: Required value: the interface of the node that carries the VLAN
}

func ExampleHostDevice() {
	def, err := nad.HostDevice("nic", nad.HostDeviceConfig{PCIBusID: "0000:85:00.0"})
	fmt.Println(def.Name, err)
	// Output: nic <nil>
}

func ExamplePTP() {
	def, err := nad.PTP("routed", nad.PTPConfig{IPMasq: true, IPAM: nad.HostLocal{Subnet: "10.7.0.0/24"}})
	fmt.Println(def.Name, err)
	// Output: routed <nil>
}

func ExampleDummy() {
	def, err := nad.Dummy("vip", nad.DummyConfig{IPAM: nad.Static{Addresses: []nad.StaticAddress{{Address: "10.7.0.5/32"}}}})
	fmt.Println(def.Name, err)
	// Output: vip <nil>
}

func ExampleLoopback() {
	def, err := nad.Loopback("lo", nad.LoopbackConfig{})
	fmt.Println(def.Name, err)
	// Output: lo <nil>
}

func ExampleTap() {
	def, err := nad.Tap("tap", nad.TapConfig{Owner: new(uint32(107)), Group: new(uint32(107)), MultiQueue: true})
	fmt.Println(def.Name, err)
	// Output: tap <nil>
}

func ExampleOVS() {
	def, err := nad.OVS("ovs", nad.OVSConfig{Bridge: "br1", VLAN: new(uint(100))})
	fmt.Println(def.Name, err)
	// Output: ovs <nil>
}

func ExampleSRIOV() {
	def, err := nad.SRIOV("fast", "intel.com/sriov", nad.SRIOVConfig{VLAN: new(100), SpoofCheck: "on"})
	fmt.Println(def.Annotations, err)
	// Output: map[k8s.v1.cni.cncf.io/resourceName:intel.com/sriov] <nil>
}

func ExampleIBSRIOV() {
	def, err := nad.IBSRIOV("ib", "mellanox.com/ib", nad.IBSRIOVConfig{LinkState: nad.LinkStateEnable})
	fmt.Println(def.Annotations, err)
	// Output: map[k8s.v1.cni.cncf.io/resourceName:mellanox.com/ib] <nil>
}

func ExampleMacvtap() {
	def, err := nad.Macvtap("direct", "macvtap.network.kubevirt.io/eth0", nad.MacvtapConfig{MTU: 1500})
	fmt.Println(def.Annotations, err)
	// Output: map[k8s.v1.cni.cncf.io/resourceName:macvtap.network.kubevirt.io/eth0] <nil>
}

func ExampleBond() {
	def, err := nad.Bond("bonded", nad.BondConfig{
		Mode: nad.BondModeActiveBackup, Miimon: "100", LinksInContainer: true,
		Links: []nad.BondLink{{Name: "net1"}, {Name: "net2"}},
	})
	fmt.Println(def.Name, err)
	// Output: bonded <nil>
}

func ExampleParse() {
	def := definition("lan", `{"type": "macvlan", "master": "eth0", "later": true, "ipam": {"type": "dhcp"}}`)
	network, err := nad.Parse(def)
	if err != nil {
		fmt.Println(err)
		return
	}
	config, ok := network.Plugins[0].(nad.MacvlanConfig)
	if !ok {
		return
	}
	fmt.Println(network.Name, config.Master, config.IPAM.Type())

	config.Mode = nad.MacvlanModePrivate
	network.Plugins[0] = config
	text, err := network.Config()
	fmt.Println(text, err)
	// Output:
	// lan eth0 dhcp
	// {
	//   "name": "lan",
	//   "type": "macvlan",
	//   "master": "eth0",
	//   "mode": "private",
	//   "ipam": {
	//     "type": "dhcp"
	//   },
	//   "later": true
	// } <nil>
}

func ExampleParseConfig() {
	network, err := nad.ParseConfig([]byte(`{"cniVersion": "0.3.1", "name": "lan", "plugins": [{"type": "bridge"}, {"type": "tuning"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, plugin := range network.Plugins {
		fmt.Println(plugin.Type())
	}

	_, err = nad.ParseConfig([]byte(`{"type": "bridge", "vlan": "100"}`))
	fmt.Println(err)
	// Output:
	// bridge
	// tuning
	// vlan: Invalid value: "\"100\"": must be a whole number
}

func ExampleLint() {
	def := definition("lan", `{"cniVersion": "1.0.0", "name": "lan", "type": "bridge", "bridge": "br0", "vlanId": 100, "mtu": 20}`)
	for _, finding := range nad.Lint(def) {
		fmt.Println(finding)
	}
	// Output:
	// error nad/mtu: NetworkAttachmentDefinition shop/lan spec.config.mtu: Invalid value: 20: must be from 68 to 65535, or 0 for the default
	// warning nad/unknown-key: NetworkAttachmentDefinition shop/lan spec.config.vlanId: is not known to the plugin, which ignores it; did you mean "vlan"?
}

func ExampleCheckAttachment() {
	def, err := nad.IPVLAN("lan", nad.IPVLANConfig{Master: "eth0", IPAM: nad.Whereabouts{Range: "10.7.0.0/24"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, finding := range nad.CheckAttachment(def, nad.Attachment{Name: "lan", MAC: "02:00:00:00:00:01"}) {
		fmt.Println(finding)
	}
	// Output:
	// warning nad/request-dropped: NetworkAttachmentDefinition lan mac: is dropped: no plugin of the network is handed mac; add the plugin tuning with "capabilities": {"mac": true} to the network
}

func ExampleLintCluster() {
	def, err := nad.Macvlan("lan", nad.MacvlanConfig{Master: "eth0", IPAM: nad.Whereabouts{Range: "10.244.7.0/24"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	cluster := nad.Cluster{
		Ranges:  []nad.ClusterRange{{CIDR: "10.244.0.0/16", Use: "pods"}},
		Plugins: []string{"bridge", "host-local", "macvlan"},
	}
	cluster.Definitions = append(cluster.Definitions, *def)
	for _, finding := range nad.LintCluster(cluster) {
		fmt.Println(finding)
	}
	// Output:
	// error nad/plugin-missing: NetworkAttachmentDefinition lan spec.config.ipam.type: the nodes do not have the plugin whereabouts; install it: Talos since 1.8 has bridge, firewall, flannel, host-local, loopback and portmap alone
	// warning nad/overlap: NetworkAttachmentDefinition lan spec.config: 10.244.7.0/24 overlaps with 10.244.0.0/16, the network of pods: pods reach only one of the two; use another network
}
