package multus_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// uninstall ends the test unless it succeeds, and returns its events.
func uninstall(tb testing.TB, cluster *multustest.Cluster, config multus.Config, options multus.UninstallOptions) []string {
	tb.Helper()
	events, err := tryUninstall(tb.Context(), tb, cluster, config, options)
	if err != nil {
		tb.Fatal(err)
	}
	return events
}

func tryUninstall(ctx context.Context, tb testing.TB, cluster *multustest.Cluster, config multus.Config, options multus.UninstallOptions) (events []string, err error) {
	tb.Helper()
	options.Progress = func(e multus.Event) { events = append(events, e.String()) }
	err = newInstaller(tb, cluster.Client(), config).Uninstall(ctx, options)
	return events, err
}

// traces lists what is left of an installation, and the cleaner.
func traces(tb testing.TB, cluster *multustest.Cluster, config multus.Config) []string {
	tb.Helper()
	out := slices.Sorted(maps.Keys(live(tb, cluster, config)))
	sets := &appsv1.DaemonSetList{}
	if err := cluster.Client().List(context.Background(), sets, client.MatchingLabels{"app": "multus-cleaner"}); err != nil {
		tb.Fatal(err)
	}
	for _, set := range sets.Items {
		out = append(out, set.Name)
	}
	return out
}

// aNAD and aUser are a network and a pod that has it.
func aNAD() *netattdefv1.NetworkAttachmentDefinition {
	return &netattdefv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "lan"},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: `{"cniVersion":"0.3.1","type":"bridge","bridge":"br0"}`},
	}
}

func aUser(name string, annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Annotations: annotations},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
}

func create(tb testing.TB, cluster *multustest.Cluster, objects ...client.Object) {
	tb.Helper()
	for _, object := range objects {
		if err := cluster.Client().Create(tb.Context(), object); err != nil {
			tb.Fatal(err)
		}
	}
}

const crdOnly = "CustomResourceDefinition"

func TestUninstall(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	create(t, cluster, aNAD(), aUser("plain", nil))
	cluster.ResetRequests()
	events := uninstall(t, cluster, onFlannel, multus.UninstallOptions{})
	want := []string{
		"DaemonSet kube-system/kube-multus-ds removed",
		"DaemonSet kube-system/kube-multus-cleaner created",
		"node a clean (1 of 3)", "node b clean (2 of 3)", "node c clean (3 of 3)",
		"DaemonSet kube-system/kube-multus-cleaner removed",
		"ConfigMap kube-system/multus-daemon-config removed",
		"ClusterRoleBinding multus removed",
		"ClusterRole multus removed",
		"ServiceAccount kube-system/multus removed",
		"done: Multus is removed",
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{crdOnly}, traces(t, cluster, onFlannel)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if err := cluster.Client().Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "lan"}, aNAD()); err != nil {
		t.Errorf("the NAD: %v", err)
	}
	t.Logf("%d requests: %v", len(cluster.Requests()), requests(cluster))

	install(t, cluster, onFlannel, multus.InstallOptions{})
	mustBeHealthy(t, cluster, onFlannel)
}

// TestUninstallEveryRelease: none leaves an object behind.
func TestUninstallEveryRelease(t *testing.T) {
	for _, version := range multus.Versions() {
		for _, namespace := range []string{"", "networks"} {
			cluster := simulate(t, multustest.Options{})
			config := withVersion(version)
			config.Namespace = namespace
			install(t, cluster, config, multus.InstallOptions{})
			uninstall(t, cluster, config, multus.UninstallOptions{RemoveCRD: true})
			var want []string
			if namespace != "" {
				want = []string{"Namespace"}
			}
			if diff := cmp.Diff(want, traces(t, cluster, config)); diff != "" {
				t.Errorf("%s in %q: left (-want +got):\n%s", version, namespace, diff)
			}
		}
	}
}

// TestUninstallRefuses: nothing is touched while something stands against it,
// and what is ignored is done.
func TestUninstallRefuses(t *testing.T) {
	installed := func(t *testing.T, cluster *multustest.Cluster) {
		install(t, cluster, onFlannel, multus.InstallOptions{})
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, cluster *multustest.Cluster)
		options multus.UninstallOptions
		want    []string // codes and objects
		left    []string // once these are ignored
	}{
		{
			name: "pods with networks",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				installed(t, cluster)
				create(t, cluster, aNAD(), aUser("wired", map[string]string{"k8s.v1.cni.cncf.io/networks": "lan"}),
					aUser("rewired", map[string]string{"v1.multus-cni.io/default-network": "default/lan"}),
					aUser("plain", map[string]string{"k8s.v1.cni.cncf.io/networks": " ", "k8s.v1.cni.cncf.io/network-status": `[{"name":"cbr0","default":true}]`}))
				byDefault := aUser("wired-by-default", nil)
				create(t, cluster, byDefault)
				patch(t, cluster, "multus", byDefault, `{"metadata":{"annotations":{"k8s.v1.cni.cncf.io/network-status":"[{\"name\":\"cbr0\",\"default\":true},{\"name\":\"default/lan\"}]"}}}`)
				onHost := aUser("on-host", map[string]string{"k8s.v1.cni.cncf.io/networks": "lan"})
				onHost.Namespace, onHost.Spec.HostNetwork = "kube-system", true
				create(t, cluster, onHost)
				ended := aUser("ended", map[string]string{"k8s.v1.cni.cncf.io/networks": "lan"})
				create(t, cluster, ended)
				end := client.RawPatch(types.MergePatchType, []byte(`{"status":{"phase":"Succeeded"}}`))
				if err := cluster.Client().Status().Patch(t.Context(), ended, end); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{
				"multus/networks-in-use Pod default/rewired", "multus/networks-in-use Pod default/wired", "multus/networks-in-use Pod default/wired-by-default",
			},
			left: []string{crdOnly},
		},
		{
			name: "kubectl",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				kubectl.write(t, cluster, manifestObjects(t, onFlannel)...)
			},
			want: []string{
				"multus/installed-by-other DaemonSet kube-system/kube-multus-ds", "multus/installed-by-other ServiceAccount kube-system/multus",
				"multus/installed-by-other ClusterRole multus", "multus/installed-by-other ClusterRoleBinding multus",
				"multus/installed-by-other ConfigMap kube-system/multus-daemon-config",
			},
			left: []string{crdOnly},
		},
		{
			name: "Talos",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				installed(t, cluster)
				patch(t, cluster, "talos", theDaemonSet(), `{"metadata":{"annotations":{"config.k8s.io/owning-inventory":"talos-bootstrap-manifests-inventory"}}}`)
			},
			want: []string{"multus/kept-by-other DaemonSet kube-system/kube-multus-ds"},
			left: []string{crdOnly},
		},
		{
			name: "another Multus",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				other := onFlannel
				other.Namespace = "networks"
				install(t, cluster, other, multus.InstallOptions{})
			},
			want: []string{"multus/other-multus DaemonSet networks/kube-multus-ds"},
			left: []string{crdOnly},
		},
		{
			name: "NADs that go with the CRD",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				installed(t, cluster)
				create(t, cluster, aNAD())
			},
			options: multus.UninstallOptions{RemoveCRD: true},
			want:    []string{"multus/nads-left CustomResourceDefinition network-attachment-definitions.k8s.cni.cncf.io"},
		},
		{
			name: "no permission",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				installed(t, cluster)
				cluster.Forbid("delete", "clusterroles")
			},
			want: []string{"multus/permission "},
		},
		{
			name: "DaemonSets not to be seen",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				installed(t, cluster)
				cluster.Forbid("list", "daemonsets")
			},
			options: multus.UninstallOptions{Ignore: []string{"multus/permission"}},
			want:    []string{"multus/unseen "},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
			tt.prepare(t, cluster)
			cluster.ResetRequests()
			_, err := tryUninstall(t.Context(), t, cluster, onFlannel, tt.options)
			var refused *multus.PreflightError
			if !errors.As(err, &refused) {
				t.Fatalf("error %v, want a *PreflightError", err)
			}
			var got []string
			for _, f := range refused.Findings {
				got = append(got, f.Code+" "+f.Object)
				tt.options.Ignore = append(tt.options.Ignore, f.Code)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if sent := slices.DeleteFunc(writes(cluster), func(r string) bool { return strings.Contains(r, "SelfSubjectAccessReview") }); len(sent) > 0 {
				t.Errorf("it wrote: %v", sent)
			}
			if tt.left == nil {
				return
			}
			uninstall(t, cluster, onFlannel, tt.options)
			if diff := cmp.Diff(tt.left, traces(t, cluster, onFlannel)); diff != "" {
				t.Errorf("ignored: left (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUninstallRemovesNADs: by explicit word.
func TestUninstallRemovesNADs(t *testing.T) {
	cluster := simulate(t, multustest.Options{})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	create(t, cluster, aNAD())
	uninstall(t, cluster, onFlannel, multus.UninstallOptions{RemoveCRD: true, RemoveNADs: true})
	if left := traces(t, cluster, onFlannel); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestUninstallNADsAppear: a NAD that is made meanwhile keeps the CRD.
func TestUninstallNADsAppear(t *testing.T) {
	cluster := simulate(t, multustest.Options{})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	err := newInstaller(t, cluster.Client(), onFlannel).Uninstall(t.Context(), multus.UninstallOptions{
		RemoveCRD: true,
		Progress: func(e multus.Event) {
			if e.Object == "ConfigMap kube-system/multus-daemon-config" {
				create(t, cluster, aNAD())
			}
		},
	})
	if err == nil || !strings.Contains(err.Error(), "default/lan among them") {
		t.Errorf("error %v, want one that names the NAD", err)
	}
	if diff := cmp.Diff([]string{crdOnly}, traces(t, cluster, onFlannel)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestUninstallNodesDown: they are named, the cleaner waits for them, and the
// next call finishes whether they come back or are deleted.
func TestUninstallNodesDown(t *testing.T) {
	for _, c := range clients {
		for _, comesBack := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
					install(t, cluster, onFlannel, multus.InstallOptions{})
					cluster.SetFault("b", multustest.FaultNodeDown)
					installer := newInstaller(t, c.of(cluster), onFlannel)
					err := installer.Uninstall(t.Context(), multus.UninstallOptions{})
					var unclean *multus.UninstallError
					if !errors.Is(err, multus.ErrNodesDown) || !errors.As(err, &unclean) {
						t.Fatalf("error %v, want ErrNodesDown in an *UninstallError", err)
					}
					if len(unclean.Nodes) != 1 || unclean.Nodes[0].Node != "b" || !strings.Contains(err.Error(), "not clean: b: nodes are down") {
						t.Errorf("error %v", err)
					}
					plan := planOf(t, cluster, onFlannel)
					if !slices.Contains(codes(plan.Findings), "multus/uninstall-unfinished") {
						t.Errorf("an install would not be refused: %v", plan.Findings)
					}
					if comesBack {
						cluster.SetFault("b", multustest.FaultNone)
					} else if err := cluster.Client().Delete(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b"}}); err != nil {
						t.Fatal(err)
					}
					if err := installer.Uninstall(t.Context(), multus.UninstallOptions{}); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff([]string{crdOnly}, traces(t, cluster, onFlannel)); diff != "" {
						t.Errorf("left (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// TestUninstallStuck: a node that is up and cannot be cleaned is waited for,
// with its reason.
func TestUninstallStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
		install(t, cluster, onFlannel, multus.InstallOptions{})
		cluster.SetFault("a", multustest.FaultNodeDown)
		cluster.SetFault("b", multustest.FaultImagePull)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		events, err := tryUninstall(ctx, t, cluster, onFlannel, multus.UninstallOptions{Image: "registry.example.com/tools:1"})
		var unclean *multus.UninstallError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &unclean) || len(unclean.Nodes) != 2 {
			t.Fatalf("error %v", err)
		}
		if problem := unclean.Nodes[1].Problem; problem == nil || problem.Code != "multus/image-pull" || !strings.Contains(err.Error(), "registry.example.com/tools:1") {
			t.Errorf("node b: %v, %v", problem, err)
		}
		if !slices.Contains(events, "node c clean (1 of 3)") {
			t.Errorf("events %q", events)
		}
	})
}

// TestUninstallWithoutMultus cleans all the same: what is on the nodes cannot
// be seen from outside.
func TestUninstallWithoutMultus(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	events := uninstall(t, cluster, multus.Config{}, multus.UninstallOptions{RemoveCRD: true})
	want := []string{
		"DaemonSet kube-system/kube-multus-cleaner created", "node a clean (1 of 3)", "node b clean (2 of 3)", "node c clean (3 of 3)",
		"DaemonSet kube-system/kube-multus-cleaner removed", "done: Multus is removed",
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestUninstallArchitectures: each of the DaemonSets gets a cleaner with its
// image, also one that the Config names no more.
func TestUninstallArchitectures(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{{Name: "a"}, {Name: "b", Architecture: "arm64"}}})
	config := onFlannel
	config.ArchImages = map[string]string{"arm64": "registry.example.com/multus:v4.3.0-arm64"}
	install(t, cluster, config, multus.InstallOptions{})
	images := map[string]string{}
	err := newInstaller(t, cluster.Client(), onFlannel).Uninstall(t.Context(), multus.UninstallOptions{Progress: func(e multus.Event) {
		if e.Type != multus.EventApplied {
			return
		}
		pods := &corev1.PodList{}
		if err := cluster.Client().List(t.Context(), pods, client.MatchingLabels{"app": "multus-cleaner"}); err != nil {
			t.Error(err)
		}
		for _, pod := range pods.Items {
			images[pod.Spec.NodeName] = pod.Spec.InitContainers[0].Image
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", "b": "registry.example.com/multus:v4.3.0-arm64"}
	if diff := cmp.Diff(want, images); diff != "" {
		t.Errorf("images of the cleaner (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{crdOnly}, traces(t, cluster, config)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
