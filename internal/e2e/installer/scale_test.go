package installer_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/multus"
)

// TestFiveThousandNodes detects, plans and installs among 5,000 nodes: what it
// asks grows by pages alone, and so does memory.
func TestFiveThousandNodes(t *testing.T) {
	const nodes = 5000
	own := kubetest.New(t, kubetest.Options{})
	added := make([]*corev1.Node, nodes)
	for i := range added {
		added[i] = kubetest.Node(fmt.Sprintf("node-%04d", i), []string{"amd64", "arm64"}[i%2])
	}
	began := time.Now()
	if err := own.AddNodes(t.Context(), added...); err != nil {
		t.Fatal(err)
	}
	t.Logf("created %d nodes in %v", nodes, time.Since(began).Round(time.Second))
	c, record := newClient(t, own.Config())

	began = time.Now()
	peak := peakMemory(func() {
		detection, err := multus.Detect(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if detection.Nodes != nodes || detection.Platform.Talos != "v1.13.9" {
			t.Errorf("detected %d nodes, %s", detection.Nodes, detection.Platform)
		}
	})
	t.Logf("detected in %v with %d requests, %d MiB more in use at most", time.Since(began).Round(time.Millisecond), len(asked(record)), peak>>20)
	if got, want := len(asked(record)), nodes/500+1; got != want {
		t.Errorf("%d requests, want %d: %v", got, want, asked(record))
	}
	if peak > 128<<20 {
		t.Errorf("%d MiB more in use, want at most 128", peak>>20)
	}

	record.Reset()
	install(t, c, multus.Config{Platform: flannel}, multus.InstallOptions{NoWait: true})
	if got := len(asked(record)); got > 12 {
		t.Errorf("install took %d requests, want at most 12 whatever the number of nodes: %v", got, asked(record))
	}
}

// peakMemory is how much more heap than before was in use while do ran, looked
// at every millisecond.
func peakMemory(do func()) uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before := stats.HeapInuse
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			peak.Store(max(peak.Load(), now.HeapInuse))
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return peak.Load() - min(before, peak.Load())
}
