// Package cilium holds package cilium of this library against Cilium's own code
// and chart, both of version 1.20.2: what an agent does to the directory of CNI
// configurations, which interfaces a list of devices selects, and what Helm makes
// of the values that we give and judge. Nothing of it runs in a cluster, and
// nothing needs root.
//
// It has a module of its own: Cilium and Helm are for these tests alone. Two
// things it does not hold: the merge of CiliumNodeConfigs (pkg/option/resolver
// brings clients for all of Cilium's kinds, twice the rest), and other versions of
// Cilium, of which a module can have only one.
package cilium
