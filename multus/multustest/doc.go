// Package multustest is a simulated Kubernetes cluster for the unit tests of
// programs that use multihome: no network, no root, a few milliseconds.
//
//	cluster, err := multustest.NewCluster(multustest.Options{
//		Nodes:      []multustest.Node{{Name: "worker-1"}, {Name: "worker-2", Fault: multustest.FaultImagePull}},
//		PrimaryCNI: "cilium",
//	})
//	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
//	result, err := installer.Install(ctx, multus.InstallOptions{}) // stuck on worker-2
//	cluster.SetFault("worker-2", multustest.FaultNone)             // healed
//	cluster.Requests()                                             // all that was sent
//
// # What is simulated
//
// The client is controller-runtime's fake client, with its gaps closed where
// they matter to an installer:
//
//   - Server-side apply with conflicts and managedFields, by the API server's
//     own code. Status is ignored where the API server ignores it. A write
//     that changes nothing leaves the resource version alone.
//   - Dry runs that compute the result and change nothing.
//   - uid, creationTimestamp, generation, and the template generation of
//     DaemonSets; resource versions count through all kinds.
//   - Watches that begin with all that exists, or at a resource version, and
//     lose nothing; label selectors, and the field selectors of an API server.
//   - Lists in pages, with remainingItemCount.
//   - Discovery: a kind without its established CRD does not exist. CRDs are
//     established at once, or held ([Cluster.HoldCRDs]).
//   - Namespaces that must exist, selectors and role references that cannot
//     change, and level baseline of Pod Security as on Talos: enforced outside
//     kube-system where a namespace's label does not say otherwise. Level
//     restricted is checked as baseline.
//   - Garbage collection: by owner, by namespace, by CRD.
//   - The DaemonSet controller with placement, rolling update, maxUnavailable,
//     revisions and figures, node by node under the test's control
//     ([RolloutManual]), and a kubelet whose pods fail as real ones do
//     ([Fault]).
//   - Scheduler, kubelet and Multus for other pods, in brief: a pod starts on
//     the first node that it fits. Where a ready pod with label app=multus is,
//     it gets the network-status annotation with the NADs that it asks for,
//     addresses of host-local and static IPAM included; a NAD that is missing
//     keeps it from starting, with an Event.
//
// # What is not simulated
//
//   - Defaults. An API server adds dozens of fields to a DaemonSet; here an
//     object holds what was sent. Code that compares whole objects passes here
//     and fails on a real cluster: compare the fields that you own.
//   - Validation and admission, beyond what is named above: a manifest without
//     a container is accepted, webhooks and quotas are not called, the schema
//     of a CRD is not looked at and prunes nothing.
//   - RBAC, beyond [Cluster.Forbid]; roles and bindings are objects like any
//     other. Privilege escalation is not prevented.
//   - CNI. No network is configured, no file is written on a node: Cilium's
//     exclusive mode harms nobody here, and a NAD's configuration is not
//     checked by a plugin.
//   - Containers. They never end, log or probe; a pod ends when it is deleted,
//     at once. Jobs, Deployments, StatefulSets and all other controllers do
//     nothing.
//   - Time. Nothing takes any: what a fault does to a pod shows at once and
//     has, so it says, happened five times. maxSurge, minReadySeconds,
//     timeouts, leases and token expiry have no effect. Timestamps are the
//     machine's.
//   - Versions of the API: objects are stored in the version they are sent in.
//     Custom resources have no status subresource.
//   - What the simulated controllers write has no managedFields.
//   - A list that continues shows the state of its second request, not of its
//     first. Watches from the 30,000 latest changes only; no bookmarks and no
//     streamed lists (sendInitialEvents).
//
// # Versions
//
// The API is that of Kubernetes 1.37 (k8s.io/api v0.37), whatever version
// Options say that the nodes run.
//
// # Errors
//
// The client's errors are those of a real one: test them with
// k8s.io/apimachinery/pkg/api/errors and, for kinds that do not exist, with
// meta.IsNoMatchError. [Cluster.Fail] brings about the others.
package multustest
