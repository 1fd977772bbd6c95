package multus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// ownImage is an image of the default release for one architecture.
const ownImage = "registry.example.com/multus-cni:v4.3.0-thick"

// archs is a Config with images of their own for architectures.
func archs(images map[string]string) multus.Config {
	config := onFlannel
	config.ArchImages = images
	return config
}

// TestArchImagesAcrossInstalls: whatever ArchImages say, one after the other,
// every node runs one Multus, its own, and all of them are one to Status.
func TestArchImagesAcrossInstalls(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{
		{Name: "a"}, {Name: "b", Architecture: "arm64"}, {Name: "c", Architecture: "arm"},
	}})
	official := "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"
	another := "registry.example.com/another:v4.3.0-thick"
	steps := []struct {
		name    string
		images  map[string]string
		removed []string          // architectures
		want    map[string]string // image by node
	}{
		{"none", nil, nil, map[string]string{"a": official, "b": official, "c": official}},
		{"added", map[string]string{"arm64": ownImage}, nil, map[string]string{"a": official, "b": ownImage, "c": official}},
		{"changed", map[string]string{"arm64": another}, nil, map[string]string{"a": official, "b": another, "c": official}},
		{"one more", map[string]string{"arm64": another, "arm": ownImage}, nil, map[string]string{"a": official, "b": another, "c": ownImage}},
		{"the one whose name begins another's removed", map[string]string{"arm64": another}, []string{"arm"}, map[string]string{"a": official, "b": another, "c": official}},
		{"another in its place", map[string]string{"amd64": ownImage}, []string{"arm64"}, map[string]string{"a": ownImage, "b": official, "c": official}},
		{"none again", nil, []string{"amd64"}, map[string]string{"a": official, "b": official, "c": official}},
	}
	for _, step := range steps {
		config := archs(step.images)
		var want []string
		for _, arch := range step.removed {
			want = append(want, "DaemonSet kube-system/kube-multus-ds-"+arch+" removed")
		}
		if got := removed(planOf(t, cluster, config).Changes); !slices.Equal(got, want) {
			t.Errorf("%s: plan removes %q, want %q", step.name, got, want)
		}
		if len(want) > 0 {
			if status := statusOf(t, cluster, config); !slices.Equal(removed(status.Drift), want) || status.Healthy() {
				t.Errorf("%s: status before: %s", step.name, status)
			}
		}
		result := install(t, cluster, config, multus.InstallOptions{})
		if got := removed(result.Changes); !slices.Equal(got, want) {
			t.Errorf("%s: install removed %q, want %q", step.name, got, want)
		}
		mustBeHealthy(t, cluster, config)
		if diff := cmp.Diff(step.want, imagesByNode(t, cluster)); diff != "" {
			t.Errorf("%s: images by node (-want +got):\n%s", step.name, diff)
		}
	}
}

func removed(changes []multus.Change) []string {
	return slices.DeleteFunc(actions(changes), func(s string) bool { return !strings.HasSuffix(s, " removed") })
}

// imagesByNode reads what Multus each node runs. A node with two fails the test.
func imagesByNode(t *testing.T, cluster *multustest.Cluster) map[string]string {
	t.Helper()
	pods := &corev1.PodList{}
	if err := cluster.Client().List(t.Context(), pods, client.MatchingLabels{"app": "multus"}); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, pod := range pods.Items {
		if other, twice := out[pod.Spec.NodeName]; twice {
			t.Errorf("node %s runs %s and %s", pod.Spec.NodeName, other, pod.Spec.Containers[0].Image)
		}
		out[pod.Spec.NodeName] = pod.Spec.Containers[0].Image
	}
	return out
}

// TestArchImagesUpgrade: an upgrade takes the DaemonSet of an architecture
// along, and an audit and an uninstall know it.
func TestArchImagesUpgrade(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{{Name: "a"}, {Name: "b", Architecture: "arm64"}}})
	old := archs(map[string]string{"arm64": "registry.example.com/multus-cni:v4.2.4-thick"})
	old.Version = "v4.2.4"
	install(t, cluster, old, multus.InstallOptions{})
	config := archs(map[string]string{"arm64": ownImage})
	install(t, cluster, config, multus.InstallOptions{})
	mustBeHealthy(t, cluster, config)
	status := statusOf(t, cluster, config)
	if status.Version != "v4.3.0" || status.Rollout.Desired != 2 || len(status.Rollout.Nodes) != 2 || len(status.Images) != 3 { // the plugins too
		t.Errorf("status %+v", status)
	}
	uninstall(t, cluster, config, multus.UninstallOptions{})
	if diff := cmp.Diff([]string{crdOnly}, traces(t, cluster, config)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestRetireOursAlone: a DaemonSet of that name which we did not make is
// another Multus, and stays.
func TestRetireOursAlone(t *testing.T) {
	bundle, err := multus.Render(archs(map[string]string{"arm64": ownImage}))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*appsv1.DaemonSet)
		owner  string
		object string
	}{
		{"somebody else's", func(*appsv1.DaemonSet) {}, "kubectl", "DaemonSet kube-system/kube-multus-ds-arm64"},
		{"of no architecture", func(ds *appsv1.DaemonSet) { ds.Name = "kube-multus-ds-blue" }, multus.FieldManager, "DaemonSet kube-system/kube-multus-ds-blue"},
		{"in another namespace", func(ds *appsv1.DaemonSet) { ds.Namespace = "default" }, multus.FieldManager, "DaemonSet default/kube-multus-ds-arm64"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
			ds := bundle.DaemonSets[1].DeepCopy()
			test.change(ds)
			if err := cluster.Client().Create(t.Context(), ds, client.FieldOwner(test.owner)); err != nil {
				t.Fatal(err)
			}
			_, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{})
			var refused *multus.PreflightError
			if !errors.As(err, &refused) || refused.Findings[0].Code != "multus/other-multus" || refused.Findings[0].Object != test.object {
				t.Errorf("error %v, want another Multus %s", err, test.object)
			}
		})
	}
}

// TestRetireForbidden: a client that may not delete is told by Plan and by
// Install, and nothing is half done.
func TestRetireForbidden(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{{Name: "a"}, {Name: "b", Architecture: "arm64"}}})
	config := archs(map[string]string{"arm64": ownImage})
	install(t, cluster, config, multus.InstallOptions{})
	cluster.Forbid("delete", "daemonsets")
	plan := planOf(t, cluster, onFlannel)
	if want := "the client may not delete daemonsets.apps kube-multus-ds-arm64 in namespace kube-system"; len(plan.Findings) == 0 || plan.Findings[len(plan.Findings)-1].Message != want {
		t.Errorf("findings %v, want %q", plan.Findings, want)
	}
	if _, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{}); err == nil || !strings.Contains(err.Error(), "delete DaemonSet kube-system/kube-multus-ds-arm64") {
		t.Errorf("error %v, want that the deletion is forbidden", err)
	}
	mustBeHealthy(t, cluster, config)
	cluster.Allow("delete", "daemonsets")
	install(t, cluster, onFlannel, multus.InstallOptions{})
	mustBeHealthy(t, cluster, onFlannel)
}

// TestRetireWaits: the nodes are not taken while the old pods end, and an
// Install that is cut meanwhile is finished by the next.
func TestRetireWaits(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{{Name: "a"}, {Name: "b", Architecture: "arm64"}}})
	install(t, cluster, archs(map[string]string{"arm64": ownImage}), multus.InstallOptions{})
	pods := &corev1.PodList{}
	if err := cluster.Client().List(t.Context(), pods, client.MatchingLabels{"name": "multus-arm64"}); err != nil || len(pods.Items) != 1 {
		t.Fatalf("pods of arm64: %v, %v", pods.Items, err)
	}
	// One that ends slowly: its DaemonSet is gone and it is still there.
	slow := pods.Items[0].DeepCopy()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := false
	_, err := newInstaller(t, cluster.Client(), onFlannel).Install(ctx, multus.InstallOptions{Progress: func(e multus.Event) {
		if e.Type == multus.EventRemoved && !held {
			held = true
			slow.ObjectMeta = metav1.ObjectMeta{Name: slow.Name + "-slow", Namespace: slow.Namespace, Labels: slow.Labels, OwnerReferences: slow.OwnerReferences}
			slow.OwnerReferences[0].UID = "orphan"
			create(t, cluster, slow)
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	if images := archOperator(t, cluster, theDaemonSet().GetName()); images != "NotIn" {
		t.Errorf("the first DaemonSet requires %q of the architecture while a pod of the other is left", images)
	}
	if err := client.IgnoreNotFound(cluster.Client().Delete(t.Context(), slow)); err != nil {
		t.Fatal(err)
	}
	install(t, cluster, onFlannel, multus.InstallOptions{})
	mustBeHealthy(t, cluster, onFlannel)
}

// archOperator returns the operator that a DaemonSet has on architectures.
func archOperator(t *testing.T, cluster *multustest.Cluster, name string) string {
	t.Helper()
	ds := &appsv1.DaemonSet{}
	if err := cluster.Client().Get(t.Context(), client.ObjectKey{Namespace: "kube-system", Name: name}, ds); err != nil {
		t.Fatal(err)
	}
	if ds.Spec.Template.Spec.Affinity == nil {
		return ""
	}
	return string(ds.Spec.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions[0].Operator)
}
