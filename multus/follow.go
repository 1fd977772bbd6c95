package multus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/live"
)

// How often a rollout is looked at.
const (
	// pollInterval is for clients that cannot watch, and the pause before a
	// broken watch is opened again.
	pollInterval = time.Second
	// probeDelay and probeInterval are when a watch first looks for what no
	// pod tells, and how often then: that there is none, and why.
	probeDelay    = time.Second
	probeInterval = 5 * time.Second
	// lateness is how long a pod may be silent that the DaemonSet's figures
	// have overtaken.
	lateness = time.Second
)

// multusLabels select the DaemonSets of a Bundle and their pods.
var multusLabels = client.MatchingLabels{"app": "multus"}

// follower follows one rollout to its end.
type follower struct {
	client    client.Client
	namespace string
	labels    client.MatchingLabels
	// enough ends the rollout before it is complete, by an error. It is asked
	// from time to time. Nil: nothing but the end is enough.
	enough   func(context.Context, Rollout) error
	progress *progress
	emit     func(Event)
	last     error // why the cluster does not answer; nil if it does
}

// follow waits until the DaemonSets run everywhere. It opens two watches,
// whatever the number of nodes, and opens them again when they break: an API
// server that goes away for a while only delays it.
func (i *Installer) follow(ctx context.Context, daemonSets []*unstructured.Unstructured, emit func(Event)) (Rollout, error) {
	return (&follower{client: i.client, labels: multusLabels, emit: emit}).follow(ctx, daemonSets)
}

func (f *follower) follow(ctx context.Context, daemonSets []*unstructured.Unstructured) (Rollout, error) {
	f.progress = newProgress()
	for _, object := range daemonSets {
		ds, err := convert[appsv1.DaemonSet](object)
		if err != nil {
			return Rollout{}, err
		}
		f.namespace = ds.Namespace
		f.progress.daemonSets[ds.Name] = nil
		f.progress.setDaemonSet(ds)
	}
	if f.progress.complete() {
		f.send(Event{Type: EventDone})
		return f.progress.rollout(), nil
	}
	look := f.poll
	if watcher, ok := f.client.(client.WithWatch); ok {
		look = func(ctx context.Context) error { return f.watch(ctx, watcher) }
	}
	for {
		err := look(ctx)
		if f.progress.complete() {
			f.send(Event{Type: EventDone})
			return f.progress.report(), nil
		}
		if ctx.Err() != nil {
			return f.stop(ctx.Err())
		}
		if f.last = err; hopeless(err) {
			f.last = nil
			return f.stop(err)
		}
		if err != nil {
			f.send(Event{Type: EventWaiting, Message: err.Error()})
		}
		select {
		case <-ctx.Done():
			return f.stop(ctx.Err())
		case <-time.After(pollInterval):
		}
		if ctx.Err() != nil { // both at once: another look would only be cut off
			return f.stop(ctx.Err())
		}
	}
}

// stop ends a rollout that is not complete.
func (f *follower) stop(err error) (Rollout, error) {
	rollout := f.progress.report()
	return rollout, &RolloutError{Rollout: rollout, Last: f.last, Err: err}
}

// hopeless reports whether asking again cannot help.
func hopeless(err error) bool {
	return errors.Is(err, ErrNodesDown) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsBadRequest(err) ||
		apierrors.IsInvalid(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

// watch takes in changes until the rollout is complete, ctx ends or a watch
// does. A watch without a resource version begins with all that exists. Pods
// are heard after the DaemonSets, which tell how many there will be.
func (f *follower) watch(ctx context.Context, watcher client.WithWatch) error {
	daemonSets, err := watcher.Watch(ctx, live.List("apps/v1", "DaemonSet"), client.InNamespace(f.namespace), f.labels)
	if err != nil {
		return fmt.Errorf("watch daemonsets in namespace %s: %w", f.namespace, err)
	}
	defer daemonSets.Stop()
	pods, err := watcher.Watch(ctx, live.List("v1", "Pod"), client.InNamespace(f.namespace), f.labels)
	if err != nil {
		return fmt.Errorf("watch pods in namespace %s: %w", f.namespace, err)
	}
	defer pods.Stop()
	f.last = nil
	f.progress.restart()
	probe := time.NewTimer(probeDelay)
	defer probe.Stop()
	for {
		var podEvents <-chan watch.Event
		if f.progress.toldAll() {
			podEvents = pods.ResultChan()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, open := <-daemonSets.ResultChan():
			if !open {
				return nil
			}
			if err := f.takeDaemonSet(event); err != nil {
				return err
			}
		case event, open := <-podEvents:
			if !open {
				return nil
			}
			if err := f.takePod(event); err != nil {
				return err
			}
		case <-probe.C:
			if err := f.probe(ctx); err != nil {
				return err
			}
			probe.Reset(probeInterval)
		}
		if f.progress.complete() {
			f.drain(ctx, pods)
			return nil
		}
	}
}

// drain takes in the pod events that are still on their way, so that the last
// nodes are reported before the end is.
func (f *follower) drain(ctx context.Context, pods watch.Interface) {
	for f.progress.readyNodes() < f.progress.rollout().Desired {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lateness):
			return
		case event, open := <-pods.ResultChan():
			if !open || f.takePod(event) != nil {
				return
			}
		}
	}
}

// poll looks once.
func (f *follower) poll(ctx context.Context) error {
	f.progress.restart()
	if err := f.readDaemonSets(ctx); err != nil {
		return err
	}
	err := live.EachPage(ctx, f.client, live.List("v1", "Pod"), func(object *unstructured.Unstructured) error {
		return f.takePod(watch.Event{Type: watch.Added, Object: object})
	}, client.InNamespace(f.namespace), f.labels)
	if err != nil {
		return err
	}
	return f.probe(ctx)
}

// readDaemonSets finds out, too, whether they still exist.
func (f *follower) readDaemonSets(ctx context.Context) error {
	err := live.EachPage(ctx, f.client, live.List("apps/v1", "DaemonSet"), func(object *unstructured.Unstructured) error {
		return f.takeDaemonSet(watch.Event{Type: watch.Added, Object: object})
	}, client.InNamespace(f.namespace), f.labels)
	if err != nil {
		return err
	}
	for name := range f.progress.daemonSets {
		if !f.progress.told[name] {
			return f.deleted(name)
		}
	}
	return nil
}

func (f *follower) deleted(name string) error {
	return fmt.Errorf("DaemonSet %s/%s was deleted during its rollout; install again: %w",
		f.namespace, name, apierrors.NewNotFound(appsv1.Resource("daemonsets"), name))
}

func (f *follower) takeDaemonSet(event watch.Event) error {
	if event.Type == watch.Error {
		return fmt.Errorf("watch daemonsets in namespace %s: %w", f.namespace, apierrors.FromObject(event.Object))
	}
	ds, err := convert[appsv1.DaemonSet](event.Object)
	if err != nil {
		return err
	}
	known := f.progress.daemonSets[ds.Name]
	if known != nil && (event.Type == watch.Deleted || known.UID != ds.UID) {
		return f.deleted(ds.Name)
	}
	if event.Type != watch.Bookmark {
		f.progress.setDaemonSet(ds)
	}
	return nil
}

func (f *follower) takePod(event watch.Event) error {
	if event.Type == watch.Error {
		return fmt.Errorf("watch pods in namespace %s: %w", f.namespace, apierrors.FromObject(event.Object))
	}
	pod, err := convert[corev1.Pod](event.Object)
	if err != nil {
		return err
	}
	switch event.Type {
	case watch.Bookmark:
	case watch.Deleted:
		f.progress.removePod(pod)
	default:
		before, after := f.progress.setPod(pod)
		f.tell(before, after)
	}
	return nil
}

// tell reports what is new about a node.
func (f *follower) tell(before, after NodeStatus) {
	isReady := after.Ready && after.Updated
	if isReady && !(before.Ready && before.Updated && before.Pod == after.Pod) {
		f.send(Event{Type: EventNodeReady, Node: after.Node})
	}
	if after.Problem != nil && (before.Problem == nil || before.Problem.Code != after.Problem.Code) {
		f.send(Event{Type: EventNodeStuck, Node: after.Node, Finding: after.Problem})
	}
}

// probe finds out what is told by its absence: that a DaemonSet is gone, and
// why pods are not made.
func (f *follower) probe(ctx context.Context) error {
	f.progress.settle()
	if !f.progress.toldAll() {
		if err := f.readDaemonSets(ctx); err != nil {
			return err
		}
	}
	before := f.progress.noPods
	err := f.progress.lookForPods(ctx, f.client, f.namespace)
	wereDown := f.progress.down
	if err == nil && f.enough == nil { // which looks at nodes itself
		err = f.progress.lookForNodes(ctx, f.client)
	}
	for _, node := range slices.Sorted(maps.Keys(f.progress.down)) {
		if !wereDown[node] {
			f.send(Event{Type: EventNodeStuck, Node: node, Finding: nodeDown(node)})
		}
	}
	if now := f.progress.noPods; now != nil && (before == nil || before.Code != now.Code) {
		f.send(Event{Type: EventNodeStuck, Finding: now})
	}
	if err == nil && f.enough != nil {
		err = f.enough(ctx, f.progress.report())
	}
	return err
}

// send fills in the figures that every event of a rollout carries.
func (f *follower) send(event Event) {
	rollout := f.progress.rollout()
	event.Total, event.Done = rollout.Desired, rollout.Ready
	if event.Type == EventNodeReady {
		event.Done = f.progress.readyNodes() // also when the DaemonSet's figures are ahead
	}
	f.emit(event)
}

// convert turns what the API server sent into a typed object.
func convert[T any](object runtime.Object) (*T, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("unexpected %T from the API server", object)
	}
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out); err != nil {
		return nil, fmt.Errorf("%s: %w", objectName(u), err)
	}
	return out, nil
}
