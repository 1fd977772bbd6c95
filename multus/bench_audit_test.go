package multus_test

import (
	"context"
	"fmt"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// crowd is a client of a cluster with very many pods, which it makes as they
// are asked for, page by page.
type crowd struct {
	client.WithWatch
	nodes, pods int
	asking      int // every so many pods asks for a network
	lost        int // every so many of those lacks it
	daemonSet   client.Object
	daemon, pod unstructured.Unstructured
	requests    int
	live        uint64
}

func newCrowd(b *testing.B, asking, lost int) *crowd {
	cluster := simulate(b, multustest.Options{Nodes: []multustest.Node{}, PrimaryCNI: "none"})
	multusObjects := multusOn(b, restarted(-1, 1, "Error"))
	c := &crowd{WithWatch: cluster.Client(), nodes: 5000, pods: 100_000, asking: asking, lost: lost, daemonSet: multusObjects[0]}
	pod := aPod("web", nil, func(p *corev1.Pod) { // as large as pods are
		container := multusObjects[1].(*corev1.Pod).Spec.Containers[0]
		p.Spec.Containers = []corev1.Container{container, container}
		p.Spec.Volumes = multusObjects[1].(*corev1.Pod).Spec.Volumes
		p.Status.Conditions = make([]corev1.PodCondition, 5)
		p.Status.ContainerStatuses = multusObjects[1].(*corev1.Pod).Status.ContainerStatuses
	})
	for object, into := range map[client.Object]*unstructured.Unstructured{multusObjects[1]: &c.daemon, pod: &c.pod} {
		content, err := k8sruntime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			b.Fatal(err)
		}
		into.Object = content
	}
	return c
}

func (c *crowd) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(options)
	out := list.(*unstructured.UnstructuredList)
	out.Items = nil
	if c.requests++; c.requests%50 == 0 {
		c.live = max(c.live, heap())
	}
	isDaemons := o.LabelSelector != nil && o.LabelSelector.Matches(labels.Set{"app": "multus", "name": "multus", "tier": "node"})
	count := map[string]int{"PodList": c.pods, "DaemonSetList": 1, "NetworkAttachmentDefinitionList": 1}[out.GetKind()]
	if isDaemons {
		count = c.nodes
	}
	first, _ := strconv.Atoi(o.Continue)
	last := min(count, first+int(o.Limit))
	for n := first; n < last; n++ {
		switch {
		case isDaemons:
			out.Items = append(out.Items, c.make(c.daemon, n))
		case out.GetKind() == "PodList":
			out.Items = append(out.Items, c.ask(c.make(c.pod, n), n))
		default:
			object := c.daemonSet
			if out.GetKind() != "DaemonSetList" {
				object = networkNAD("lan", `{"cniVersion":"1.0.0","type":"macvlan"}`)
			}
			content, err := k8sruntime.DefaultUnstructuredConverter.ToUnstructured(object)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, unstructured.Unstructured{Object: content})
		}
	}
	out.SetContinue("")
	if last < count {
		out.SetContinue(strconv.Itoa(last))
	}
	return nil
}

// make is a pod with its own name and node.
func (c *crowd) make(like unstructured.Unstructured, n int) unstructured.Unstructured {
	pod := like.DeepCopy()
	pod.SetName(fmt.Sprintf("%s-%06d", like.GetName(), n))
	pod.Object["spec"].(map[string]any)["nodeName"] = fmt.Sprintf("worker-%04d", n%c.nodes)
	return *pod
}

// ask lets a pod ask for a network, and mostly have it.
func (c *crowd) ask(pod unstructured.Unstructured, n int) unstructured.Unstructured {
	if (n+1)%c.asking == 0 {
		pod.SetAnnotations(networksOf("lan", "shop/lan net1"))
	}
	if (n+1)%(c.asking*c.lost) == 0 {
		pod.SetAnnotations(networksOf("lan"))
	}
	return pod
}

// watchHeap notes how large the heap is at most, garbage included, until the
// function that it returns is called, which returns that.
func watchHeap() func() uint64 {
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		highest := uint64(0)
		for {
			metrics.Read(sample)
			highest = max(highest, sample[0].Value.Uint64())
			select {
			case <-stop:
				peak <- highest
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-peak
	}
}

// BenchmarkAudit audits 100,000 pods on 5,000 nodes. The megabytes are those of
// the heap of the whole program at most, with garbage as the collector leaves it
// by default, and without any while pods are read.
func BenchmarkAudit(b *testing.B) {
	benchmarks := []struct {
		name         string
		asking, lost int
	}{{"none lost", 10, 1 << 20}, {"100 lost", 10, 100}, {"10,000 lost", 1, 10}, {"all lost", 1, 1}}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			c := newCrowd(b, bb.asking, bb.lost)
			installer := newInstaller(b, c, onFlannel)
			found := 0
			b.ReportAllocs()
			peak := watchHeap()
			for b.Loop() {
				found = len(auditOf(b, installer, multus.AuditOptions{}).Pods)
			}
			b.ReportMetric(float64(c.requests)/float64(b.N), "requests/op")
			b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
			b.ReportMetric(float64(c.live)/(1<<20), "live-MiB")
			b.ReportMetric(float64(found), "lost")
		})
	}
}
