package installer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/multus"
)

// TestRolloutIsWatched: once the watches stand nothing more is asked, however
// many nodes roll and however long they take.
func TestRolloutIsWatched(t *testing.T) {
	server.ResetAfter(t)
	if err := server.AddNodes(t.Context(), threeNodes()...); err != nil {
		t.Fatal(err)
	}
	c, record := newClient(t, server.Config())
	var before []string
	begin := sync.OnceFunc(func() { before = asked(record) })
	server.StartKubelets(t, kubetest.KubeletOptions{Status: func(pod *corev1.Pod) corev1.PodStatus {
		if requests := asked(record); !slices.Contains(requests, "watch daemonsets") || !slices.Contains(requests, "watch pods") {
			return pod.Status // not started yet
		}
		begin()
		return kubetest.Running(pod)
	}})
	install(t, c, multus.Config{Platform: flannel}, multus.InstallOptions{})
	begin()
	for _, request := range asked(record)[len(before):] {
		if request != "watch daemonsets" && request != "watch pods" {
			t.Errorf("%s was asked while nodes rolled, want watches alone", request)
		}
	}
}

// BenchmarkRolloutSeen measures how long after the DaemonSet's last status
// Install returns, by a watch of its own.
func BenchmarkRolloutSeen(b *testing.B) {
	c, err := client.NewWithWatch(server.Config(), client.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var late time.Duration
	for b.Loop() {
		late += rolloutSeen(b, c)
	}
	b.ReportMetric(float64(late.Microseconds())/1000/float64(b.N), "ms-late/op")
}

func rolloutSeen(b *testing.B, c client.WithWatch) time.Duration {
	b.Helper()
	if err := server.Reset(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := server.AddNodes(b.Context(), threeNodes()...); err != nil {
		b.Fatal(err)
	}
	server.StartKubelets(b, kubetest.KubeletOptions{})
	watcher, err := c.Watch(b.Context(), &appsv1.DaemonSetList{}, client.InNamespace("kube-system"))
	if err != nil {
		b.Fatal(err)
	}
	defer watcher.Stop()
	complete := make(chan time.Time, 1)
	go seeRollout(watcher, complete)
	installer, err := multus.NewInstaller(c, multus.Config{Platform: flannel})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	if _, err := installer.Install(ctx, multus.InstallOptions{}); err != nil {
		b.Fatal(err)
	}
	returned := time.Now()
	select {
	case last := <-complete:
		return returned.Sub(last)
	case <-ctx.Done():
		b.Fatal("no status of a complete rollout was seen")
		return 0
	}
}

// seeRollout sends the time at which a DaemonSet's status says that all three
// nodes are done.
func seeRollout(watcher watch.Interface, complete chan<- time.Time) {
	for event := range watcher.ResultChan() {
		if ds, ok := event.Object.(*appsv1.DaemonSet); ok && ds.Status.NumberAvailable == 3 && ds.Status.ObservedGeneration == ds.Generation {
			complete <- time.Now()
			return
		}
	}
}
