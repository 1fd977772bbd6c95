package lab_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/internal/e2e/lab"
)

// TestEveryFault is the long version of TestFaults, for `make faults`: on two nodes each call is killed after each of
// its requests, has the API server stopped for 30 s after its first and after its last write, and loses a node after
// its first write. Then it is called again. It prints a table.
func TestEveryFault(t *testing.T) {
	if !*everyFault {
		t.Skip("not run: takes most of an hour; make faults runs it, TestFaults shows the most of it")
	}
	t.Log("| call | fault | first call | in all | probe pods | slowest ready | without network | bypassed | blocked |")
	for i, s := range stages(t) {
		t.Run(s.name, func(t *testing.T) {
			f := &faults{stage: s}
			f.c, f.kube = startFaults(t, 2)
			f.talk, f.networks = startTalk(t, f.c, f.kube), networksOf(t, f.kube)
			for _, before := range stages(t)[:i] {
				if err := before.call(lab.Context(t), f.kube); err != nil {
					t.Fatal(err)
				}
			}
			// Each begins where the one before has settled.
			_ = t.Run("killed", f.killed) && t.Run("API server", f.withoutAPIServer) && t.Run("node", f.withoutNode)
		})
	}
}

// faults are the faults of one call, on a cluster of their own.
type faults struct {
	c        *lab.Cluster
	kube     client.WithWatch
	stage    stage
	talk     *talk
	networks map[string]string
}

// settle: the cluster is right, nothing was lost on the way, and it is back where the stage begins.
func (f *faults) settle(t *testing.T, undo bool) {
	t.Helper()
	f.stage.done(t, f.c, f.kube)
	f.talk.check(t, f.c)
	if diff := cmp.Diff(f.networks, networksOf(t, f.kube)); diff != "" {
		t.Errorf("NADs (-before +after):\n%s", diff)
	}
	if undo {
		f.stage.undo(t, f.c, f.kube)
	}
}

func (f *faults) killed(t *testing.T) {
	for number := 1; ; number++ {
		run := startRun(t, f.c, f.kube, f.stage)
		if finished := run.cut(t, isRequest, number); finished {
			run.end(t, "none", "-")
			f.settle(t, true)
			return
		}
		took := run.call(t)
		run.end(t, fmt.Sprintf("killed after request %d", number), fmt.Sprintf("killed, the second takes %.1f s", took.Seconds()))
		f.settle(t, true)
	}
}

func (f *faults) withoutAPIServer(t *testing.T) {
	for _, at := range []string{"first", "last"} {
		number := 1
		if at == "last" {
			number = f.writes(t)
		}
		run := startRun(t, f.c, f.kube, f.stage)
		ctx, back := lab.Context(t), make(chan error, 1)
		stopped := run.after(kubetest.Request.IsWrite, number, func() {
			f.c.StopAPIServer()
			go func() {
				time.Sleep(30 * time.Second)
				back <- f.c.StartAPIServer(ctx)
			}()
		})
		err := f.stage.call(ctx, stopped.client(t, f.c))
		if !stopped.happened() {
			t.Fatalf("there was no write %d: %v", number, err)
		}
		if err := <-back; err != nil {
			t.Fatal(err)
		}
		run.call(t)
		run.end(t, fmt.Sprintf("API server stopped for 30 s after the %s write", at), words(err))
		f.settle(t, true)
	}
}

// writes counts the writes of the call, undisturbed.
func (f *faults) writes(t *testing.T) int {
	t.Helper()
	counter := &moment{counts: kubetest.Request.IsWrite, do: func() {}}
	if err := f.stage.call(lab.Context(t), counter.client(t, f.c)); err != nil {
		t.Fatal(err)
	}
	f.settle(t, true)
	return counter.seen
}

func (f *faults) withoutNode(t *testing.T) {
	lost := f.c.Nodes()[1]
	run := startRun(t, f.c, f.kube, f.stage)
	ctx, cancel := context.WithTimeout(lab.Context(t), 40*time.Second)
	defer cancel()
	cut := run.after(kubetest.Request.IsWrite, 1, func() {
		if err := lost.Stop(lab.Context(t)); err != nil {
			t.Error(err)
		}
	})
	err := f.stage.call(ctx, cut.client(t, f.c))
	if !cut.happened() {
		t.Fatalf("there was no write: %v", err)
	}
	if err := lost.Start(lab.Context(t)); err != nil {
		t.Fatal(err)
	}
	run.call(t)
	run.end(t, "a node lost after the first write", words(err))
	f.settle(t, false)
}
