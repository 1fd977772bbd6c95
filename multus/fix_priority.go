package multus

// priorityFix keeps Multus from being evicted. A node whose Multus pod is
// evicted starts pods without their secondary networks, or none at all.
var priorityFix = fix{
	Fix: Fix{
		Name:   "priority",
		Reason: "without a priority class a full node evicts Multus, and its pods lose their networks",
		Source: "multus-cni #1531; kubernetes-sigs/kubespray #11304",
	},
	applies: always,
	apply:   func(b *build) { b.podSpec().PriorityClassName = "system-node-critical" },
}
