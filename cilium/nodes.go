package cilium

import (
	"cmp"
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/live"
)

// override is a CiliumNodeConfig: values for the nodes that it selects.
type override struct {
	name     string
	defaults map[string]string
	selector labels.Selector
	object   *unstructured.Unstructured
}

// nodes reads which nodes have settings of their own. An agent merges over
// cilium-config every CiliumNodeConfig of its namespace that selects its node,
// in the order of their names.
func (d *detection) nodes(ctx context.Context) error {
	byName := map[string]override{}
	var err error
	for _, version := range []string{"cilium.io/v2", "cilium.io/v2alpha1"} { // the second before Cilium 1.16
		err = live.EachPage(ctx, d.reader, live.List(version, "CiliumNodeConfig"), func(object *unstructured.Unstructured) error {
			if o, ok := d.overrideOf(object); ok {
				byName[o.name] = o
			}
			return nil
		}, client.InNamespace(d.config.Namespace))
		if !notServed(err) {
			break
		}
	}
	switch {
	case notServed(err):
		return nil
	case err != nil:
		return d.excuse(err, "list", "ciliumnodeconfigs.cilium.io in namespace "+d.config.Namespace, "which nodes have settings of their own")
	}
	for _, o := range byName {
		d.overrides = append(d.overrides, o)
	}
	slices.SortFunc(d.overrides, func(a, b override) int { return cmp.Compare(a.name, b.name) })
	if len(d.overrides) == 0 {
		return nil
	}
	nodes := map[string]NodeConfig{}
	err = live.EachPage(ctx, d.reader, live.List("v1", "Node"), func(object *unstructured.Unstructured) error {
		matching := slices.DeleteFunc(slices.Clone(d.overrides), func(o override) bool {
			return !o.selector.Matches(labels.Set(object.GetLabels()))
		})
		if n, err := nodeConfig(object.GetName(), d.data, matching); len(n.Keys) > 0 {
			if _, again := nodes[n.Node]; !again {
				d.misread("Node "+n.Node, err)
			}
			nodes[n.Node] = n
		}
		return nil
	})
	for _, n := range nodes {
		d.config.Nodes = append(d.config.Nodes, n)
	}
	slices.SortFunc(d.config.Nodes, func(a, b NodeConfig) int { return cmp.Compare(a.Node, b.Node) })
	return d.excuse(err, "list", "nodes", "which nodes the CiliumNodeConfigs select")
}

// overrideOf reads a CiliumNodeConfig; false where it says nothing, or selects
// no node. One that an agent could not read either is said.
func (d *detection) overrideOf(object *unstructured.Unstructured) (override, bool) {
	o := override{name: object.GetName(), object: object.DeepCopy()} // the page is used again
	o.defaults, _, _ = unstructured.NestedStringMap(object.Object, "spec", "defaults")
	raw, found, _ := unstructured.NestedMap(object.Object, "spec", "nodeSelector")
	if len(o.defaults) == 0 || !found {
		return o, false
	}
	selector := &metav1.LabelSelector{}
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, selector)
	if err == nil {
		o.selector, err = metav1.LabelSelectorAsSelector(selector)
	}
	if err != nil {
		d.unseen("CiliumNodeConfig "+object.GetNamespace()+"/"+o.name, "spec.nodeSelector cannot be read: "+err.Error(), "correct it; Cilium's agents do not start with it")
		return o, false
	}
	return o, true
}

// notServed reports whether err says that the API server does not know the
// kind.
func notServed(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }
