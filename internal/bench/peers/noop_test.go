package peers_test

import (
	"context"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	talosssa "github.com/siderolabs/go-kubernetes/kubernetes/ssa"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// An applier brings the cluster to what it should be.
type applier struct {
	name  string
	apply func(tb testing.TB, to *rest.Config) func(context.Context) error
	// most requests, reads and dry runs, and writes, when there is nothing to do.
	reads, writes int
}

var appliers = []applier{
	{"multihome", withMultihome, 6, 0},
	{"flux", withFlux, 12, 0},
	{"flux staged", withFluxStaged, 14, 0},
	{"talos", withTalos, 28, 2},
}

func installerFor(tb testing.TB, to *rest.Config) *multus.Installer {
	tb.Helper()
	c, err := client.New(to, client.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	installer, err := multus.NewInstaller(c, multus.Config{Platform: multus.Platform{PrimaryCNI: "flannel"}})
	if err != nil {
		tb.Fatal(err)
	}
	return installer
}

func withMultihome(tb testing.TB, to *rest.Config) func(context.Context) error {
	tb.Helper()
	installer := installerFor(tb, to)
	return func(ctx context.Context) error {
		_, err := installer.Install(ctx, multus.InstallOptions{})
		return err
	}
}

// objects are what the others apply: the same that Install does.
func objects(tb testing.TB) []*unstructured.Unstructured {
	tb.Helper()
	bundle, err := multus.Render(multus.Config{Platform: multus.Platform{PrimaryCNI: "flannel"}})
	if err != nil {
		tb.Fatal(err)
	}
	var out []*unstructured.Unstructured
	for _, object := range bundle.Objects() {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			tb.Fatal(err)
		}
		delete(content, "status") // a struct of the CRD's type is never without
		out = append(out, &unstructured.Unstructured{Object: content})
	}
	return out
}

func fluxManager(tb testing.TB, to *rest.Config) *ssa.ResourceManager {
	tb.Helper()
	c, err := client.New(to, client.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return ssa.NewResourceManager(c, polling.NewStatusPoller(c, c.RESTMapper(), polling.Options{}), ssa.Owner{Field: "flux"})
}

func withFlux(tb testing.TB, to *rest.Config) func(context.Context) error {
	tb.Helper()
	manager, all := fluxManager(tb, to), objects(tb)
	return func(ctx context.Context) error {
		_, err := manager.ApplyAll(ctx, all, ssa.DefaultApplyOptions())
		return err
	}
}

func withFluxStaged(tb testing.TB, to *rest.Config) func(context.Context) error {
	tb.Helper()
	manager, all := fluxManager(tb, to), objects(tb)
	return func(ctx context.Context) error {
		_, err := manager.ApplyAllStaged(ctx, all, ssa.DefaultApplyOptions())
		return err
	}
}

func withTalos(tb testing.TB, to *rest.Config) func(context.Context) error {
	tb.Helper()
	manager, err := talosssa.NewManager(tb.Context(), to, "talos", "kube-system", "inventory")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(manager.Close)
	all := objects(tb)
	return func(ctx context.Context) error {
		_, err := manager.Apply(ctx, all, talosssa.ApplyOptions{InventoryPolicy: talosssa.InventoryPolicyAdoptIfNoInventory})
		return err
	}
}

// count returns how often an applier asks and writes when all is as it should
// be: the second time after the first one.
func count(requests []multustest.Request) (reads, writes int) {
	for _, r := range requests {
		if r.IsWrite() {
			writes++
		} else {
			reads++
		}
	}
	return reads, writes
}

// settle applies until nothing is left to do.
func (a applier) settle(tb testing.TB) (cluster *multustest.Cluster, again func(context.Context) error) {
	tb.Helper()
	cluster, to := serve(tb)
	if _, err := multusInstalled(tb, cluster); err != nil {
		tb.Fatal(err)
	}
	again = a.apply(tb, to)
	for range 2 {
		if err := again(tb.Context()); err != nil {
			tb.Fatalf("%s: %v\n%v", a.name, err, cluster.Requests())
		}
	}
	cluster.ResetRequests()
	return cluster, again
}

// multusInstalled installs with the cluster's own client: the server has no
// watch, and what follows needs none.
func multusInstalled(tb testing.TB, cluster *multustest.Cluster) (*multus.Result, error) {
	tb.Helper()
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{Platform: multus.Platform{PrimaryCNI: "flannel"}})
	if err != nil {
		return nil, err
	}
	return installer.Install(tb.Context(), multus.InstallOptions{})
}

// TestNoop holds how often each of them asks and writes, as ../results/peers.txt has it.
func TestNoop(t *testing.T) {
	for _, a := range appliers {
		t.Run(a.name, func(t *testing.T) {
			cluster, again := a.settle(t)
			if err := again(t.Context()); err != nil {
				t.Fatal(err)
			}
			reads, writes := count(cluster.Requests())
			if a.name == "multihome" && (reads > a.reads || writes > a.writes) || a.name != "multihome" && (reads != a.reads || writes != a.writes) {
				t.Errorf("got %d reads and %d writes, want %d and %d: %v", reads, writes, a.reads, a.writes, cluster.Requests())
			}
		})
	}
}

// BenchmarkNoop is an apply with nothing to do. Dry runs count as reads.
func BenchmarkNoop(b *testing.B) {
	for _, a := range appliers {
		b.Run(a.name, func(b *testing.B) {
			cluster, again := a.settle(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := again(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			reads, writes := count(cluster.Requests())
			b.ReportMetric(float64(reads)/float64(b.N), "reads/op")
			b.ReportMetric(float64(writes)/float64(b.N), "writes/op")
		})
	}
}
