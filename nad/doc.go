// Package nad is about networks beside the cluster's own: it builds, reads and
// judges NetworkAttachmentDefinitions (NADs), and says which of them a pod asks
// for and what it got.
//
// There is a struct and a function for each CNI plugin, so nobody writes JSON
// inside YAML:
//
//	def, err := nad.Macvlan("lan", nad.MacvlanConfig{Master: "eth0", IPAM: nad.DHCP{}})
//	tuned, err := nad.Chain("tuned", nad.BridgeConfig{Bridge: "br0"}, nad.TuningConfig{MTU: 9000})
//
// What is there is read back into the same structs, and loses nothing on the
// way out: keys and plugins that are not known here are kept, and a text that
// was not changed comes back letter by letter.
//
//	network, err := nad.Parse(def)
//	text, err := network.Config()
//
// [Lint] says what the plugins will refuse when a pod starts, and what they
// take in silence: misspelt keys, ranges that they ignore, addresses that two
// pods get. [CheckAttachment] looks at a NAD and a pod's request together,
// [LintCluster] at all NADs of a cluster and what else it uses.
//
//	for _, finding := range nad.Lint(def) { fmt.Println(finding) }
//
// Pods, and everything with a pod template, ask for networks by an annotation,
// which is written and read as Multus does:
//
//	err = nad.Attach(deployment, nad.Attachment{Name: "lan", Interface: "net1"})
//	wanted, err := nad.Attachments(deployment)
//	got, err := nad.Status(pod)
//
// # Versions
//
// The rules are those of the reference plugins v1.9.1, whereabouts v0.9.4,
// ovs-cni v0.39, sriov-cni v2.10, ib-sriov-cni v1.3, CNI 1.1.0, the
// Multi-Network specification 1.3 and Multus 4.3. Fields that need a newer
// plugin than v1.0.0 say so. A default that differs between versions of a plugin
// is always written.
//
// # Errors
//
// A builder returns a NAD that its plugins take, or all that they refuse at
// once: each problem is a *field.Error with the path in the configuration, which
// errors.As finds. Parse returns all values of a wrong type in the same way.
// What is accepted and likely wrong is never an error: it is a multihome.Finding
// of Lint. Input is not trusted: nothing panics, and work is bounded by the size
// of the text.
//
// # Not here
//
// Nothing talks to a cluster or a node. Whether an interface exists on a node,
// what its MTU is and whether a plugin finds the programs that it runs is not
// known here. Plugins without a struct are kept as [Raw] and not judged.
package nad
