package multus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// rollout is an Install that runs in the background of a synctest bubble.
type rollout struct {
	t       *testing.T
	cluster *multustest.Cluster
	events  []multus.Event
	result  *multus.Result
	err     error
	done    chan struct{}
}

// begin starts an Install with a client and returns once it waits for nodes,
// or is done.
func begin(t *testing.T, ctx context.Context, cluster *multustest.Cluster, c client.Client, config multus.Config) *rollout {
	t.Helper()
	r := &rollout{t: t, cluster: cluster, done: make(chan struct{})}
	installer := newInstaller(t, c, config)
	go func() {
		defer close(r.done)
		r.result, r.err = installer.Install(ctx, multus.InstallOptions{Progress: func(e multus.Event) { r.events = append(r.events, e) }})
	}()
	synctest.Wait()
	return r
}

// step lets the cluster take a step and Install see it.
func (r *rollout) step() (node string, ok bool) {
	node, ok = r.cluster.Step()
	synctest.Wait()
	return node, ok
}

// finish lets the cluster go on until Install returns.
func (r *rollout) finish() error {
	for _, ok := r.step(); ok; {
		_, ok = r.step()
	}
	<-r.done
	return r.err
}

// ready lists the events about ready nodes, as text.
func (r *rollout) ready() []string {
	var out []string
	for _, e := range r.events {
		if e.Type == multus.EventNodeReady {
			out = append(out, e.String())
		}
	}
	return out
}

// stuck lists the codes of the events about stuck nodes.
func (r *rollout) stuck() []string {
	var out []string
	for _, e := range r.events {
		if e.Type == multus.EventNodeStuck {
			out = append(out, strings.TrimSpace(e.Node+" "+e.Finding.Code))
		}
	}
	return out
}

// blind is a client that cannot watch.
type blind struct{ client.Client }

// clients are the two ways to follow a rollout.
var clients = []struct {
	name string
	of   func(*multustest.Cluster) client.Client
}{
	{"watch", func(cluster *multustest.Cluster) client.Client { return cluster.Client() }},
	{"poll", func(cluster *multustest.Cluster) client.Client { return blind{cluster.Client()} }},
}

var allReady = []string{"node a ready (1 of 3)", "node b ready (2 of 3)", "node c ready (3 of 3)"}

// TestRollout follows a first install and an upgrade node by node.
func TestRollout(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: threeNodes(), Rollout: multustest.RolloutManual})
				for _, version := range []string{"v4.2.4", "v4.3.0", "v4.1.0"} {
					r := begin(t, t.Context(), cluster, c.of(cluster), withVersion(version))
					for n := range allReady {
						time.Sleep(10 * time.Second)
						synctest.Wait()
						if diff := cmp.Diff(allReady[:n], r.ready(), cmpEmpty); diff != "" {
							t.Fatalf("%s before step %d (-want +got):\n%s", version, n, diff)
						}
						if _, ok := r.step(); !ok {
							t.Fatalf("%s: no step %d", version, n)
						}
					}
					if err := r.finish(); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(allReady, r.ready()); diff != "" {
						t.Errorf("%s (-want +got):\n%s", version, diff)
					}
					last := r.events[len(r.events)-1]
					if diff := cmp.Diff(multus.Event{Type: multus.EventDone, Done: 3, Total: 3}, last); diff != "" {
						t.Errorf("last event (-want +got):\n%s", diff)
					}
					if got := r.result.Rollout; !got.Complete || got.Desired != 3 || got.Updated != 3 || got.Ready != 3 || len(got.Nodes) != 3 {
						t.Errorf("rollout %+v, want 3 of 3", got)
					}
				}
			})
		})
	}
}

// TestRolloutFaults: what is wrong with a node is told by an event, by the
// error and by Status, with one code, and heals.
func TestRolloutFaults(t *testing.T) {
	tests := []struct {
		fault multustest.Fault
		stuck []string
		says  string // in the error
	}{
		{multustest.FaultImagePull, []string{"b multus/image-pull"}, "see that the node reaches the registry"},
		{multustest.FaultCrashLoop, []string{"b multus/crash"}, "exits with code 2 after 5 restarts: multus: cannot find primary CNI config"},
		{multustest.FaultOOM, []string{"b multus/oom"}, "raise Config.Resources.Daemon.LimitMemory"},
		{multustest.FaultUnschedulable, []string{"b multus/unschedulable"}, "Insufficient memory"},
		{multustest.FaultPodSecurity, []string{"multus/pod-security"}, "label namespace kube-system pod-security.kubernetes.io/enforce=privileged"},
		{multustest.FaultNodeDown, []string{"b multus/node-down"}, "bring the node back"},
		{multustest.FaultSlow, nil, "nodes ready: context deadline exceeded"},
	}
	for _, tt := range tests {
		for _, c := range clients {
			for _, before := range []string{"", "v4.2.4"} {
				t.Run(strings.TrimSpace(fmt.Sprint(tt.fault, " ", c.name, " ", before)), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
						ready := 2
						if before != "" {
							install(t, cluster, withVersion(before), multus.InstallOptions{})
							ready = 1 // an upgrade does not pass b
						}
						cluster.SetFault("b", tt.fault)
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						r := begin(t, ctx, cluster, c.of(cluster), onFlannel)
						<-r.done
						var stopped *multus.RolloutError
						if !errors.As(r.err, &stopped) || !errors.Is(r.err, context.DeadlineExceeded) || !strings.Contains(r.err.Error(), tt.says) {
							t.Errorf("error %v, want a RolloutError with %q at the deadline", r.err, tt.says)
						}
						if diff := cmp.Diff(tt.stuck, r.stuck()); diff != "" {
							t.Errorf("stuck (-want +got):\n%s", diff)
						}
						if got := stopped.Rollout; got.Complete || got.Ready != ready || got.Desired != 3 {
							t.Errorf("rollout %+v, want %d of 3 ready", got, ready)
						}
						if diff := cmp.Diff(stopped.Rollout, r.result.Rollout); diff != "" {
							t.Errorf("rollout in error and result (-error +result):\n%s", diff)
						}
						status := statusOf(t, cluster, onFlannel)
						got := codes(status.Findings)
						told := tt.stuck == nil || slices.ContainsFunc(got, func(code string) bool { return strings.HasSuffix(tt.stuck[0], code) })
						if status.Healthy() || !told {
							t.Errorf("status: healthy %t, findings %v, want one of %v", status.Healthy(), got, tt.stuck)
						}
						if diff := cmp.Diff(stopped.Rollout, status.Rollout); diff != "" {
							t.Errorf("rollout in error and status (-error +status):\n%s", diff)
						}
						cluster.SetFault("b", multustest.FaultNone)
						install(t, cluster, onFlannel, multus.InstallOptions{})
						mustBeHealthy(t, cluster, onFlannel)
					})
				})
			}
		}
	}
}

// TestRolloutHeals: a stuck node that gets well while Install waits.
func TestRolloutHeals(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
				cluster.SetFault("b", multustest.FaultOOM)
				r := begin(t, t.Context(), cluster, c.of(cluster), onFlannel)
				time.Sleep(time.Minute)
				cluster.SetFault("b", multustest.FaultNone)
				if err := r.finish(); err != nil {
					t.Fatal(err)
				}
				want := []string{"node a ready (1 of 3)", "node c ready (2 of 3)", "node b ready (3 of 3)"}
				if diff := cmp.Diff(want, r.ready()); diff != "" {
					t.Errorf("ready (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{"b multus/oom"}, r.stuck()); diff != "" {
					t.Errorf("stuck (-want +got):\n%s", diff)
				}
				for _, node := range r.result.Rollout.Nodes {
					if node.Problem != nil {
						t.Errorf("%s still has a problem: %v", node.Node, node.Problem)
					}
				}
			})
		})
	}
}

func TestRolloutCancelled(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: threeNodes(), Rollout: multustest.RolloutManual})
				ctx, cancel := context.WithCancel(t.Context())
				r := begin(t, ctx, cluster, c.of(cluster), onFlannel)
				cluster.Step()
				time.Sleep(2 * time.Second)
				cancel()
				<-r.done
				if want := "rollout: 1 of 3 nodes ready: context canceled"; !errors.Is(r.err, context.Canceled) || r.err.Error() != want {
					t.Errorf("error %v, want %s", r.err, want)
				}
				if len(r.result.Changes) != 6 {
					t.Errorf("changes %v, want all six objects", r.result.Changes)
				}
				r = begin(t, t.Context(), cluster, c.of(cluster), onFlannel)
				if err := r.finish(); err != nil {
					t.Fatal(err)
				}
				mustBeHealthy(t, cluster, onFlannel)
			})
		})
	}
}
