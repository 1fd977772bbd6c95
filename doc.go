// Package multihome gives every pod and VM on a Talos Linux cluster a second
// network interface, from Go. It holds [Finding], the type that every check
// of the library returns; the work is done in the packages below it.
//
//   - [github.com/multihome/multihome/multus] renders, installs, upgrades and
//     watches Multus (the thick DaemonSet), with the fixes that Talos, Cilium
//     and arm64 need, and takes it off again.
//   - [github.com/multihome/multihome/nad] builds, reads and judges
//     NetworkAttachmentDefinitions, and attaches pods to them.
//   - [github.com/multihome/multihome/cilium] says what Cilium on this cluster
//     does to Multus, gives the Helm values that let both live, and repairs a
//     cluster where they do not.
//   - [github.com/multihome/multihome/kubevirt] builds and checks what VMs need
//     to be on a network, and finds what KubeVirt's own admission does
//     not look at.
//   - [github.com/multihome/multihome/talos] writes patches for Talos machine
//     configs (bridges, bonds, VLANs, DHCP, inline manifests), applies them
//     twice without harm, and lints what Talos accepts in silence.
//   - [github.com/multihome/multihome/multus/image] looks into images before a
//     rollout, builds them and copies them to another registry.
//   - [github.com/multihome/multihome/multus/multustest] is a simulated
//     cluster for unit tests of programs that import multus.
//
// Two rules hold everywhere. What can be computed from values is a pure
// function: same input, same output, no clock, no environment, no cluster.
// What reads or writes a cluster takes a context first and a controller-runtime
// client, and only reads, calls the pure part and writes.
//
// Errors name the object and the field and say what to do; all problems of one
// input are reported at once. The library never panics, never logs, starts no
// goroutine that outlives its call and keeps no global state.
package multihome
