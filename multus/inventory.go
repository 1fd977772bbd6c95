package multus

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/live"
	"github.com/multihome/multihome/nad"
)

// Inventory reads from a live cluster what [nad.LintCluster] judges: the NADs
// of all namespaces, the networks of pods and services, addresses and resources
// of nodes, and the CNI plugins that the nodes have. It writes nothing.
//
// Requests: lists of NADs, nodes, services' ranges, Cilium's nodes and
// DaemonSets, 500 at a time. A list that the API server drops half-way (410
// Expired) begins again once. A manager's cache will not do as a reader, because
// it cannot list by pages.
//
// What may not be read, or is not told by the API, is left nil and is in
// Cluster.Unseen, so that LintCluster says that it looked at less. Plugins are
// told where every node runs Talos 1.8 or newer and no other DaemonSet than
// Cilium's, Flannel's and Multus' writes to the directory of plugins; they are
// those of Talos, and those that these add. [InventoryRBAC] is what the client
// must be allowed.
//
// The error names the request that failed and wraps its cause; it is ctx's when
// ctx ended.
func Inventory(ctx context.Context, reader client.Reader) (nad.Cluster, error) {
	if reader == nil {
		return nad.Cluster{}, errors.New("reader is nil; give a sigs.k8s.io/controller-runtime/pkg/client")
	}
	i := &inventory{reader: reader}
	for _, step := range []func(context.Context) error{i.definitions, i.nodes, i.services, i.ciliumNodes, i.plugins} {
		if err := step(ctx); err != nil {
			return nad.Cluster{}, err
		}
	}
	i.cluster.Unseen = i.survey.unseen
	return i.cluster, nil
}

// InventoryRBAC returns what [Inventory] needs to be allowed, and nothing more:
// a ClusterRole. Without one of its rules Inventory tells less, and says so.
func InventoryRBAC() []client.Object {
	list := []string{"list"}
	return []client.Object{&rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: "multihome-inventory"},
		Rules: []rbacv1.PolicyRule{
			rule("k8s.cni.cncf.io", "network-attachment-definitions", list),
			rule("", "nodes", list),
			rule("networking.k8s.io", "servicecidrs", list),
			rule("cilium.io", "ciliumnodes", list),
			rule("apps", "daemonsets", list),
		},
	}}
}

// inventory is one Inventory under way. Objects are kept by name, because a
// list that begins again brings them twice.
type inventory struct {
	reader  client.Reader
	cluster nad.Cluster
	survey  survey // for what it could not see
	talos   bool   // every node runs Talos 1.8 or newer
}

// each reads a list. That a kind does not exist is told by found.
func (i *inventory) each(ctx context.Context, apiVersion, kind, resource, tells string, take func(*unstructured.Unstructured) error) (found bool, err error) {
	err = live.EachPage(ctx, i.reader, live.List(apiVersion, kind), take)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	seen := err == nil
	return seen, i.survey.excuse(err, "list", resource, tells)
}

func (i *inventory) definitions(ctx context.Context) error {
	byName := make(map[string]netattdefv1.NetworkAttachmentDefinition)
	before := len(i.survey.unseen)
	_, err := i.each(ctx, "k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "network-attachment-definitions.k8s.cni.cncf.io", "the networks themselves",
		func(object *unstructured.Unstructured) error {
			def, err := convert[netattdefv1.NetworkAttachmentDefinition](object)
			if err != nil {
				return err
			}
			byName[def.Namespace+"/"+def.Name] = *def
			return nil
		})
	if err != nil || len(i.survey.unseen) > before {
		return err
	}
	i.cluster.Definitions = make([]netattdefv1.NetworkAttachmentDefinition, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		i.cluster.Definitions = append(i.cluster.Definitions, byName[name])
	}
	return nil
}

// nodes reads ranges, addresses and resources of nodes.
func (i *inventory) nodes(ctx context.Context) error {
	byName := make(map[string]nodeNetwork)
	seen, err := i.each(ctx, "v1", "Node", "nodes", "the networks of pods, addresses and resources of nodes, and which plugins Talos brings",
		func(object *unstructured.Unstructured) error {
			node, err := convert[corev1.Node](object)
			if err == nil {
				byName[node.Name] = networkOf(node)
			}
			return err
		})
	if err != nil || !seen {
		return err
	}
	i.cluster.NodeAddresses = make(map[string][]string, len(byName))
	i.cluster.Resources = make(map[nad.ResourceName]int)
	i.talos = len(byName) > 0
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		n := byName[name]
		i.cluster.NodeAddresses[name] = n.addresses
		i.ranges("pods of node "+name, n.pods)
		for _, resource := range n.resources {
			i.cluster.Resources[resource]++
		}
		i.talos = i.talos && n.talos
	}
	return nil
}

// nodeNetwork is what is kept of a Node.
type nodeNetwork struct {
	addresses, pods []string
	resources       []nad.ResourceName
	talos           bool
}

func networkOf(node *corev1.Node) nodeNetwork {
	n := nodeNetwork{pods: node.Spec.PodCIDRs}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP || address.Type == corev1.NodeExternalIP {
			n.addresses = append(n.addresses, address.Address)
		}
	}
	for name, quantity := range node.Status.Allocatable {
		if strings.Contains(string(name), "/") && !quantity.IsZero() {
			n.resources = append(n.resources, nad.ResourceName(name))
		}
	}
	version, isTalos := talosOf(node.Status.NodeInfo.OSImage)
	n.talos = isTalos && versionAtLeast(version, "v1.8.0")
	return n
}

func (i *inventory) ranges(use string, cidrs []string) {
	for _, cidr := range cidrs {
		i.cluster.Ranges = append(i.cluster.Ranges, nad.ClusterRange{CIDR: cidr, Use: use})
	}
}

func (i *inventory) services(ctx context.Context) error {
	const resource = "servicecidrs.networking.k8s.io"
	byName := make(map[string][]string)
	before := len(i.survey.unseen)
	seen, err := i.each(ctx, "networking.k8s.io/v1", "ServiceCIDR", resource, "the networks of services",
		func(object *unstructured.Unstructured) error {
			services, err := convert[networkingv1.ServiceCIDR](object)
			if err == nil {
				byName[services.Name] = services.Spec.CIDRs
			}
			return err
		})
	if err == nil && !seen && len(i.survey.unseen) == before {
		i.unseen("", "the cluster has no "+resource+", which Kubernetes 1.33 brought, so nothing is known of: the networks of services", "compare with --service-cluster-ip-range of the API server")
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		i.ranges("services", byName[name])
	}
	return err
}

// ciliumNodes reads the ranges of pods where Cilium gives them out by itself.
func (i *inventory) ciliumNodes(ctx context.Context) error {
	byName := make(map[string][]string)
	_, err := i.each(ctx, "cilium.io/v2", "CiliumNode", "ciliumnodes.cilium.io", "the networks of pods that Cilium gives out",
		func(object *unstructured.Unstructured) error {
			byName[object.GetName()], _, _ = unstructured.NestedStringSlice(object.Object, "spec", "ipam", "podCIDRs")
			return nil
		})
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		known := i.cluster.Ranges
		i.ranges("pods of node "+name+" (Cilium)", slices.DeleteFunc(byName[name], func(cidr string) bool {
			return slices.ContainsFunc(known, func(r nad.ClusterRange) bool { return r.CIDR == cidr })
		}))
	}
	return err
}

func (i *inventory) unseen(object, message, remedy string) {
	i.survey.unseen = append(i.survey.unseen, multihome.Finding{
		Code: "multus/unseen", Severity: multihome.SeverityWarning, Object: object, Message: message, Remedy: remedy,
	})
}

// plugins finds out which plugins all nodes have.
func (i *inventory) plugins(ctx context.Context) error {
	found := make(map[string]bool)
	for _, name := range talosPlugins {
		found[name] = true
	}
	writers := make(map[string]bool)
	seen, err := i.each(ctx, "apps/v1", "DaemonSet", "daemonsets.apps in all namespaces", "which CNI plugins they bring",
		func(object *unstructured.Unstructured) error {
			ds, err := convert[appsv1.DaemonSet](object)
			if err != nil {
				return err
			}
			brought, known := pluginsOf(ds)
			if !known && writesPlugins(&ds.Spec.Template.Spec) {
				writers[objectName(object)] = true
			}
			for _, name := range brought {
				found[name] = true
			}
			return nil
		})
	if err != nil || !seen {
		return err
	}
	const message = "so nothing is known of: which CNI plugins the nodes have"
	const remedy = "set Cluster.Plugins, if they are known"
	for _, name := range slices.Sorted(maps.Keys(writers)) {
		i.unseen(name, "writes to the directory of CNI plugins, "+message, remedy)
	}
	switch {
	case len(writers) > 0:
	case i.talos:
		i.cluster.Plugins = slices.Sorted(maps.Keys(found))
	case i.cluster.NodeAddresses != nil:
		i.unseen("", "not every node runs Talos 1.8 or newer, "+message, remedy)
	}
	return nil
}
