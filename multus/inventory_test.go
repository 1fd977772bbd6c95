package multus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
	"github.com/multihome/multihome/nad"
)

// inventoried is a cluster with Cilium, NADs and everything that Inventory
// looks at.
func inventoried(t *testing.T, o multustest.Options) *multustest.Cluster {
	t.Helper()
	ciliumNode := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cilium.io/v2", "kind": "CiliumNode", "metadata": map[string]any{"name": "a", "namespace": "default"}, // for the simulation, which takes new kinds for namespaced
		"spec": map[string]any{"ipam": map[string]any{"podCIDRs": []any{"10.0.7.0/24", "10.244.0.0/24"}}},
	}}
	o.Nodes, o.PrimaryCNI = threeNodes(), "cilium"
	o.Objects = append(o.Objects,
		ciliumNode, aNAD(),
		&networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.96.0.0/12"}}},
	)
	cluster := simulate(t, o)
	node := &corev1.Node{}
	if err := cluster.Client().Get(t.Context(), client.ObjectKey{Name: "b"}, node); err != nil {
		t.Fatal(err)
	}
	node.Status.Allocatable["example.com/vf"] = resource.MustParse("8")
	node.Status.Allocatable["example.com/gone"] = resource.MustParse("0")
	if err := cluster.Client().Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	install(t, cluster, multus.Config{}, multus.InstallOptions{})
	cluster.ResetRequests()
	return cluster
}

func inventory(t *testing.T, reader client.Reader) nad.Cluster {
	t.Helper()
	got, err := multus.Inventory(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// summary is an inventory in words.
func summary(c nad.Cluster) map[string][]string {
	out := map[string][]string{"plugins": c.Plugins}
	for _, def := range c.Definitions {
		out["networks"] = append(out["networks"], def.Namespace+"/"+def.Name)
	}
	for _, r := range c.Ranges {
		out["ranges"] = append(out["ranges"], r.CIDR+" "+r.Use)
	}
	for _, name := range []string{"a", "b", "c"} {
		out["addresses"] = append(out["addresses"], c.NodeAddresses[name]...)
	}
	for name, n := range c.Resources {
		out["resources"] = append(out["resources"], fmt.Sprint(name, " ", n))
	}
	for _, f := range c.Unseen {
		out["unseen"] = append(out["unseen"], f.String())
	}
	return out
}

func TestInventory(t *testing.T) {
	got := summary(inventory(t, inventoried(t, multustest.Options{}).Client()))
	if len(got["addresses"]) != 3 || len(got["plugins"]) < 18 || !slices.Contains(got["plugins"], "cilium-cni") || !slices.Contains(got["plugins"], "macvlan") {
		t.Errorf("addresses %v, plugins %v", got["addresses"], got["plugins"])
	}
	delete(got, "addresses")
	delete(got, "plugins")
	want := map[string][]string{
		"networks":  {"default/lan"},
		"ranges":    {"10.244.0.0/24 pods of node a", "10.244.1.0/24 pods of node b", "10.244.2.0/24 pods of node c", "10.96.0.0/12 services", "10.0.7.0/24 pods of node a (Cilium)"},
		"resources": {"example.com/vf 1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := multus.Inventory(t.Context(), nil); err == nil {
		t.Error("no error without a reader")
	}
}

// TestInventoryPlugins: plugins are only told where all that brings some is
// known.
func TestInventoryPlugins(t *testing.T) {
	writer := func(path string, readOnly bool) *appsv1.DaemonSet {
		return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "whereabouts"}, Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "whereabouts"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "whereabouts"}}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "install", Image: "whereabouts:1", VolumeMounts: []corev1.VolumeMount{{Name: "bin", MountPath: "/host/opt/cni/bin", ReadOnly: readOnly}}}},
				Volumes:    []corev1.Volume{{Name: "bin", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}}},
			}},
		}}
	}
	talos := []string{"bridge", "firewall", "flannel", "host-local", "loopback", "portmap"}
	tests := []struct {
		name    string
		options multustest.Options
		install *multus.Config
		want    []string
		unseen  string
	}{
		{name: "Talos", want: talos},
		{name: "no nodes", options: multustest.Options{Nodes: []multustest.Node{}}, unseen: "not every node runs Talos 1.8"},
		{name: "older Talos", options: multustest.Options{Nodes: []multustest.Node{{}, {Talos: "v1.7.6"}}}, unseen: "not every node runs Talos 1.8"},
		{name: "Debian", options: multustest.Options{Nodes: []multustest.Node{{OSImage: "Debian GNU/Linux 13"}}}, unseen: "not every node runs Talos 1.8"},
		{name: "another primary CNI", options: multustest.Options{Objects: []client.Object{writer("/opt/cni", false)}}, unseen: "DaemonSet kube-system/whereabouts"},
		{name: "all of the node", options: multustest.Options{Objects: []client.Object{writer("/", false)}}, unseen: "DaemonSet kube-system/whereabouts"},
		{name: "read-only", options: multustest.Options{Objects: []client.Object{writer("/", true)}}, want: talos},
		{name: "other directory", options: multustest.Options{Objects: []client.Object{writer("/opt/cni/bin2", false)}}, want: talos},
		{name: "some of the reference plugins", install: &multus.Config{ReferencePlugins: multus.ReferencePlugins{Plugins: []string{"macvlan", "static"}}}, want: append([]string{"macvlan", "multus-shim", "static"}, talos...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, tt.options)
			if tt.install != nil {
				install(t, cluster, *tt.install, multus.InstallOptions{})
			}
			got := inventory(t, cluster.Client())
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, got.Plugins); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			told := slices.ContainsFunc(got.Unseen, func(f multihome.Finding) bool { return strings.Contains(f.String(), tt.unseen) })
			if tt.unseen != "" && !told {
				t.Errorf("%q is not told: %v", tt.unseen, got.Unseen)
			}
		})
	}
}

// TestInventoryPermissions: without any one permission the rest is there, and
// what is missing is named, also by LintCluster.
func TestInventoryPermissions(t *testing.T) {
	cluster := inventoried(t, multustest.Options{})
	all := summary(inventory(t, cluster.Client()))
	for _, rule := range multus.InventoryRBAC()[0].(*rbacv1.ClusterRole).Rules {
		name := rule.Resources[0]
		cluster.Forbid("list", name)
		inventoried := inventory(t, cluster.Client())
		got := summary(inventoried)
		if len(inventoried.Unseen) != 1 || !strings.Contains(got["unseen"][0], "no permission to list "+name) {
			t.Errorf("without %s: unseen %v", name, got["unseen"])
		}
		if missing := len(all) - len(got); missing > 3 || cmp.Equal(all, got) {
			t.Errorf("without %s: got %v", name, got)
		}
		if findings := nad.LintCluster(inventoried); len(findings) == 0 || findings[0].Code != "multus/unseen" {
			t.Errorf("without %s: LintCluster says %v", name, findings)
		}
		cluster.Allow("list", name)
	}
	asked := map[string]bool{}
	for _, request := range cluster.Requests() {
		asked[request.Verb+" "+request.Resource] = true
	}
	if len(asked) != 5 {
		t.Errorf("asked for %v, which is not what InventoryRBAC allows", asked)
	}
}

// TestInventoryFaults breaks each request in every way: the error names it and
// keeps the cause, and the next call is as if nothing had been.
func TestInventoryFaults(t *testing.T) {
	cluster := inventoried(t, multustest.Options{})
	want := inventory(t, cluster.Client())
	trace := cluster.Requests()
	for name, fault := range map[string]func() error{
		"timeout": multustest.Timeout, "429": multustest.TooManyRequests, "500": multustest.ServerError,
		"connection reset": multustest.ConnectionReset, "expired": multustest.Expired,
		"cancelled": func() error { return context.Canceled },
	} {
		for index, request := range trace {
			cluster.ResetRequests()
			cause := fault()
			cluster.Fail(func(n int, _ multustest.Request) error {
				if n == index {
					return cause
				}
				return nil
			})
			_, err := multus.Inventory(t.Context(), cluster.Client())
			cluster.Fail(nil)
			if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "list "+strings.ToLower(request.Kind)+"s: ") {
				t.Errorf("%s of %s: got %v", name, request, err)
			}
			if diff := cmp.Diff(want, inventory(t, cluster.Client())); diff != "" {
				t.Errorf("after %s of %s (-want +got):\n%s", name, request, diff)
			}
		}
	}
}

// TestInventoryPages: NADs come in pages, and a list that begins again brings
// each once.
func TestInventoryPages(t *testing.T) {
	var objects []client.Object
	for n := range 1201 {
		objects = append(objects, &netattdefv1.NetworkAttachmentDefinition{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("lan-%04d", n)}})
	}
	cluster := simulate(t, multustest.Options{Objects: objects})
	pages, expired := 0, false
	reader := interceptor.NewClient(cluster.Client(), interceptor.Funcs{
		List: func(ctx context.Context, inner client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if o := (&client.ListOptions{}).ApplyOptions(options); o.Continue != "" && !expired {
				expired = true
				return apierrors.NewResourceExpired("too old")
			} else if o.Limit != 500 {
				t.Errorf("a page of %d", o.Limit)
			}
			pages++
			return inner.List(ctx, list, options...)
		},
	})
	got := inventory(t, reader)
	if len(got.Definitions) != 1201 || got.Definitions[1200].Name != "lan-1200" || pages != 4+4 {
		t.Errorf("%d networks of %d pages", len(got.Definitions), pages)
	}
}

// TestInventoryOldKubernetes: before Kubernetes 1.33 the API does not tell the
// networks of services.
func TestInventoryOldKubernetes(t *testing.T) {
	reader := interceptor.NewClient(simulate(t, multustest.Options{}).Client(), interceptor.Funcs{
		List: func(ctx context.Context, inner client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if kind := list.GetObjectKind().GroupVersionKind(); kind.Group == "networking.k8s.io" {
				return &meta.NoKindMatchError{GroupKind: kind.GroupKind(), SearchedVersions: []string{"v1"}}
			}
			return inner.List(ctx, list, options...)
		},
	})
	got := inventory(t, reader)
	if len(got.Unseen) != 1 || !strings.Contains(got.Unseen[0].Message, "the networks of services") || len(got.Ranges) != 1 {
		t.Errorf("ranges %v, unseen %v", got.Ranges, got.Unseen)
	}
}
