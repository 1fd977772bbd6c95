// Package cilium is about Cilium beside Multus: it finds Cilium on a cluster,
// says what in its settings breaks secondary networks, gives the Helm values
// with which both live together, and mends a cluster where they do not.
//
// As its chart installs it, Cilium renames every other CNI configuration of a
// node, that of Multus included. Multus' pods stay ready, and new pods lack
// their networks without a word.
//
//	config, err := cilium.Detect(ctx, c) // c: a controller-runtime client
//	if errors.Is(err, cilium.ErrNotFound) { return nil } // another CNI
//	for _, finding := range config.Findings() { fmt.Println(finding) }
//
// Before there is a cluster, [HelmValues] are for whoever installs Cilium, and
// [Check] judges the values that there are already:
//
//	values := cilium.HelmValues(cilium.ValuesOptions{Talos: true, KubeVirt: true})
//
// On a cluster that is broken already, the right value alone is not enough:
// agents and Multus have to start again, in this order, and then the pods.
// [Repair] does the first three and says what is left:
//
//	steps, err := cilium.Repair(ctx, c, cilium.RepairOptions{Progress: func(s cilium.Step) { log.Println(s) }})
//
// # Versions
//
// Cilium 1.14 to 1.20. Rules were read in its source at v1.20.2, and the Helm
// values are those of that chart; they exist since 1.14.
//
// # Errors
//
// [ErrNotFound] is returned where there is no Cilium, [OwnedError] where
// somebody else would take a change back. Every other error names the request
// and the object and wraps its cause. What could not be read for lack of a
// permission is no error but a finding, in [Config] Unseen.
//
// # Not here
//
// Nothing looks at nodes: what files are there is predicted ([Settings]
// ConfDir), not read. Sources of configuration other than Cilium's default ones
// (daemon.configSources of its chart) are not followed. Pods that have lost
// their networks are found and recreated by Audit of package multus.
package cilium
