package kubevirt_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/kubevirt"
)

func BenchmarkCheck(b *testing.B) {
	spec := bridged(b, "vms/lan")
	cluster := kubevirt.NADs(defs(b)...)
	b.ReportAllocs()
	for b.Loop() {
		kubevirt.Check("vms", spec, cluster)
	}
}

func BenchmarkNADs(b *testing.B) {
	all := defs(b)
	b.ReportAllocs()
	for b.Loop() {
		kubevirt.NADs(all...)
	}
}

// A crowd is a cluster with very many VMs, which it makes as they are asked for,
// page by page. It notes how much memory is in use at most.
type crowd struct {
	*cluster
	vms, instances int
	vm, instance   map[string]any
	peak           uint64
}

// newCrowd returns a cluster of VMs as large as they are. Every so many of them
// is on macvlan.
func newCrowd(b *testing.B) *crowd {
	b.Helper()
	c := &crowd{cluster: busy(b), vms: 10_000, instances: 10_000}
	archive := golden.Archive(b, "testdata/bench.txtar")
	c.vm = clusterOf(b, string(golden.Section(b, archive, "vm"))).objects["VirtualMachine"][0].Object
	c.instance = clusterOf(b, string(golden.Section(b, archive, "instance"))).objects["VirtualMachineInstance"][0].Object
	return c
}

func (c *crowd) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	out := list.(*unstructured.UnstructuredList)
	object, count := c.vm, c.vms
	switch out.GetKind() {
	case "VirtualMachineList":
	case "VirtualMachineInstanceList":
		object, count = c.instance, c.instances
	default:
		return c.cluster.List(ctx, list, options...)
	}
	c.measure()
	c.requests = append(c.requests, out.GetKind())
	o := (&client.ListOptions{}).ApplyOptions(options)
	first, _ := strconv.Atoi(o.Continue)
	last := min(count, first+int(o.Limit))
	out.Items = nil
	for n := first; n < last; n++ {
		made := unstructured.Unstructured{Object: object}
		made = *made.DeepCopy()
		made.SetName(fmt.Sprintf("vm-%05d", n))
		out.Items = append(out.Items, made)
	}
	if last < count {
		out.SetContinue(strconv.Itoa(last))
	}
	return nil
}

// measure collects garbage first: what is held is what counts.
func (c *crowd) measure() {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	c.peak = max(c.peak, stats.HeapAlloc)
}

// BenchmarkCheckCluster checks 10,000 VMs and looks at their 10,000 instances:
// the figures of docs/kubevirt.md.
func BenchmarkCheckCluster(b *testing.B) {
	c := newCrowd(b)
	for _, tt := range []struct{ name, network string }{{"good", "lan"}, {"all on macvlan", "lab/macvlan"}} {
		b.Run(tt.name, func(b *testing.B) {
			networks, _, err := unstructured.NestedSlice(c.vm, "spec", "template", "spec", "networks")
			if err != nil {
				b.Fatal(err)
			}
			networks[1].(map[string]any)["multus"] = map[string]any{"networkName": tt.network}
			if err := unstructured.SetNestedSlice(c.vm, networks, "spec", "template", "spec", "networks"); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var report kubevirt.Report
			for b.Loop() {
				c.requests, c.peak = nil, 0
				c.measure()
				before := c.peak
				if report, err = kubevirt.CheckCluster(b.Context(), c, kubevirt.CheckOptions{}); err != nil {
					b.Fatal(err)
				}
				c.peak -= before
			}
			if report.VMs != c.vms || report.VMIs != 0 {
				b.Fatalf("%d VMs and %d VMIs", report.VMs, report.VMIs)
			}
			b.ReportMetric(float64(len(c.requests)), "requests/op")
			b.ReportMetric(float64(c.peak)/(1<<20), "peak-MiB")
			b.ReportMetric(float64(len(report.Findings)), "findings/op")
		})
	}
}
