package talos_test

import (
	"errors"
	"fmt"

	"github.com/multihome/multihome/talos"
)

// The bridge of the Multus guide for Talos, as a version before v1.12 reads it.
func ExampleBridgePatch() {
	patch, err := talos.BridgePatch("v1.11.6", talos.BridgeConfig{
		Name: "br0", Links: []string{"eno1"}, STP: true,
		Addresses: []string{"172.16.1.60/24"},
		Routes:    []talos.Route{{Network: "0.0.0.0/0", Gateway: "172.16.1.254", Metric: 1024}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// machine:
	//   network:
	//     interfaces:
	//       - interface: br0
	//         bridge:
	//           interfaces:
	//             - eno1
	//           stp:
	//             enabled: true
	//         addresses:
	//           - 172.16.1.60/24
	//         routes:
	//           - network: 0.0.0.0/0
	//             gateway: 172.16.1.254
	//             metric: 1024
}

// The same bridge as documents. Another NIC keeps the node reachable.
func ExampleBridgePatch_documents() {
	patch, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{
		Name: "br0", Links: []string{"eno2"}, HardwareAddr: "00:1a:2b:3c:4d:5e",
		Addresses:   []string{"172.16.1.60/24"},
		PrimaryLink: talos.PrimaryLink{Name: "eno1"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// apiVersion: v1alpha1
	// kind: BridgeConfig
	// name: br0
	// hardwareAddr: 00:1a:2b:3c:4d:5e
	// links:
	//   - eno2
	// addresses:
	//   - address: 172.16.1.60/24
	// ---
	// apiVersion: v1alpha1
	// kind: DHCPv4Config
	// name: eno1
}

// What an old version lacks is an error that says since when it is there.
func ExampleBridgePatch_notSupported() {
	_, err := talos.BridgePatch("v1.11.6", talos.BridgeConfig{
		Name: "br0", Links: []string{"eno1"}, HardwareAddr: "00:1a:2b:3c:4d:5e",
	})
	if missing := (*talos.NotSupportedError)(nil); errors.As(err, &missing) {
		fmt.Println(missing)
	}
	// Output: hardwareAddr: a fixed hardware address of a bridge or bond is not supported by Talos v1.11.6, it needs at least v1.12
}

func ExampleBondPatch() {
	patch, err := talos.BondPatch("v1.13.9", talos.BondConfig{
		Name: "bond0", Links: []string{"eno1", "eno2"}, Mode: talos.BondMode8023AD, DHCPv4: true,
		PrimaryLink: talos.PrimaryLink{Name: "bond0"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// apiVersion: v1alpha1
	// kind: BondConfig
	// name: bond0
	// links:
	//   - eno1
	//   - eno2
	// bondMode: 802.3ad
	// miimon: 100
	// updelay: 200
	// downdelay: 200
	// xmitHashPolicy: layer3+4
	// ---
	// apiVersion: v1alpha1
	// kind: DHCPv4Config
	// name: bond0
}

func ExampleVLANPatch() {
	patch, err := talos.VLANPatch("v1.11.6", talos.VLANConfig{Parent: "bond0", ID: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// machine:
	//   network:
	//     interfaces:
	//       - interface: bond0
	//         vlans:
	//           - vlanId: 100
}

func ExampleLinkPatch() {
	patch, err := talos.LinkPatch("v1.13.9", talos.LinkConfig{
		Name: "eno1", Addresses: []string{"10.0.0.5/24"}, Routes: []talos.Route{{Gateway: "10.0.0.1"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// apiVersion: v1alpha1
	// kind: LinkConfig
	// name: eno1
	// addresses:
	//   - address: 10.0.0.5/24
	// routes:
	//   - gateway: 10.0.0.1
}

func ExampleDHCPPatch() {
	patch, err := talos.DHCPPatch("v1.13.9", talos.DHCPConfig{Link: "eno1", RouteMetric: 2048})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// apiVersion: v1alpha1
	// kind: DHCPv4Config
	// name: eno1
	// routeMetric: 2048
}

// A tagged network for pods: a VLAN with a bridge of its own.
func ExampleCombine() {
	primary := talos.PrimaryLink{Name: "eno1"}
	vlan, err := talos.VLANPatch("v1.13.9", talos.VLANConfig{Parent: "eno1", ID: 100, PrimaryLink: primary})
	if err != nil {
		fmt.Println(err)
		return
	}
	bridge, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br100", Links: []string{"eno1.100"}, PrimaryLink: primary})
	if err != nil {
		fmt.Println(err)
		return
	}
	patch, err := talos.Combine(vlan, bridge)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// apiVersion: v1alpha1
	// kind: VLANConfig
	// name: eno1.100
	// vlanID: 100
	// parent: eno1
	// ---
	// apiVersion: v1alpha1
	// kind: DHCPv4Config
	// name: eno1
	// ---
	// apiVersion: v1alpha1
	// kind: BridgeConfig
	// name: br100
	// links:
	//   - eno1.100
}

// The node's only NIC becomes the port of a bridge: its address moves.
func ExamplePatch_Apply() {
	patch, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{
		Name: "br0", Links: []string{"eno1"}, PrimaryLink: talos.PrimaryLink{Name: "eno1"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	patched, err := patch.Apply([]byte(`apiVersion: v1alpha1
kind: LinkConfig
name: eno1
mtu: 9000
addresses:
  - address: 10.0.0.5/24
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname: worker-1 # rack 4
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(patched))
	// Output:
	// apiVersion: v1alpha1
	// kind: LinkConfig
	// name: eno1
	// mtu: 9000
	// ---
	// apiVersion: v1alpha1
	// kind: HostnameConfig
	// hostname: worker-1 # rack 4
	// ---
	// apiVersion: v1alpha1
	// kind: BridgeConfig
	// name: br0
	// links:
	//     - eno1
	// addresses:
	//     - address: 10.0.0.5/24
}

// A program that uses Talos' machinery hands the patch to its configpatcher.
func ExamplePatch_Patches() {
	patch, err := talos.DHCPPatch("v1.13.9", talos.DHCPConfig{Link: "eno1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	patches, err := patch.Patches()
	fmt.Println(len(patches), err)
	// Output: 1 <nil>
}

func ExampleInlineManifestPatch() {
	patch, err := talos.InlineManifestPatch("v1.13.9", "vms", []byte("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: vms\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// cluster:
	//   inlineManifests:
	//     - name: vms
	//       contents: |
	//         apiVersion: v1
	//         kind: Namespace
	//         metadata:
	//           name: vms
}

func ExampleNoCNIPatch() {
	patch, err := talos.NoCNIPatch("v1.13.9", talos.NoCNIConfig{DisableKubeProxy: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(patch)
	// Output:
	// cluster:
	//   network:
	//     cni:
	//       name: none
	//   proxy:
	//     disabled: true
}

func ExampleCheckSize() {
	err := talos.CheckSize(make([]byte, 9<<20), talos.MaxMaintenanceSize)
	fmt.Println(err)
	// Output: machine config: 9437184 bytes are more than the 4 MiB that Talos accepts; apply large manifests with a client instead
}

func ExampleLintNetwork() {
	for _, finding := range talos.LintNetwork([]byte(`apiVersion: v1alpha1
kind: BridgeConfig
name: br0
links: [eno1, eno1]
hardwareAddr: 00:1a:2b:3c:4d:5e
addresses:
  - address: 172.16.1.60/24
routes:
  - destination: 0.0.0.0/0
    gateway: 172.16.1.254
`)) {
		fmt.Println(finding.Severity, finding.Code, finding.Path)
	}
	// Output:
	// error talos/default-route routes[0].destination
	// warning talos/duplicate-link links[1]
}

// The first version of the guide's bridge is rejected by every Talos.
func ExampleLintPatch() {
	node := []byte("machine:\n  type: worker\n")
	patch := []byte("machine:\n  interfaces:\n    - interface: br0\n")
	for _, finding := range talos.LintPatch(node, patch) {
		fmt.Println(finding)
	}
	// Output: error talos/network-key: v1alpha1.Config machine.interfaces: interfaces is a key of machine.network, so Talos rejects the config; write machine: network: interfaces:
}
