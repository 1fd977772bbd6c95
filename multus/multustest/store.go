package multustest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxHistory bounds how many changes a watch can go back. etcd forgets too.
const maxHistory = 30_000

// store is the simulated etcd. What it holds is never changed, only replaced,
// so that the simulated controllers and the watches share objects without
// copying them. The Cluster's lock guards it.
type store struct {
	objects  map[schema.GroupVersionResource]map[types.NamespacedName]client.Object
	version  uint64
	uids     uint64
	history  []change
	watchers map[*watcher]bool

	// draft takes the writes of a dry run; nil otherwise. A nil object in it
	// is a deleted one.
	draft map[draftKey]client.Object
	// touched and removed say what the current request has changed.
	touched map[schema.GroupVersionResource]bool
	removed []client.Object
}

type draftKey struct {
	gvr  schema.GroupVersionResource
	name types.NamespacedName
}

// change is one write. before is nil for a new object, after for a deleted one.
type change struct {
	version       uint64
	gvr           schema.GroupVersionResource
	before, after client.Object
}

func newStore() *store {
	return &store{
		objects:  map[schema.GroupVersionResource]map[types.NamespacedName]client.Object{},
		watchers: map[*watcher]bool{},
		touched:  map[schema.GroupVersionResource]bool{},
	}
}

// get returns an object that must not be changed, or nil.
func (s *store) get(gvr schema.GroupVersionResource, name types.NamespacedName) client.Object {
	if object, drafted := s.draft[draftKey{gvr, name}]; drafted {
		return object
	}
	return s.objects[gvr][name]
}

// list returns the objects of a kind, in the order of an API server. An empty
// namespace stands for all.
func (s *store) list(gvr schema.GroupVersionResource, namespace string) []client.Object {
	out := make([]client.Object, 0, len(s.objects[gvr]))
	for name, object := range s.objects[gvr] {
		if namespace == "" || name.Namespace == namespace {
			out = append(out, object)
		}
	}
	slices.SortFunc(out, byName)
	return out
}

func byName(a, b client.Object) int {
	return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}

// put stores object, which the caller gives away, and fills in what the API
// server fills in for every kind.
func (s *store) put(gvr schema.GroupVersionResource, object client.Object) {
	name := client.ObjectKeyFromObject(object)
	before := s.get(gvr, name)
	if before != nil {
		object.SetUID(before.GetUID())
		object.SetCreationTimestamp(before.GetCreationTimestamp())
	}
	if object.GetUID() == "" {
		s.uids++
		object.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", s.uids)))
	}
	if object.GetCreationTimestamp().Time.IsZero() {
		object.SetCreationTimestamp(now())
	}
	if s.draft != nil {
		object.SetResourceVersion("")
		if before != nil {
			object.SetResourceVersion(before.GetResourceVersion())
		}
		s.draft[draftKey{gvr, name}] = object
		return
	}
	s.version++
	object.SetResourceVersion(strconv.FormatUint(s.version, 10))
	if s.objects[gvr] == nil {
		s.objects[gvr] = map[types.NamespacedName]client.Object{}
	}
	s.objects[gvr][name] = object
	s.record(change{s.version, gvr, before, object})
}

// remove deletes an object, if there is one.
func (s *store) remove(gvr schema.GroupVersionResource, name types.NamespacedName) {
	before := s.get(gvr, name)
	switch {
	case before == nil:
	case s.draft != nil:
		s.draft[draftKey{gvr, name}] = nil
	default:
		s.version++
		delete(s.objects[gvr], name)
		s.removed = append(s.removed, before)
		s.record(change{s.version, gvr, before, nil})
	}
}

func (s *store) record(c change) {
	s.touched[c.gvr] = true
	if len(s.history) >= maxHistory {
		s.history = slices.Clone(s.history[maxHistory/2:])
	}
	s.history = append(s.history, c)
	for w := range s.watchers {
		w.offer(c)
	}
}

// since returns the changes after version, and whether they are all still
// known.
func (s *store) since(version uint64) ([]change, bool) {
	first, _ := slices.BinarySearchFunc(s.history, version+1, func(c change, v uint64) int { return cmp.Compare(c.version, v) })
	forgotten := s.version - uint64(len(s.history)) // every change has its version
	return s.history[first:], version >= forgotten
}

// now is the time as it is after a round trip through JSON.
func now() metav1.Time { return metav1.NewTime(time.Now().UTC().Truncate(time.Second)) }
