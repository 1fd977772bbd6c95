package lab_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

// everyFault is for `make faults`, which takes most of an hour.
var everyFault = flag.Bool("faults", false, "kill calls after each of their requests, stop the API server for 30 s, lose a node")

// stage is a call that changes a cluster, from one state to another.
type stage struct {
	name string
	call func(context.Context, client.Client) error
	// done fails the test unless the cluster is as the call is to leave it.
	done func(*testing.T, *lab.Cluster, client.Client)
	// undo brings back the state from before, once it is done.
	undo func(*testing.T, *lab.Cluster, client.WithWatch)
	// beginsAnew: each call does again what it did before it was cut, so that it must be let go on longer each time.
	beginsAnew bool
	// networks that probe pods ask for: none where the call takes Multus away.
	networks []string
}

// stages lead from the Multus that kubectl applied to none at all and back, so that each begins where the one before
// ends.
func stages(t *testing.T) []stage {
	t.Helper()
	older, newest := multus.Config{Version: "v4.2.4"}, multus.Config{}
	installs := func(config multus.Config, options multus.InstallOptions) func(context.Context, client.Client) error {
		return func(ctx context.Context, kube client.Client) error {
			installer, err := multus.NewInstaller(kube, config)
			if err != nil {
				return err
			}
			_, err = installer.Install(ctx, options)
			return err
		}
	}
	installed := func(config multus.Config) func(*testing.T, *lab.Cluster, client.Client) {
		return func(t *testing.T, c *lab.Cluster, kube client.Client) {
			mustBeHealthy(t, kube, config)
			for _, n := range c.Nodes() {
				name := fmt.Sprintf("done-%d-%s", time.Now().UnixMilli(), n.Name())
				pod := on(n, lab.Pod(name, "second"))
				create(t, kube, pod)
				if got := networkStatus(t, running(t, c, pod))["net1"].Name; got != "default/second" {
					t.Errorf("a pod on %s has net1 of %q, want default/second", n.Name(), got)
				}
				if err := kube.Delete(lab.Context(t), pod); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	inUse := multus.UninstallOptions{Ignore: []string{"multus/networks-in-use", "multus/installed-by-other"}}
	return []stage{
		{
			name: "adopt", call: installs(older, multus.InstallOptions{Conflicts: multus.ConflictAdopt}),
			done: installed(older), networks: []string{"second"},
			undo: func(t *testing.T, c *lab.Cluster, kube client.WithWatch) {
				uninstall(t, kube, inUse)
				applyUpstreamAgain(t, c, kube)
			},
		},
		{
			name: "upgrade", call: installs(newest, multus.InstallOptions{}),
			done: installed(newest), networks: []string{"second"},
			undo: func(t *testing.T, c *lab.Cluster, kube client.WithWatch) { install(t, c, kube, older) },
		},
		{
			name: "uninstall", beginsAnew: true, // it cannot see whether nodes are clean
			call: func(ctx context.Context, kube client.Client) error {
				installer, err := multus.NewInstaller(kube, newest)
				if err != nil {
					return err
				}
				return installer.Uninstall(ctx, inUse)
			},
			done: func(t *testing.T, c *lab.Cluster, kube client.Client) { nothingLeft(t, c, kube) },
			undo: func(t *testing.T, c *lab.Cluster, kube client.WithWatch) { install(t, c, kube, newest) },
		},
		{
			name: "install", call: installs(newest, multus.InstallOptions{}),
			done: installed(newest), networks: []string{"second"},
			undo: func(t *testing.T, _ *lab.Cluster, kube client.WithWatch) { uninstall(t, kube, inUse) },
		},
	}
}

// TestFaults ends each call after each of its writes and calls it again, until it has nothing left to write. NADs and
// pods that run stay as they are all the while, and every pod that is made meanwhile starts. With the flag -faults,
// see TestEveryFault, this is left to it.
func TestFaults(t *testing.T) {
	if *everyFault {
		t.Skip("TestEveryFault shows it")
	}
	t.Parallel()
	c, kube := startFaults(t, 1)
	talk, networks := startTalk(t, c, kube), networksOf(t, kube)
	for _, s := range stages(t) {
		t.Run(s.name, func(t *testing.T) {
			run := startRun(t, c, kube, s)
			cuts := 0
			for ; ; cuts++ {
				writes := 1
				if s.beginsAnew {
					writes = cuts + 1
				}
				if finished := run.cut(t, kubetest.Request.IsWrite, writes); finished {
					break
				}
			}
			run.end(t, fmt.Sprintf("killed after each of %d writes, one by one", cuts), "killed")
			s.done(t, c, kube)
			talk.check(t, c)
			if diff := cmp.Diff(networks, networksOf(t, kube)); diff != "" {
				t.Errorf("NADs (-before +after):\n%s", diff)
			}
		})
	}
}

// startFaults starts a cluster with the Multus that kubectl applied and a NAD.
func startFaults(t *testing.T, nodes int) (*lab.Cluster, client.WithWatch) {
	t.Helper()
	// Flannel, because the bridge leaks an address with each pod that v4.2.1 to v4.3.0 delete (multus-cni #1521).
	c := lab.New(t, lab.Options{Nodes: nodes, PrimaryCNI: lab.Flannel, Multus: []string{"v4.2.4", "v4.3.0"}})
	kube := newClient(t, c)
	applyUpstream(t, c, kube, "v4.2.3")
	create(t, kube, nad("second", bridgeConfig))
	return c, kube
}

// applyUpstreamAgain applies what is missing of upstream's manifest, the CRD for one is there.
func applyUpstreamAgain(t *testing.T, c *lab.Cluster, kube client.Client) {
	t.Helper()
	for _, object := range upstream(t, "v4.2.3") {
		err := kube.Create(lab.Context(t), object, client.FieldOwner("kubectl-client-side-apply"))
		if client.IgnoreAlreadyExists(err) != nil {
			t.Fatal(err)
		}
	}
	awaitMultus(t, c)
}

// mustBeHealthy: Multus is as the config wants it, and another install would not write.
func mustBeHealthy(t *testing.T, kube client.Client, config multus.Config) {
	t.Helper()
	eventually(t, "Multus is healthy", func(ctx context.Context) error {
		if status := statusOf(ctx, t, kube, config); !status.Healthy() {
			return fmt.Errorf("status:\n%s", status)
		}
		return nil
	})
}

// nothingLeft: nothing of Multus is in the cluster but the CRD and NADs, and nothing on a node that is up.
func nothingLeft(t *testing.T, c *lab.Cluster, kube client.Client) {
	t.Helper()
	for _, object := range upstream(t, "v4.3.0") {
		err := kube.Get(lab.Context(t), client.ObjectKeyFromObject(object), object)
		if kept := object.GetKind() == "CustomResourceDefinition"; client.IgnoreNotFound(err) != nil || kept != (err == nil) {
			t.Errorf("%s %s: %v, want it there: %t", object.GetKind(), object.GetName(), err, kept)
		}
	}
	for _, n := range c.Nodes() {
		files, err := n.Files(lab.Context(t), multusConfig, multusShim, "/run/multus", "/var/lib/cni/multus")
		if err != nil || len(files) > 0 {
			t.Errorf("%s has %d files of Multus, error %v", n.Name(), len(files), err)
		}
	}
}
