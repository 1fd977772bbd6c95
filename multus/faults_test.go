package multus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// call is one call of an Installer on a prepared cluster.
type call struct {
	name    string
	prepare func(t *testing.T, cluster *multustest.Cluster)
	run     func(ctx context.Context, installer *multus.Installer) error
	// finish is the Install that ends well, whatever happened before.
	finish multus.InstallOptions
	// again ends well instead, where the call is not about installing, and
	// wants is what it leaves.
	again func(ctx context.Context, installer *multus.Installer) error
	wants []string
}

func installing(options multus.InstallOptions) func(context.Context, *multus.Installer) error {
	return func(ctx context.Context, installer *multus.Installer) error {
		_, err := installer.Install(ctx, options)
		return err
	}
}

func uninstalling(options multus.UninstallOptions) func(context.Context, *multus.Installer) error {
	return func(ctx context.Context, installer *multus.Installer) error { return installer.Uninstall(ctx, options) }
}

// ofOthers marks two objects as the network team's too.
func ofOthers(t *testing.T, cluster *multustest.Cluster) {
	const label = `{"metadata":{"labels":{"team":"network"}}}`
	patch(t, cluster, "network-team", theDaemonSet(), label)
	patch(t, cluster, "network-team", theConfigMap(), label)
}

// calls are everything that an Installer does.
func calls() []call {
	adopt := multus.InstallOptions{Conflicts: multus.ConflictAdopt}
	keep, all := multus.UninstallOptions{}, multus.UninstallOptions{RemoveCRD: true, RemoveNADs: true}
	older := func(t *testing.T, cluster *multustest.Cluster) {
		install(t, cluster, withVersion("v4.0.2"), multus.InstallOptions{})
		ofOthers(t, cluster)
	}
	byKubectl := func(t *testing.T, cluster *multustest.Cluster) {
		kubectl.write(t, cluster, manifestObjects(t, asUpstream("v4.2.1"))...)
		ofOthers(t, cluster)
	}
	return []call{
		{name: "install", run: installing(multus.InstallOptions{})},
		{name: "upgrade", prepare: older, run: installing(multus.InstallOptions{})},
		{name: "retire", prepare: func(t *testing.T, cluster *multustest.Cluster) {
			install(t, cluster, multus.Config{ArchImages: map[string]string{"amd64": ownImage}}, multus.InstallOptions{})
			ofOthers(t, cluster)
		}, run: installing(multus.InstallOptions{})},
		{name: "adopt", prepare: byKubectl, run: installing(adopt), finish: adopt},
		{name: "plan", prepare: older, run: func(ctx context.Context, installer *multus.Installer) error {
			_, err := installer.Plan(ctx)
			return err
		}},
		{name: "plan without permission", prepare: func(t *testing.T, cluster *multustest.Cluster) {
			older(t, cluster)
			cluster.Forbid("watch", "pods")
		}, run: func(ctx context.Context, installer *multus.Installer) error {
			_, err := installer.Plan(ctx)
			return err
		}},
		{name: "status", prepare: older, run: func(ctx context.Context, installer *multus.Installer) error {
			_, err := installer.Status(ctx)
			return err
		}},
		{name: "uninstall", prepare: older, run: uninstalling(keep), again: uninstalling(keep), wants: []string{crdOnly}},
		{name: "uninstall all", prepare: func(t *testing.T, cluster *multustest.Cluster) {
			older(t, cluster)
			create(t, cluster, aNAD())
		}, run: uninstalling(all), again: uninstalling(all)},
	}
}

// start prepares a cluster with Cilium for a call.
func (c call) start(t *testing.T) (*multustest.Cluster, *multus.Installer) {
	t.Helper()
	cluster := simulate(t, multustest.Options{Nodes: threeNodes(), PrimaryCNI: "cilium"})
	if c.prepare != nil {
		c.prepare(t, cluster)
	}
	cluster.ResetRequests()
	return cluster, newInstaller(t, cluster.Client(), multus.Config{})
}

// trace is what the call asks when nothing goes wrong.
func (c call) trace(t *testing.T) []multustest.Request {
	t.Helper()
	cluster, installer := c.start(t)
	if err := c.run(t.Context(), installer); err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	return cluster.Requests()
}

// mustRecover ends the test unless another Install, undisturbed, ends in a
// healthy cluster in which the network team's labels are as they were.
func (c call) mustRecover(t *testing.T, cluster *multustest.Cluster, what string) {
	t.Helper()
	cluster.Fail(nil)
	cluster.Allow("watch", "pods")
	if c.again != nil {
		if err := c.again(t.Context(), newInstaller(t, cluster.Client(), multus.Config{})); err != nil {
			t.Fatalf("%s: the next call: %v", what, err)
		}
		if diff := cmp.Diff(c.wants, traces(t, cluster, multus.Config{})); diff != "" {
			t.Errorf("%s: left after the next call (-want +got):\n%s", what, diff)
		}
		return
	}
	if _, err := newInstaller(t, cluster.Client(), multus.Config{}).Install(t.Context(), c.finish); err != nil {
		t.Fatalf("%s: the next install: %v", what, err)
	}
	status := statusOf(t, cluster, multus.Config{})
	if !status.Healthy() {
		t.Fatalf("%s: not healthy after the next install: %s", what, status)
	}
	if c.prepare == nil {
		return
	}
	objects := live(t, cluster, multus.Config{})
	for _, object := range []*unstructured.Unstructured{objects["DaemonSet"], objects["ConfigMap"]} {
		if got := managers(object); object.GetLabels()["team"] != "network" || len(got) != 2 {
			t.Errorf("%s: %s: labels %v of %v, want that of network-team too", what, object.GetKind(), object.GetLabels(), got)
		}
	}
}

// TestFaults breaks every single request of every call in every way. The call
// succeeds all the same, or its error names what it was doing and keeps the
// cause; and whatever was left, another Install finishes the job.
func TestFaults(t *testing.T) {
	faults := []struct {
		name string
		make func() error
	}{
		{"timeout", multustest.Timeout},
		{"409", multustest.Conflict},
		{"422", multustest.Invalid},
		{"429", multustest.TooManyRequests},
		{"500", multustest.ServerError},
		{"connection reset", multustest.ConnectionReset},
		{"lost answer", multustest.LostAnswer},
		{"cancelled", func() error { return context.Canceled }},
	}
	for _, c := range calls() {
		trace := c.trace(t)
		for _, fault := range faults {
			t.Run(c.name+" "+fault.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					cluster, installer := c.start(t)
					failed := 0
					for index, request := range trace {
						what := fmt.Sprintf("%s at %d, %s", fault.name, index, request)
						cause := fault.make()
						err := runWithFault(t, what, cluster, installer, c, index, cause)
						if err != nil {
							failed++
						}
						if err != nil && !errors.Is(err, cause) {
							t.Errorf("%s: %v does not lead to the cause", what, err)
						}
						if err != nil && !names(err, request) {
							t.Errorf("%s: %v does not name verb and object", what, err)
						}
						if len(writes(cluster)) > 0 || index == len(trace)-1 {
							c.mustRecover(t, cluster, what)
							cluster, installer = c.start(t)
						}
						cluster.ResetRequests()
					}
					// A watch is opened again, and an adoption tried again.
					if failed < len(trace)*2/3 {
						t.Errorf("%d of %d faults were noticed", failed, len(trace))
					}
				})
			})
		}
	}
}

// runWithFault runs a call with one request broken.
func runWithFault(t *testing.T, what string, cluster *multustest.Cluster, installer *multus.Installer, c call, index int, cause error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	struck := false
	cluster.Fail(func(n int, _ multustest.Request) error {
		if n != index {
			return nil
		}
		struck = true
		if errors.Is(cause, context.Canceled) {
			cancel()
			return nil
		}
		return cause
	})
	err := c.run(ctx, installer)
	if !struck {
		t.Errorf("%s: there was no such request, so that nothing is tested", what)
	}
	return err
}

// names reports whether err tells which request failed. Where nodes or pods
// were waited for it is about these instead.
func names(err error, request multustest.Request) bool {
	switch {
	case errors.As(err, new(*multus.RolloutError)):
		return strings.HasPrefix(err.Error(), "rollout: ")
	case errors.As(err, new(*multus.UninstallError)):
		return strings.HasPrefix(err.Error(), "uninstall: ")
	case strings.HasPrefix(err.Error(), "wait until the pods of "):
		return true
	}
	verbs := map[string]string{"create": "ask for permission to", "patch": "adopt"}
	verb, ok := verbs[request.Verb]
	if !ok {
		verb = request.Verb
	}
	object := request.Kind + " " + request.Name
	if request.Namespace != "" {
		object = request.Kind + " " + request.Namespace + "/" + request.Name
	}
	switch {
	case request.Name == "" && request.Verb != "create":
		object = request.Resource
	case request.Verb == "create":
		object = ""
	}
	return strings.Contains(err.Error(), verb) && strings.Contains(err.Error(), object)
}

// TestCutAfterEveryWrite ends each call right behind each of its writes.
func TestCutAfterEveryWrite(t *testing.T) {
	for _, c := range calls() {
		trace := c.trace(t)
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for index, request := range trace {
					if !request.IsWrite() {
						continue
					}
					cluster, installer := c.start(t)
					ctx, cancel := context.WithCancel(t.Context())
					cluster.Fail(func(n int, _ multustest.Request) error {
						if n > index {
							cancel()
						}
						return nil
					})
					err := c.run(ctx, installer)
					cancel()
					if len(cluster.Requests()) > index+1 && !errors.Is(err, context.Canceled) {
						t.Errorf("cut after %s: %v, want that it was cancelled", request, err)
					}
					c.mustRecover(t, cluster, "cut after "+request.String())
				}
			})
		})
	}
}
