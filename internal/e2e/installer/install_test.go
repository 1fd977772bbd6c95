package installer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/multus"
)

func TestInstallFromEmptyAndAgain(t *testing.T) {
	fresh(t, threeNodes()...)
	c, record := newClient(t, server.Config())
	config := multus.Config{Platform: flannel}

	var ready []string
	began := time.Now()
	result := install(t, c, config, multus.InstallOptions{Progress: func(e multus.Event) {
		if e.Type == multus.EventNodeReady {
			ready = append(ready, e.Node)
		}
	}})
	t.Logf("first install on 3 nodes: %v", time.Since(began).Round(time.Millisecond))

	for _, change := range result.Changes {
		if change.Action != multus.ActionCreate {
			t.Errorf("%s %s, want created", change.Object, change.Action)
		}
	}
	if got := len(result.Changes); got != 6 {
		t.Errorf("%d objects, want 6", got)
	}
	slices.Sort(ready)
	if diff := cmp.Diff([]string{"a", "b", "c"}, ready); diff != "" {
		t.Errorf("nodes reported ready (-want +got):\n%s", diff)
	}
	if r := result.Rollout; !r.Complete || r.Ready != 3 || r.Desired != 3 {
		t.Errorf("rollout %+v, want 3 of 3 complete", r)
	}
	requests := asked(record)
	t.Logf("first install: %d requests: %v", len(requests), requests)
	if len(requests) > 12 {
		t.Errorf("first install took %d requests, want at most 12", len(requests))
	}
	mustBeHealthy(t, c, config)

	record.Reset()
	again := install(t, c, config, multus.InstallOptions{})
	if again.Changed() {
		t.Errorf("second install changed:\n%v", again.Changes)
	}
	t.Logf("no-op install: %v", asked(record))
	if writes := count(record, kubetest.Request.IsWrite); writes != 0 {
		t.Errorf("second install wrote %d times, want 0", writes)
	}
	if reads := asked(record); len(reads) > 6 {
		t.Errorf("second install took %d requests, want at most 6: %v", len(reads), reads)
	}

	record.Reset()
	if install(t, c, multus.Config{}, multus.InstallOptions{Ignore: []string{"platform/primary-cni"}}); count(record, kubetest.Request.IsWrite) == 0 {
		t.Log("install with a detected platform: no writes")
	}
	t.Logf("install with detection: %v", asked(record))
}

// TestPlanForetellsInstall: what Plan says is what Install then does, for
// every release and for a change of configuration.
func TestPlanForetellsInstall(t *testing.T) {
	fresh(t)
	c, record := newClient(t, server.Config())
	configs := []multus.Config{
		{Platform: flannel, Version: "v4.2.4"},
		{Platform: flannel},
		{Platform: flannel, Daemon: multus.DaemonConfig{LogLevel: "debug"}},
		{Platform: flannel, NodeSelector: map[string]string{"multus": "yes"}, ArchImages: map[string]string{"arm64": "registry.example.com/multus:arm64"}},
		{Platform: flannel, Namespace: "networks"},
	}
	for _, config := range configs {
		record.Reset()
		plan, err := newInstaller(t, c, config).Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if writes := record.Requests(kubetest.Request.IsWrite); len(writes) != 0 {
			t.Errorf("plan wrote: %v", writes)
		}
		if config.Namespace != "" {
			break // another Multus is there: planning must still work
		}
		result := install(t, c, config, multus.InstallOptions{NoWait: true})
		if diff := cmp.Diff(plan.Changes, result.Changes); diff != "" {
			t.Errorf("%s: what was planned and what was done (-plan +install):\n%s", config.Version, diff)
		}
	}
}

// TestEveryReleaseSettles: the API server's defaults never look like drift.
func TestEveryReleaseSettles(t *testing.T) {
	fresh(t)
	c, record := newClient(t, server.Config())
	platforms := []multus.Platform{{}, flannel, {Talos: "v1.13.9", PrimaryCNI: "cilium", Architectures: []string{"amd64"}}}
	for _, version := range multus.Versions() {
		for _, platform := range platforms {
			config := multus.Config{Version: version, Platform: platform}
			if version < "v4.1.0" {
				config.Platform.Architectures = []string{"amd64"}
			}
			if config.Platform.IsZero() {
				config.Platform.Kubernetes = "v1.37.2" // anything, so that nothing is detected
			}
			install(t, c, config, multus.InstallOptions{NoWait: true})
			record.Reset()
			if again := install(t, c, config, multus.InstallOptions{NoWait: true}); again.Changed() || count(record, kubetest.Request.IsWrite) != 0 {
				t.Errorf("%s on %s: second install is not a no-op: %v\n%v", version, config.Platform, asked(record), again.Changes)
			}
		}
	}
}

func TestOneChangeRestartsThePods(t *testing.T) {
	fresh(t, threeNodes()...)
	c, _ := newClient(t, server.Config())
	install(t, c, multus.Config{Platform: flannel}, multus.InstallOptions{})
	before := pods(t, c)
	result := install(t, c, multus.Config{Platform: flannel, Daemon: multus.DaemonConfig{LogLevel: "debug"}}, multus.InstallOptions{})
	for _, change := range result.Changes {
		want := multus.ActionNone
		if change.Object == "ConfigMap kube-system/multus-daemon-config" || change.Object == "DaemonSet kube-system/kube-multus-ds" {
			want = multus.ActionUpdate
		}
		if change.Action != want {
			t.Errorf("%s %s, want %s", change.Object, change.Action, want)
		}
	}
	for name := range pods(t, c) {
		if before[name] {
			t.Errorf("pod %s was not replaced, so its daemon runs the old configuration", name)
		}
	}
}

func pods(t *testing.T, c client.Client) map[string]bool {
	t.Helper()
	list := &corev1.PodList{}
	if err := c.List(t.Context(), list, client.InNamespace("kube-system"), client.MatchingLabels{"app": "multus"}); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, pod := range list.Items {
		out[pod.Name] = true
	}
	return out
}
