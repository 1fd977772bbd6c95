// Package talos writes patches for Talos machine configs: the bridge under a
// NAD, what goes below it and beside it, and Multus itself as an inline
// manifest. It knows which Talos version reads which form, applies a patch
// twice without harm, and says what Talos accepts though it does not work.
//
//	patch, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{
//		Name:        "br0",
//		Links:       []string{"eno2"},
//		PrimaryLink: talos.PrimaryLink{Name: "eno1"}, // DHCP, as by default
//	})
//	fmt.Println(patch.Findings)                   // what to know first
//	os.Stdout.Write(patch.YAML())                 // for talosctl
//	patched, err := patch.Apply(machineConfig)    // or here
//	findings := talos.LintNetwork(machineConfig)  // any config
//
// [BondPatch], [VLANPatch], [LinkPatch] and [DHCPPatch] do the same for other
// links, and [Combine] makes one change of several. [InlineManifestPatch] and
// [NoCNIPatch] prepare a cluster for Multus before its first boot.
// [LintNetwork] and [LintPatch] judge what others wrote. Everything is computed
// from its arguments: no node is asked, and whether a link of that name exists
// is not known here.
//
// # Two forms, one danger
//
// Talos reads links from machine.network.interfaces, the legacy form, and from
// v1.12 on from one document per link. Patches are documents where the version
// has them; [Form] asks for the other. There is one difference in effect: with
// the first document for a link or for DHCP, Talos stops DHCP and link-up on
// every link that nothing names. A lone BridgeConfig over the second NIC so
// takes a node off the network that got its address from the first one by
// default. Give [PrimaryLink], and the patch has the document that keeps it;
// otherwise it carries the finding talos/implicit-dhcp. Try network changes
// with talosctl patch --mode=try, which reverts them if the node is lost.
//
// # Findings
//
// Errors: what Talos rejects (unreadable, rejected, network-key, address-form,
// default-route, no-kind, no-name, patch, json-patch, empty-patch,
// duplicate-document, conflicting-documents, hostname-conflict,
// resolver-conflict, too-new, worker-vip, size, machine-config) and what cannot
// work (two-masters, port-addressing, nested-bridge, own-port, name-length,
// alias-name, unreachable). Warnings: implicit-dhcp, primary-moves,
// vlan-filtering, mac-drift, no-links, duplicate-link, duplicate-address,
// duplicate-route, duplicate-interface, both-forms, worker-manifest,
// manifest-size, too-many-links. Notes: stp-delay, wide-selector, deprecated,
// unknown-kind. Each code begins with "talos/".
//
// # Versions
//
// Talos v1.7 to v1.14, and later ones as v1.14. Machinery v1.13.9 is linked;
// every patch was also loaded and validated by the machinery of each other
// minor (internal/conformance). Documents and, from v1.14 on, keys that
// machinery does not know are kept as they are.
//
// The price of the import: a program that calls only this package is 26 MB
// large (stripped, linux/amd64; an empty one is 1.6 MB), with 300 packages of
// 47 modules, gRPC and CEL among them. No other package of this library imports
// it.
//
// # Errors
//
// A configuration that makes no sense gives all its problems at once, each a
// *field.Error, or a *[NotSupportedError] with the first version that has the
// feature. A *[SizeError] is what Talos' API would not take. Errors and
// findings about a machine config name document and key and never quote its
// values, which hold the keys of a cluster. Advice is a multihome.Finding.
//
// # Not here
//
// JSON patches, which Talos refuses for configs of several documents; sending
// a config to a node; secrets; links other than bridges, bonds, VLANs and
// physical ones.
package talos
