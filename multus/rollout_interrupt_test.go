package multus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

var cmpEmpty = cmpopts.EquateEmpty()

// TestRolloutWatchesBreak: an API server that goes away for a while costs
// time and nothing else. No node is reported twice, and the count never falls.
func TestRolloutWatchesBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes(), Rollout: multustest.RolloutManual})
		install(t, cluster, withVersion("v4.2.4"), multus.InstallOptions{NoWait: true})
		for _, ok := cluster.Step(); ok; {
			_, ok = cluster.Step()
		}
		r := begin(t, t.Context(), cluster, cluster.Client(), onFlannel)
		r.step()
		for n := range 3 { // twice before the next node, once after it
			cluster.BreakWatches()
			time.Sleep(5 * time.Second)
			if n == 1 {
				r.step()
			}
		}
		cluster.BreakWatches()
		cluster.Step() // while nobody watches
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(allReady, r.ready()); diff != "" {
			t.Errorf("ready (-want +got):\n%s", diff)
		}
		mustBeHealthy(t, cluster, onFlannel)
	})
}

// TestRolloutUnreachable: the watches cannot be opened for a while.
func TestRolloutUnreachable(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
				failures := 0
				cluster.Fail(func(_ int, r multustest.Request) error {
					if (r.Verb == "watch" || r.Verb == "list" && r.Namespace != "") && failures < 3 {
						failures++
						return multustest.ConnectionReset()
					}
					return nil
				})
				start := time.Now()
				r := begin(t, t.Context(), cluster, c.of(cluster), onFlannel)
				<-r.done
				if r.err != nil {
					t.Fatal(r.err)
				}
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("took %s, want a pause of one second after each failure", took)
				}
				waits := slices.DeleteFunc(r.events, func(e multus.Event) bool { return e.Type != multus.EventWaiting })
				if len(waits) != 3 || !strings.Contains(waits[0].String(), "connection reset by peer") {
					t.Errorf("waiting %v, want three connection resets", waits)
				}
			})
		})
	}
}

// TestRolloutGivesUp: errors that waiting cannot cure end it at once, others
// with the context, and then the last one is told.
func TestRolloutGivesUp(t *testing.T) {
	invalid, reset := multustest.Invalid(), multustest.ConnectionReset()
	tests := []struct {
		name  string
		fail  func(cluster *multustest.Cluster)
		took  time.Duration
		cause func(error) bool
		says  string
	}{
		{
			"no permission to watch", func(cluster *multustest.Cluster) { cluster.Forbid("watch", "pods") }, 0,
			apierrors.IsForbidden, "watch pods in namespace kube-system: ",
		},
		{
			"refused", func(cluster *multustest.Cluster) { failWatches(cluster, invalid) }, 0,
			func(err error) bool { return errors.Is(err, invalid) }, "watch daemonsets in namespace kube-system: ",
		},
		{
			"gone for good", func(cluster *multustest.Cluster) { failWatches(cluster, reset) }, time.Minute,
			func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, "last answer: watch daemonsets in namespace kube-system: ",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
				tt.fail(cluster)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				r := begin(t, ctx, cluster, cluster.Client(), onFlannel)
				<-r.done
				var stopped *multus.RolloutError
				if !errors.As(r.err, &stopped) || !tt.cause(r.err) || !strings.Contains(r.err.Error(), tt.says) {
					t.Errorf("error %v, want a RolloutError with %q", r.err, tt.says)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

func failWatches(cluster *multustest.Cluster, err error) {
	cluster.Fail(func(_ int, r multustest.Request) error {
		if r.Verb == "watch" {
			return err
		}
		return nil
	})
}

// TestRolloutDaemonSetGone: without its DaemonSet a rollout never ends.
func TestRolloutDaemonSetGone(t *testing.T) {
	remove := func(t *testing.T, cluster *multustest.Cluster) {
		if err := cluster.Client().Delete(t.Context(), theDaemonSet()); err != nil {
			t.Error(err)
		}
	}
	replace := func(t *testing.T, cluster *multustest.Cluster) {
		remove(t, cluster)
		objects := manifestObjects(t, withVersion("v4.2.4"))
		stranger.write(t, cluster, objects[len(objects)-1])
	}
	tests := []struct {
		name   string
		happen func(t *testing.T, cluster *multustest.Cluster)
	}{
		{"deleted", remove},
		{"deleted while nobody watches", func(t *testing.T, cluster *multustest.Cluster) {
			cluster.BreakWatches()
			remove(t, cluster)
		}},
		{"replaced while nobody watches", func(t *testing.T, cluster *multustest.Cluster) {
			cluster.BreakWatches()
			replace(t, cluster)
		}},
	}
	for _, tt := range tests {
		for _, c := range clients {
			t.Run(tt.name+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cluster := simulate(t, multustest.Options{Nodes: threeNodes(), Rollout: multustest.RolloutManual})
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					r := begin(t, ctx, cluster, c.of(cluster), onFlannel)
					r.step()
					tt.happen(t, cluster)
					<-r.done
					if !apierrors.IsNotFound(r.err) || !strings.Contains(r.err.Error(), "DaemonSet kube-system/kube-multus-ds was deleted during its rollout; install again") {
						t.Errorf("error %v, want that the DaemonSet was deleted", r.err)
					}
				})
			})
		}
	}
}

// TestRolloutNodesComeAndGo: the number of nodes is that of now.
func TestRolloutNodesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes(), Rollout: multustest.RolloutManual})
		r := begin(t, t.Context(), cluster, cluster.Client(), onFlannel)
		r.step()
		if err := cluster.Client().Create(t.Context(), testNode("d")); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Client().Delete(t.Context(), testNode("a")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		want := []string{"node a ready (1 of 3)", "node b ready (1 of 3)", "node c ready (2 of 3)", "node d ready (3 of 3)"}
		if diff := cmp.Diff(want, r.ready()); diff != "" {
			t.Errorf("ready (-want +got):\n%s", diff)
		}
		if got := r.result.Rollout; len(got.Nodes) != 3 || got.Nodes[0].Node != "b" {
			t.Errorf("rollout %+v, want b, c and d", got)
		}
	})
}
