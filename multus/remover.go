package multus

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/live"
)

// A remover deletes objects and waits until what they kept alive is gone.
type remover struct {
	installer *Installer
	namespace string // of pods to wait for
	emit      func(Event)
}

// remove deletes an object, unless another one has taken its name since it was
// read. That it is gone already is as good.
func (r *remover) remove(ctx context.Context, object *unstructured.Unstructured) error {
	options := []client.DeleteOption{client.PropagationPolicy(metav1.DeletePropagationBackground)}
	if uid := object.GetUID(); uid != "" {
		options = append(options, client.Preconditions{UID: &uid})
	}
	err := r.installer.client.Delete(ctx, object.DeepCopy(), options...)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", objectName(object), err)
	}
	r.emit(Event{Type: EventRemoved, Object: objectName(object)})
	return nil
}

// gone is whose end is waited for: the pods with labels of the DaemonSets that
// names reports true for.
type gone struct {
	labels client.MatchingLabels
	what   string // for people
	names  func(daemonSet string) bool
}

// goneByPrefix is for DaemonSets whose names begin so.
func goneByPrefix(labels client.MatchingLabels, prefix string) gone {
	return gone{labels: labels, what: prefix, names: func(name string) bool { return strings.HasPrefix(name, prefix) }}
}

// waitGone returns when no such pod is left, but on nodes that are down: there
// nobody can end it, and the cleaner waits for it. It survives an API server
// that goes away for a while.
func (r *remover) waitGone(ctx context.Context, g gone) error {
	for {
		err := r.waitOnce(ctx, g)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && !hopeless(err) {
			r.emit(Event{Type: EventWaiting, Message: err.Error()})
			select {
			case <-ctx.Done():
			case <-time.After(pollInterval):
				continue
			}
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("wait until the pods of %s in namespace %s are gone: %w", g.what, r.namespace, err)
	}
}

// waitOnce lists the pods and watches them go.
func (r *remover) waitOnce(ctx context.Context, g gone) error {
	pods := live.List("v1", "Pod")
	left := map[string]string{} // pod -> node
	err := live.EachPage(ctx, r.installer.client, pods, func(pod *unstructured.Unstructured) error {
		g.take(left, pod)
		return nil
	}, client.InNamespace(r.namespace), g.labels)
	if err != nil || len(left) == 0 {
		return err
	}
	changes, stop, err := r.podChanges(ctx, g.labels, pods.GetResourceVersion())
	if err != nil {
		return err
	}
	defer stop()
	probe := time.NewTicker(probeInterval)
	defer probe.Stop()
	for len(left) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, open := <-changes:
			if !open {
				return fmt.Errorf("watch pods in namespace %s: it ended", r.namespace)
			}
			if err := g.takeEvent(left, event); err != nil {
				return fmt.Errorf("watch pods in namespace %s: %w", r.namespace, err)
			}
		case <-probe.C:
			down, err := r.installer.downNodes(ctx)
			if err != nil {
				return err
			}
			if allIn(left, down) {
				return nil
			}
			if changes == nil {
				return r.waitOnce(ctx, g)
			}
		}
	}
	return nil
}

// podChanges watches from where a list ended. A client that cannot watch gets
// nil: it looks again at every probe.
func (r *remover) podChanges(ctx context.Context, labels client.MatchingLabels, resourceVersion string) (<-chan watch.Event, func(), error) {
	watcher, ok := r.installer.client.(client.WithWatch)
	if !ok {
		return nil, func() {}, nil
	}
	w, err := watcher.Watch(ctx, live.List("v1", "Pod"), client.InNamespace(r.namespace), labels,
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: resourceVersion}})
	if err != nil {
		return nil, nil, fmt.Errorf("watch pods in namespace %s: %w", r.namespace, err)
	}
	return w.ResultChan(), w.Stop, nil
}

// take notes a pod that is still there.
func (g gone) take(left map[string]string, pod *unstructured.Unstructured) {
	for _, owner := range pod.GetOwnerReferences() {
		if owner.Kind == "DaemonSet" && g.names(owner.Name) {
			left[pod.GetName()], _, _ = unstructured.NestedString(pod.Object, "spec", "nodeName")
		}
	}
}

// takeEvent takes in one change of a pod.
func (g gone) takeEvent(left map[string]string, event watch.Event) error {
	pod, ok := event.Object.(*unstructured.Unstructured)
	switch {
	case event.Type == watch.Error:
		return apierrors.FromObject(event.Object)
	case !ok:
		return fmt.Errorf("unexpected %T from the API server", event.Object)
	case event.Type == watch.Deleted:
		delete(left, pod.GetName())
	case event.Type != watch.Bookmark:
		g.take(left, pod)
	}
	return nil
}

// allIn reports whether the node of every pod is among nodes.
func allIn(left map[string]string, nodes map[string]bool) bool {
	for _, node := range left {
		if !nodes[node] {
			return false
		}
	}
	return true
}
