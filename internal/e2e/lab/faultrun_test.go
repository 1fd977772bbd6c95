package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/internal/e2e/lab"
)

// run is a stage under way, with a prober and a vigil on each node.
type run struct {
	c      *lab.Cluster
	stage  stage
	began  time.Time
	probes []*prober
	vigils []*vigil
}

func startRun(t *testing.T, c *lab.Cluster, kube client.WithWatch, s stage) *run {
	t.Helper()
	r := &run{c: c, stage: s, began: time.Now()}
	for _, n := range c.Nodes() {
		r.probes = append(r.probes, startProbes(t, kube, n, s.networks...))
		r.vigils = append(r.vigils, watch(t, n))
	}
	return r
}

// cut lets the call go on until it has had its answer to a number of those requests that count: then the program is
// as good as killed. It reports whether the call had finished before.
func (r *run) cut(t *testing.T, counts func(kubetest.Request) bool, number int) (finished bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(lab.Context(t))
	defer cancel()
	isCut := r.after(counts, number, cancel)
	err := r.stage.call(ctx, isCut.client(t, r.c))
	switch {
	case !isCut.happened():
		if err != nil {
			t.Fatalf("%s: %v", r.stage.name, err)
		}
		return true
	case err != nil && !errors.Is(err, context.Canceled):
		t.Errorf("%s, cut off: %v", r.stage.name, err)
	}
	return false
}

// call calls again, and must succeed.
func (r *run) call(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	kube, err := client.NewWithWatch(r.c.Config(), client.Options{})
	if err == nil {
		err = r.stage.call(lab.Context(t), kube)
	}
	if err != nil {
		t.Fatalf("%s: %v", r.stage.name, err)
	}
	return time.Since(began)
}

// end ends probes and vigils and writes a line of the table.
func (r *run) end(t *testing.T, fault, first string) {
	t.Helper()
	var total probes
	var seen watched
	for i, p := range r.probes {
		got, saw := p.stop(), r.vigils[i].stop()
		total.pods += got.pods
		total.lacking += got.lacking
		total.slowest = max(total.slowest, got.slowest)
		seen.bypassed.longest = max(seen.bypassed.longest, saw.bypassed.longest)
		seen.blocked.longest = max(seen.blocked.longest, saw.blocked.longest)
	}
	without, bypassed := fmt.Sprint(total.lacking), seen.bypassed.String()
	if len(r.stage.networks) == 0 { // Multus is to be away
		without, bypassed = "-", "-"
	}
	t.Logf("| %s | %s | %s | %.0f s | %d | %.1f s | %s | %s | %s |", r.stage.name, fault, first,
		time.Since(r.began).Seconds(), total.pods, total.slowest.Seconds(), without, bypassed, seen.blocked)
}

// moment calls do once, when an answer has come to the so-many-th of the requests that count.
type moment struct {
	counts func(kubetest.Request) bool
	number int
	do     func()

	mu   sync.Mutex
	seen int
}

func (r *run) after(counts func(kubetest.Request) bool, number int, do func()) *moment {
	return &moment{counts: counts, number: number, do: do}
}

func (m *moment) happened() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen >= m.number
}

// client returns a client whose requests are counted.
func (m *moment) client(t *testing.T, c *lab.Cluster) client.WithWatch {
	t.Helper()
	config := c.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			var record kubetest.Record
			response, err := record.Wrap(next).RoundTrip(request)
			if m.counts(record.Requests(nil)[0]) {
				m.mu.Lock()
				m.seen++
				now := m.seen == m.number
				m.mu.Unlock()
				if now {
					m.do()
				}
			}
			return response, err
		})
	})
	kube, err := client.NewWithWatch(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return kube
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// isRequest counts all that a call asks for: discovery is the client's own.
func isRequest(r kubetest.Request) bool { return !r.IsDiscovery() }

// words of an error that are short enough for a table.
func words(err error) string {
	if err == nil {
		return "outlasts it"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return "`" + strings.ReplaceAll(line[:min(len(line), 160)], "|", "/") + "`"
}
