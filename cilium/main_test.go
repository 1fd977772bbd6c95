package cilium_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/multus/multustest"
)

// byHelm are the settings of cilium-config as Cilium's chart writes them.
var byHelm = map[string]string{
	"cni-exclusive": "true", "write-cni-conf-when-ready": "/host/etc/cni/net.d/05-cilium.conflist", "cni-chaining-mode": "none",
	"custom-cni-conf": "false", "ipam": "cluster-pool", "cluster-pool-ipv4-cidr": "10.0.0.0/8", "routing-mode": "tunnel",
	"kube-proxy-replacement": "false", "bpf-lb-sock": "false", "devices": "",
}

// with returns settings with some changed.
func with(data map[string]string, pairs ...string) map[string]string {
	out := maps.Clone(data)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func threeNodes() []multustest.Node { return []multustest.Node{{Name: "a"}, {Name: "b"}, {Name: "c"}} }

// simulate starts a cluster or ends the test.
func simulate(tb testing.TB, o multustest.Options) *multustest.Cluster {
	tb.Helper()
	cluster, err := multustest.NewCluster(o)
	if err != nil {
		tb.Fatal(err)
	}
	return cluster
}

// withCilium is a cluster of three nodes with Cilium, exclusive or not, and
// more objects.
func withCilium(tb testing.TB, exclusive bool, objects ...client.Object) *multustest.Cluster {
	tb.Helper()
	return simulate(tb, multustest.Options{
		Nodes: threeNodes(), PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: exclusive}, Objects: objects,
	})
}

// agents is Cilium's DaemonSet in a namespace of one's own.
func agents(namespace, name, image string, labels map[string]string) *appsv1.DaemonSet {
	all := map[string]string{"k8s-app": "cilium"}
	maps.Copy(all, labels)
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: all},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "cilium"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"k8s-app": "cilium"}},
				Spec: corev1.PodSpec{Containers: []corev1.Container{
					{Name: "exporter", Image: "registry.example.com:5000/exporter:9.9.9"},
					{Name: "cilium-agent", Image: image},
				}},
			},
		},
	}
}

// ciliumConfig is cilium-config.
func ciliumConfig(namespace string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "cilium-config"}, Data: data}
}

// nodeConfig is a CiliumNodeConfig.
func nodeConfig(name string, selector map[string]any, defaults map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cilium.io/v2", "kind": "CiliumNodeConfig",
		"metadata": map[string]any{"namespace": "kube-system", "name": name},
		"spec":     map[string]any{"nodeSelector": selector, "defaults": defaults},
	}}
}

// onNode selects one node.
func onNode(name string) map[string]any {
	return map[string]any{"matchLabels": map[string]any{corev1.LabelHostname: name}}
}

// ciliumNode is a CiliumNode, which the simulation takes for namespaced.
func ciliumNode(name string, cidrs ...any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cilium.io/v2", "kind": "CiliumNode",
		"metadata": map[string]any{"namespace": "default", "name": name},
		"spec":     map[string]any{"ipam": map[string]any{"podCIDRs": cidrs}},
	}}
}

// multusDaemonSet is Multus' DaemonSet, with the labels of upstream's.
func multusDaemonSet() *appsv1.DaemonSet {
	ds := agents("kube-system", "kube-multus-ds", "", map[string]string{"k8s-app": "", "app": "multus"})
	ds.Spec.Selector.MatchLabels = map[string]string{"name": "multus"}
	ds.Spec.Template.Labels = map[string]string{"app": "multus", "name": "multus"}
	ds.Spec.Template.Spec.Containers = []corev1.Container{{Name: "kube-multus", Image: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"}}
	return ds
}

func create(tb testing.TB, cluster *multustest.Cluster, objects ...client.Object) {
	tb.Helper()
	for _, object := range objects {
		if err := cluster.Client().Create(tb.Context(), object, client.FieldOwner("kubectl-create")); err != nil {
			tb.Fatal(err)
		}
	}
}

// texts are findings as lines.
func texts(findings []multihome.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.String())
	}
	return out
}

// codes are the codes of findings with their severities, each once and sorted.
func codes(findings []multihome.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, string(f.Severity)+" "+f.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func requests(cluster *multustest.Cluster) []string {
	var out []string
	for _, r := range cluster.Requests() {
		out = append(out, r.String())
	}
	return out
}

func writes(cluster *multustest.Cluster) []string {
	var out []string
	for _, r := range cluster.Requests() {
		if r.IsWrite() {
			out = append(out, r.String())
		}
	}
	return out
}

// indented is a value as JSON.
func indented(tb testing.TB, value any) []byte {
	tb.Helper()
	out, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
