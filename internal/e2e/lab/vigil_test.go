package lab_test

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/multihome/multihome/internal/e2e/lab"
)

// vigil looks at a node fifty times a second: what would become of a pod that starts now?
type vigil struct {
	node     *lab.Node
	stopping chan struct{}
	ended    sync.WaitGroup
	seen     watched
}

// watched is how long a node was in a state in which it is not as it should be.
type watched struct {
	// bypassed: 00-multus.conf is not there, so that the runtime calls the primary CNI alone.
	bypassed span
	// blocked: 00-multus.conf is there and no daemon answers, so that new pods wait.
	blocked span
}

// span is time in a state: all of it, and the longest at one stretch.
type span struct{ total, longest, now time.Duration }

func (s *span) add(in bool, d time.Duration) {
	if !in {
		s.now = 0
		return
	}
	s.total += d
	s.now += d
	s.longest = max(s.longest, s.now)
}

func (s span) String() string { return fmt.Sprintf("%.1f s", s.longest.Seconds()) }

func (w watched) String() string {
	return fmt.Sprintf("Multus bypassed for %s, pods blocked for %s at a stretch", w.bypassed, w.blocked)
}

// watch begins a vigil over a node.
func watch(t *testing.T, node *lab.Node) *vigil {
	t.Helper()
	v := &vigil{node: node, stopping: make(chan struct{})}
	v.ended.Go(func() {
		last := time.Now()
		for {
			select {
			case <-v.stopping:
				return
			case <-t.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
			configured, answers, up := v.look()
			now := time.Now()
			v.seen.bypassed.add(up && !configured, now.Sub(last))
			v.seen.blocked.add(up && configured && !answers, now.Sub(last))
			last = now
		}
	})
	return v
}

// look: is Multus configured, does its daemon answer, does the node run at all?
func (v *vigil) look() (configured, answers, up bool) {
	root := v.node.Root()
	if root == "" {
		return false, false, false
	}
	_, err := os.Stat(root + multusConfig)
	configured = err == nil
	if conn, err := net.Dial("unix", root+"/run/multus/multus.sock"); err == nil {
		answers = conn.Close() == nil
	}
	return configured, answers, true
}

// stop ends the vigil.
func (v *vigil) stop() watched {
	close(v.stopping)
	v.ended.Wait()
	return v.seen
}
