package lab_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/lab"
	nads "github.com/multihome/multihome/nad"
)

// prober makes a pod on a node each second, to see what becomes of one that starts just then.
type prober struct {
	t        *testing.T
	kube     client.Client
	node     *lab.Node
	networks []string
	run      int // of the probers of a node, so that names differ
	stopping chan struct{}
	ended    chan struct{}

	mu      sync.Mutex
	pods    []*probe
	refused int // pods that the API server did not take
}

// probe is one pod of a prober.
type probe struct {
	name    string
	created time.Time
	ready   time.Duration // after its creation
	done    bool
	// lacks: it runs, and Multus was not asked for its networks.
	lacks bool
}

// probes is what a prober tells in the end.
type probes struct {
	pods, lacking, refused int
	slowest                time.Duration
}

func (p probes) String() string {
	return fmt.Sprintf("%d probe pods, slowest ready after %.1f s, %d without network", p.pods, p.slowest.Seconds(), p.lacking)
}

// probing tells probers of a test apart.
var probing struct {
	sync.Mutex
	runs int
}

// startProbes begins to make pods that ask for networks. Each of them must be ready in the end.
func startProbes(t *testing.T, kube client.Client, node *lab.Node, networks ...string) *prober {
	t.Helper()
	probing.Lock()
	defer probing.Unlock()
	probing.runs++
	p := &prober{
		t: t, kube: kube, node: node, networks: networks, run: probing.runs,
		stopping: make(chan struct{}), ended: make(chan struct{}),
	}
	go p.work(t.Context())
	return p
}

// work makes a pod each second, unless a machine that is too busy has let some wait.
func (p *prober) work(ctx context.Context) {
	defer close(p.ended)
	const most = 8
	next := time.Now()
	for stopping := false; ; {
		waiting := p.look(ctx)
		if stopping && waiting == 0 || ctx.Err() != nil {
			return
		}
		if !stopping && waiting < most && !time.Now().Before(next) {
			p.create(ctx)
			next = time.Now().Add(time.Second)
		}
		select {
		case <-p.stopping:
			stopping = true
		default:
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (p *prober) create(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pod := on(p.node, lab.Pod(fmt.Sprintf("probe-%d-%d", p.run, len(p.pods)+1), p.networks...))
	pod.Labels = map[string]string{"probe": fmt.Sprint(p.run)}
	// A node that is down has its pods wait for it.
	pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	if err := p.kube.Create(ctx, pod); err != nil {
		p.refused++
		return
	}
	p.pods = append(p.pods, &probe{name: pod.Name, created: time.Now()})
}

// look notes which pods are ready, deletes these and counts the others.
func (p *prober) look(ctx context.Context) (waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := &corev1.PodList{}
	err := p.kube.List(ctx, live, client.InNamespace("default"), client.MatchingLabels{"probe": fmt.Sprint(p.run)})
	for _, known := range p.pods {
		if known.done {
			continue
		}
		waiting++
		i := slices.IndexFunc(live.Items, func(pod corev1.Pod) bool { return pod.Name == known.name })
		if err != nil || i < 0 || !isReady(&live.Items[i]) {
			continue
		}
		known.ready, known.done = time.Since(known.created), true
		got, statusErr := nads.Status(&live.Items[i])
		known.lacks = len(p.networks) > 0 && (statusErr != nil || len(got) != len(p.networks)+1)
		waiting--
		_ = p.kube.Delete(ctx, &live.Items[i]) // it goes with the cluster if not now
	}
	return waiting
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// stop makes no more pods and waits for those that there are: every one must become ready.
func (p *prober) stop() probes {
	p.t.Helper()
	close(p.stopping)
	select {
	case <-p.ended:
	case <-lab.Context(p.t).Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := probes{pods: len(p.pods), refused: p.refused}
	var never []string
	for _, pod := range p.pods {
		switch {
		case !pod.done:
			never = append(never, pod.name)
		case pod.lacks:
			out.lacking++
		}
		out.slowest = max(out.slowest, pod.ready)
	}
	if len(never) > 0 {
		p.t.Errorf("on %s these pods never became ready: %s", p.node.Name(), strings.Join(never, ", "))
	}
	if out.pods == 0 {
		p.t.Errorf("on %s no probe pod was made", p.node.Name())
	}
	return out
}

// since returns the names of the pods that were created after a time and lack their networks.
func (p *prober) lackingSince(when time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, pod := range p.pods {
		if pod.lacks && pod.created.After(when) {
			out = append(out, pod.name)
		}
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}
