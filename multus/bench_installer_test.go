package multus_test

import (
	"runtime"
	"testing"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// BenchmarkInstallNoop is what a controller pays for each look at a cluster
// that is as wanted.
func BenchmarkInstallNoop(b *testing.B) {
	benchmarks := []struct {
		name   string
		config multus.Config
	}{{"given", onFlannel}, {"detected", multus.Config{}}}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			cluster := simulate(b, multustest.Options{Nodes: threeNodes()})
			install(b, cluster, bb.config, multus.InstallOptions{})
			installer := newInstaller(b, cluster.Client(), bb.config)
			cluster.ResetRequests()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := installer.Install(b.Context(), multus.InstallOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(cluster.Requests()))/float64(b.N), "requests/op")
		})
	}
}

// BenchmarkStatus reads a thousand pods, in two pages.
func BenchmarkStatus(b *testing.B) {
	cluster := simulate(b, multustest.Options{Nodes: make([]multustest.Node, 1000)})
	install(b, cluster, onFlannel, multus.InstallOptions{})
	installer := newInstaller(b, cluster.Client(), onFlannel)
	cluster.ResetRequests()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := installer.Status(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(cluster.Requests()))/float64(b.N), "requests/op")
}

// BenchmarkPlan plans for 5,000 nodes that it has to look at. Time and
// allocations include what the simulated API server takes to answer. The
// retained bytes are those that a Plan holds on to, at most, between two of
// its requests.
func BenchmarkPlan(b *testing.B) {
	cluster := simulate(b, multustest.Options{Nodes: make([]multustest.Node, 5000)})
	installer := newInstaller(b, cluster.Client(), multus.Config{})
	var most uint64
	before := heap()
	cluster.Fail(func(int, multustest.Request) error {
		most = max(most, heap())
		return nil
	})
	if _, err := installer.Plan(b.Context()); err != nil {
		b.Fatal(err)
	}
	cluster.Fail(nil)
	cluster.ResetRequests()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := installer.Plan(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(cluster.Requests()))/float64(b.N), "requests/op")
	b.ReportMetric(float64(most-min(before, most)), "retained-B")
}

// heap is what is in use.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
