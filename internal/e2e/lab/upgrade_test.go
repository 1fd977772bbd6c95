package lab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

// TestReleases: Install goes up from release to release and down again. Pods that run keep their interfaces and what
// they say to each other over them, and each release gives new pods theirs. What becomes of pods that start meanwhile
// is written down.
func TestReleases(t *testing.T) {
	t.Parallel()
	releases := []string{"v4.0.2", "v4.1.4", "v4.2.4", "v4.3.0"}
	c := lab.New(t, lab.Options{Multus: releases})
	node, kube := c.Nodes()[0], newClient(t, c)
	began := time.Now()
	install(t, c, kube, multus.Config{Version: releases[0]})
	create(t, kube, nad("lan", macvlanConfig), nad("second", bridgeConfig))
	talk := startTalk(t, c, kube)
	t.Logf("%.1f s from the install to two pods with net1", time.Since(began).Seconds())

	path := slices.Concat(releases[1:], []string{"v4.2.4", "v4.1.4", "v4.0.2"})
	from := releases[0]
	for i, release := range path {
		probes, vigil := startProbes(t, kube, node, "second"), watch(t, node)
		began := time.Now()
		if release == "v4.3.0" {
			mustRoll(t, kube, talk)
		}
		install(t, c, kube, multus.Config{Version: release})
		installed := time.Now()
		name := fmt.Sprintf("on-%d-%s", i, strings.ReplaceAll(release, ".", "-"))
		create(t, kube, lab.Pod(name, "lan", "second"))
		checkNetworks(t, c, name)
		seen, got := vigil.stop(), probes.stop()
		if late := probes.lackingSince(installed); len(late) > 0 {
			t.Errorf("%s: made after the install and without their network: %q", release, late)
		}
		talk.check(t, c)
		t.Logf("%s to %s: install %.1f s, %s, %s", from, release, installed.Sub(began).Seconds(), seen, got)
		from = release
	}
}

// mustRoll begins an upgrade to the newest release: Status then says that the rollout is not complete, and nothing worse,
// and Audit has nothing against pods that run on.
func mustRoll(t *testing.T, kube client.Client, talk *talk) {
	t.Helper()
	installer, err := multus.NewInstaller(kube, multus.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := installer.Install(lab.Context(t), multus.InstallOptions{NoWait: true}); err != nil {
		t.Fatal(err)
	}
	status := statusOf(lab.Context(t), t, kube, multus.Config{})
	isError := func(f multihome.Finding) bool { return f.Severity == multihome.SeverityError }
	if status.Rollout.Complete || status.Healthy() || len(status.Drift) > 0 || slices.ContainsFunc(status.Findings, isError) {
		t.Errorf("status while the DaemonSet rolls, complete %t:\n%s", status.Rollout.Complete, status)
	}
	for _, lost := range audit(lab.Context(t), t, kube, multus.AuditOptions{}).Pods {
		if lost.Name == talk.listener.Name || lost.Name == talk.talker.Name {
			t.Errorf("audit while the DaemonSet rolls: %+v", lost)
		}
	}
}

// talk is two pods of which one says something to the other all the time, over net1.
type talk struct {
	listener, talker *corev1.Pod
	network          map[string][]string // addresses of the listener
}

// startTalk starts the pods on the first node and on network second, a bridge of the node's own.
func startTalk(t *testing.T, c *lab.Cluster, kube client.Client) *talk {
	t.Helper()
	listener := on(c.Nodes()[0], lab.Pod("listener", "second"))
	listener.Spec.Containers[0].Args = []string{"listen", "8080"}
	create(t, kube, listener)
	out := &talk{listener: running(t, c, listener)}
	out.network = addresses(t, c, listener)
	if len(out.network["net1"]) != 1 {
		t.Fatalf("addresses of %s: %v, want one of net1", listener.Name, out.network)
	}
	address, _, _ := strings.Cut(out.network["net1"][0], "/")
	talker := on(c.Nodes()[0], lab.Pod("talker", "second"))
	talker.Spec.Containers[0].Args = []string{"talk", address + ":8080"}
	create(t, kube, talker)
	out.talker = running(t, c, talker)
	return out
}

// check: both are as they were, and have not missed a word: the talker ends if it does.
func (talk *talk) check(t *testing.T, c *lab.Cluster) {
	t.Helper()
	for _, pod := range []*corev1.Pod{talk.listener, talk.talker} {
		live := running(t, c, pod)
		was, is := pod.Status.ContainerStatuses[0].RestartCount, live.Status.ContainerStatuses[0].RestartCount
		if live.UID != pod.UID || was != is {
			t.Errorf("%s was made or started again: %+v", pod.Name, live.Status.ContainerStatuses)
		}
	}
	if diff := cmp.Diff(talk.network, addresses(t, c, talk.listener)); diff != "" {
		t.Errorf("addresses in %s (-before +after):\n%s", talk.listener.Name, diff)
	}
}

// end deletes the pods.
func (talk *talk) end(t *testing.T, kube client.Client) {
	t.Helper()
	for _, pod := range []*corev1.Pod{talk.listener, talk.talker} {
		if err := kube.Delete(lab.Context(t), pod); err != nil {
			t.Fatal(err)
		}
		gone(t, kube, pod)
	}
}
