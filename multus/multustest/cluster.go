package multustest

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Options describe a cluster. The zero value is one Talos v1.13.9 node with
// amd64 and Flannel.
type Options struct {
	// Nodes of the cluster. Nil: one node, "node-1". Empty and not nil: none.
	Nodes []Node
	// PrimaryCNI is "flannel", "cilium", "calico", "kube-ovn" or "none".
	// Empty: "flannel", as on Talos. Its DaemonSet and ConfigMap are there,
	// and its pods run.
	PrimaryCNI string
	// Cilium is read if PrimaryCNI is "cilium".
	Cilium Cilium
	// Kubernetes is the version of the kubelets. Empty: "v1.37.2".
	Kubernetes string
	// Rollout says who lets pods of DaemonSets start: RolloutAuto, the zero
	// value, or RolloutManual.
	Rollout RolloutMode
	// Objects are there from the beginning, unlike those that the test
	// creates: nothing is checked, nothing is recorded, and DaemonSets among
	// them run on every node already. Their managedFields are kept; without
	// any, the first server-side apply finds an owner "before-first-apply". A
	// pod with a status.phase stays as it is. Kinds that Objects hold are
	// served without their CRD.
	Objects []client.Object
	// Scheme holds the Go types of further kinds, which are served without
	// their CRDs. It is only read. Nil: the kinds of client-go, CRDs and NADs.
	Scheme *runtime.Scheme
}

// Cluster is a simulated cluster. Its methods, its client and the watches of
// its client are safe for concurrent use.
type Cluster struct {
	client  client.WithWatch
	scheme  *runtime.Scheme
	working *runtime.Scheme              // the fake client's, which it changes
	builtIn map[schema.GroupVersion]bool // served by every cluster
	without map[schema.GroupKind]bool    // served without a CRD
	mode    RolloutMode
	primary primaryCNI
	talos   bool
	log     requestLog

	mu            sync.Mutex // guards all below
	store         *store
	request       *operation // being served
	fieldManagers map[fieldsKey]*managedfields.FieldManager
	rules         []rule
	held          bool // CRDs are not established
	orphan        bool // the current deletion leaves dependents

	starting bool // NewCluster: no faults yet, and every DaemonSet rolls
	faults   map[string]Fault
	shown    map[types.UID]Fault // what struck a pod of a DaemonSet
	refused  map[string]string   // pods that were not admitted, and why
	suffixes int
	podIPs   map[string]int
	leases   leases
	waiting  map[types.NamespacedName]string // pods that have not started, and why
}

// NewCluster starts a simulated cluster with the namespaces default,
// kube-system, kube-public and kube-node-lease. It starts no goroutine and
// needs no end. The error tells every problem with the options.
func NewCluster(o Options) (*Cluster, error) {
	scheme, err := newScheme(o.Scheme)
	if err != nil {
		return nil, fmt.Errorf("scheme: %w", err)
	}
	working, err := newScheme(o.Scheme)
	if err != nil {
		return nil, fmt.Errorf("scheme: %w", err)
	}
	c := &Cluster{
		scheme: scheme, working: working, mode: o.Rollout, store: newStore(), starting: true,
		builtIn: map[schema.GroupVersion]bool{apiextensionsv1.SchemeGroupVersion: true}, without: map[schema.GroupKind]bool{},
		fieldManagers: map[fieldsKey]*managedfields.FieldManager{}, faults: map[string]Fault{}, shown: map[types.UID]Fault{},
		refused: map[string]string{}, podIPs: map[string]int{}, leases: leases{}, waiting: map[types.NamespacedName]string{},
	}
	// A scheme of our own: to the global one fake clients of other tests add kinds.
	kubernetes := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(kubernetes); err != nil {
		return nil, fmt.Errorf("scheme: %w", err)
	}
	for _, gv := range kubernetes.PrioritizedVersionsAllGroups() {
		c.builtIn[gv] = true
	}
	if o.Scheme != nil {
		for gvk := range o.Scheme.AllKnownTypes() {
			c.without[gvk.GroupKind()] = !c.builtIn[gvk.GroupVersion()] && gvk.GroupKind() != nadKind
		}
	}
	if err := c.populate(o); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	c.client = c.newClient()
	c.starting = false
	return c, nil
}

// Client returns the client, always the same one. It answers as a client of
// an API server would, not as a manager's cache.
func (c *Cluster) Client() client.WithWatch { return c.client }

// populate stores what is there from the beginning and lets it run.
func (c *Cluster) populate(o Options) error {
	nodes, nodeErr := newNodes(o.Nodes, cmp.Or(o.Kubernetes, defaultKubernetes))
	primary, objects, cniErr := newPrimaryCNI(o.PrimaryCNI, o.Cilium)
	var modeErr error
	if o.Rollout != RolloutAuto && o.Rollout != RolloutManual {
		modeErr = fmt.Errorf("rollout: %q is neither %q nor %q", o.Rollout, RolloutAuto, RolloutManual)
	}
	problems := []error{nodeErr, cniErr, modeErr}
	c.primary = primary
	for n, node := range nodes {
		c.talos = c.talos || n >= len(o.Nodes) || o.Nodes[n].OSImage == ""
		c.store.put(nodeGVR, node)
	}
	for _, name := range []string{"default", "kube-node-lease", "kube-public", "kube-system"} {
		objects = append(objects, &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
			Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
		})
	}
	for n, object := range append(objects, o.Objects...) {
		if err := c.place(object, n >= len(objects)); err != nil {
			problems = append(problems, fmt.Errorf("objects[%d]: %w", n-len(objects), err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for n, node := range o.Nodes {
		name := cmp.Or(node.Name, fmt.Sprintf("node-%d", n+1))
		c.faults[name] = node.Fault
		c.heartbeat(name)
	}
	c.reconcile()
	return nil
}

// place stores an object that is there from the beginning.
func (c *Cluster) place(object client.Object, isUsers bool) error {
	gvk, err := apiutil.GVKForObject(object, c.scheme)
	if err != nil {
		return err
	}
	placed, err := c.typed(object, gvk)
	if err != nil {
		return err
	}
	if placed.GetName() == "" {
		return fmt.Errorf("%s has no name; give it one", gvk.Kind)
	}
	r := c.resourceOf(gvk)
	if !r.namespaced {
		placed.SetNamespace("")
	} else if placed.GetNamespace() == "" {
		return fmt.Errorf("%s %s has no namespace; give it one", gvk.Kind, placed.GetName())
	}
	if counted(placed) && placed.GetGeneration() == 0 {
		placed.SetGeneration(1)
	}
	switch o := placed.(type) {
	case *appsv1.DaemonSet:
		setTemplateGeneration(o, 1)
	case *corev1.Pod:
		if o.Status.Phase == "" {
			c.waiting[client.ObjectKeyFromObject(o)] = ""
		}
	}
	if isUsers && !c.builtIn[gvk.GroupVersion()] {
		c.without[gvk.GroupKind()] = true
	}
	c.store.put(r.gvr(), placed)
	return nil
}

// typed returns a copy of object in the scheme's type, if there is one.
func (c *Cluster) typed(object client.Object, gvk schema.GroupVersionKind) (client.Object, error) {
	copied, ok := object.DeepCopyObject().(client.Object)
	u, isUnstructured := object.(*unstructured.Unstructured)
	if isUnstructured && c.scheme.Recognizes(gvk) {
		fresh, err := c.scheme.New(gvk)
		if err != nil {
			return nil, err
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, fresh); err != nil {
			return nil, err
		}
		copied, ok = fresh.(client.Object)
	}
	if !ok {
		return nil, fmt.Errorf("%T is no object with metadata", object)
	}
	copied.GetObjectKind().SetGroupVersionKind(gvk)
	return copied, nil
}

// reconcile lets the simulated controllers follow what has changed. They see
// each change once; their own changes do not wake them again.
func (c *Cluster) reconcile() {
	c.collect()
	touched := func(gvrs ...schema.GroupVersionResource) bool {
		for _, gvr := range gvrs {
			if c.store.touched[gvr] {
				return true
			}
		}
		return false
	}
	if touched(crdGVR) {
		c.establish()
	}
	if touched(daemonSetGVR, podGVR, nodeGVR, namespaceGVR) {
		c.syncDaemonSets()
	}
	if len(c.waiting) > 0 && touched(podGVR, nodeGVR, nadGVR) {
		c.startPods()
	}
	c.collect()
	clear(c.store.touched)
}
