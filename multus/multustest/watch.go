package multustest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// watcher is one open watch. The store offers it changes under the Cluster's
// lock; a goroutine of its own hands them on, as slowly as the caller reads.
type watcher struct {
	resource  resource
	gvr       schema.GroupVersionResource
	selection selection
	convert   func(client.Object) runtime.Object

	results chan watch.Event
	done    chan struct{}
	stop    func()
	wake    chan struct{}

	mu    sync.Mutex
	queue []notice
}

// notice is an event that is not converted yet.
type notice struct {
	kind    watch.EventType
	object  client.Object
	version uint64 // 0: the object's own
}

// BreakWatches ends every open watch, as a lost connection does: the result
// channels are closed without an error event. New ones can be opened at once.
func (c *Cluster) BreakWatches() {
	c.mu.Lock()
	watchers := slices.Collect(maps.Keys(c.store.watchers))
	c.mu.Unlock()
	for _, w := range watchers {
		w.stop()
	}
}

// watch serves a watch. Everything up to its registration is in the initial
// events, everything after it is offered: nothing is lost between.
func (c *Cluster) watch(ctx context.Context, list client.ObjectList, options client.ListOptions) (watch.Interface, error) {
	w := &watcher{
		convert: converterFor(list), results: make(chan watch.Event),
		done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	w.stop = sync.OnceFunc(func() {
		c.mu.Lock()
		delete(c.store.watchers, w)
		c.mu.Unlock()
		close(w.done)
	})
	err := c.serve(ctx, operation{
		object: list,
		request: func(r resource) Request {
			return c.requestFor("watch", r, client.ObjectKey{Namespace: options.Namespace}, false)
		},
		run: func() (err error) {
			w.resource, w.gvr = c.request.resource, c.request.resource.gvr()
			if w.selection, err = newSelection(w.resource, options); err != nil {
				return err
			}
			if err := c.replay(w, options.Raw); err != nil {
				return err
			}
			c.store.watchers[w] = true
			return nil
		},
	})
	if err != nil {
		w.stop()
		return nil, err
	}
	go w.pump(ctx)
	return w, nil
}

// replay queues what a watch begins with: all that exists, or what has
// changed since the resource version asked for.
func (c *Cluster) replay(w *watcher, raw *metav1.ListOptions) error {
	if raw != nil && raw.SendInitialEvents != nil && *raw.SendInitialEvents {
		return apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: "ListOptions"}, "", field.ErrorList{field.Forbidden(
			field.NewPath("sendInitialEvents"), "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")})
	}
	if raw == nil || raw.ResourceVersion == "" || raw.ResourceVersion == "0" {
		for _, object := range c.store.list(w.gvr, "") {
			w.offer(change{gvr: w.gvr, after: object})
		}
		return nil
	}
	version, err := strconv.ParseUint(raw.ResourceVersion, 10, 64)
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("invalid resource version %q", raw.ResourceVersion))
	}
	changes, known := c.store.since(version)
	if !known {
		return apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d", version))
	}
	for _, change := range changes {
		w.offer(change)
	}
	return nil
}

// offer queues a change if the watch is for it. An object that no longer
// matches is deleted, as far as the watch knows.
func (w *watcher) offer(c change) {
	if c.gvr != w.gvr {
		return
	}
	was := c.before != nil && w.selection.matches(w.resource, c.before)
	is := c.after != nil && w.selection.matches(w.resource, c.after)
	var n notice
	switch {
	case was && is:
		n = notice{watch.Modified, c.after, 0}
	case is:
		n = notice{watch.Added, c.after, 0}
	case was:
		n = notice{watch.Deleted, c.before, c.version}
	default:
		return
	}
	w.mu.Lock()
	w.queue = append(w.queue, n)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// pump hands notices on until the watch is stopped or ctx ends.
func (w *watcher) pump(ctx context.Context) {
	defer close(w.results)
	defer w.stop()
	for {
		w.mu.Lock()
		batch := w.queue
		w.queue = nil
		w.mu.Unlock()
		for _, n := range batch {
			select {
			case w.results <- w.event(n):
			case <-w.done:
				return
			case <-ctx.Done():
				return
			}
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-w.wake:
		case <-w.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (w *watcher) event(n notice) watch.Event {
	object := w.convert(n.object)
	if accessor, ok := object.(metav1.Object); ok && n.version != 0 {
		accessor.SetResourceVersion(strconv.FormatUint(n.version, 10))
	}
	return watch.Event{Type: n.kind, Object: object}
}

// ResultChan returns the events. It is closed when the watch ends.
func (w *watcher) ResultChan() <-chan watch.Event { return w.results }

// Stop ends the watch. Events that were not read are lost.
func (w *watcher) Stop() { w.stop() }

// converterFor returns how the objects of a watch look to its caller: a copy
// of the type that the list holds.
func converterFor(list client.ObjectList) func(client.Object) runtime.Object {
	switch list.(type) {
	case *unstructured.UnstructuredList:
		return toUnstructured
	case *metav1.PartialObjectMetadataList:
		return toPartial
	default:
		return func(object client.Object) runtime.Object {
			out := object.DeepCopyObject()
			out.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
			return out
		}
	}
}

func toUnstructured(object client.Object) runtime.Object {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return &metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
	}
	out := &unstructured.Unstructured{Object: content}
	out.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	return out
}

func toPartial(object client.Object) runtime.Object {
	copied, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return toUnstructured(object)
	}
	out := meta.AsPartialObjectMetadata(copied)
	out.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	return out
}
