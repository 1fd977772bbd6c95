package multus

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The figures behind the memory fix, in MiB.
const (
	// delegateMemory is what one running CNI plugin takes: cilium-cni was
	// measured at 55 MB (multus-cni #1510). Plugins run in the daemon's cgroup.
	delegateMemory = 55
	// daemonMemory is the daemon without plugins, rounded up: 80 MB was the
	// peak while 60 pods started with a connection limit of none.
	daemonMemory = 100
	// minimumMemory is the least that a release without a connection limit
	// is known to survive: 60 pods at once with 256Mi, measured; 150Mi was
	// killed at 150 pods (siderolabs/docs #345, KBVE/kbve #10362).
	minimumMemory = 256
	// maxConnections is the connection limit with the default memory: more
	// plugins at once only wait for each other's locks.
	maxConnections = 8
)

// defaultResources are what the memory fix sets. There is no CPU limit: it
// throttles the plugins, which every starting pod waits for.
var defaultResources = Resources{
	Daemon: ContainerResources{RequestCPU: "100m", RequestMemory: "128Mi", LimitMemory: "1Gi"},
	Init:   ContainerResources{RequestCPU: "10m", RequestMemory: "16Mi", LimitMemory: "128Mi"},
}

// memoryFix replaces upstream's limit of 50Mi, under which the daemon is
// killed as soon as some pods start at once: CNI plugins run inside its
// cgroup, without a limit on how many. From v4.3.0 on their number is limited
// too. A limit always stays, on every container: since Talos v1.12 the
// userspace OOM handler kills pods without one first.
var memoryFix = fix{
	Fix: Fix{
		Name:   "memory",
		Reason: "at upstream's 50Mi the daemon is killed when pods start in numbers, and with no limit Talos since v1.12 kills it first",
		Source: "multus-cni #1346, #1510; siderolabs/docs #345; cozystack packages/system/multus",
	},
	applies: always,
	apply: func(b *build) {
		daemon := b.config.Resources.Daemon.or(defaultResources.Daemon)
		b.daemonContainer().Resources = daemon.requirements()
		init := b.config.Resources.Init.or(defaultResources.Init)
		for i := range b.podSpec().InitContainers {
			b.podSpec().InitContainers[i].Resources = init.requirements()
		}
		if b.release.connectionLimit() {
			b.daemon["connectionLimit"] = connectionsWithin(daemon.LimitMemory)
		}
	},
}

// connectionsWithin returns how many plugins may run at once under a memory
// limit.
func connectionsWithin(limit string) int64 {
	q, err := resource.ParseQuantity(limit)
	if err != nil {
		return 1
	}
	return min(max((q.Value()>>20-daemonMemory)/delegateMemory, 1), maxConnections)
}

// or fills the empty fields of r from other.
func (r ContainerResources) or(other ContainerResources) ContainerResources {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&r.RequestCPU, other.RequestCPU)
	fill(&r.RequestMemory, other.RequestMemory)
	fill(&r.LimitCPU, other.LimitCPU)
	fill(&r.LimitMemory, other.LimitMemory)
	return r
}

// requirements converts r. A limit of "0" is left out; a request of "0" is
// written, because Kubernetes fills a missing one with the limit.
func (r ContainerResources) requirements() corev1.ResourceRequirements {
	out := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
	set := func(list corev1.ResourceList, name corev1.ResourceName, value string, zero bool) {
		if q, err := resource.ParseQuantity(value); err == nil && (zero || !q.IsZero()) {
			list[name] = q
		}
	}
	set(out.Requests, corev1.ResourceCPU, r.RequestCPU, true)
	set(out.Requests, corev1.ResourceMemory, r.RequestMemory, true)
	set(out.Limits, corev1.ResourceCPU, r.LimitCPU, false)
	set(out.Limits, corev1.ResourceMemory, r.LimitMemory, false)
	return out
}
