package multus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// What an Install reads, in order.
var reads = []string{
	"list daemonsets",
	"get customresourcedefinitions network-attachment-definitions.k8s.cni.cncf.io",
	"get serviceaccounts kube-system/multus",
	"get clusterroles multus",
	"get clusterrolebindings multus",
	"get configmaps kube-system/multus-daemon-config",
}

// What an Install applies, in order.
var applies = []string{
	"apply customresourcedefinitions network-attachment-definitions.k8s.cni.cncf.io",
	"apply serviceaccounts kube-system/multus",
	"apply clusterroles multus",
	"apply clusterrolebindings multus",
	"apply configmaps kube-system/multus-daemon-config",
	"apply daemonsets kube-system/kube-multus-ds",
}

var watches = []string{"watch daemonsets in kube-system", "watch pods in kube-system"}

// firstInstall is what a first Install asks in between: one look at the CRD
// before, one after.
func firstInstall(ciliumConfig ...string) []string {
	return slices.Concat(reads[:2], ciliumConfig, applies[:5], reads[1:2], applies[5:], watches)
}

// TestInstallRequests counts every request. The numbers are promised.
func TestInstallRequests(t *testing.T) {
	onCilium := onFlannel
	onCilium.Platform.PrimaryCNI = "cilium"
	debug := onFlannel
	debug.Daemon.LogLevel = "debug"
	detect := []string{"list nodes", "get configmaps kube-system/kube-flannel-cfg"}
	change := slices.Concat(reads, []string{applies[4] + " (dry run)", applies[5] + " (dry run)"}, applies[4:], watches)
	tests := []struct {
		name   string
		before []multus.Config // installed before
		config multus.Config
		cni    string
		count  int
		want   []string
	}{
		{name: "first", config: onFlannel, count: 11, want: firstInstall()},
		{name: "first on Cilium", config: onCilium, cni: "cilium", count: 12, want: firstInstall("get configmaps kube-system/cilium-config")},
		{name: "first, detected", count: 13, want: slices.Concat(reads[:1], detect, firstInstall()[1:])},
		{name: "again", before: []multus.Config{onFlannel}, config: onFlannel, count: 6, want: reads},
		{name: "again on Cilium", before: []multus.Config{onCilium}, config: onCilium, cni: "cilium", count: 6, want: reads},
		{name: "again, detected", before: []multus.Config{onFlannel}, count: 8, want: slices.Concat(reads[:1], detect, reads[1:])},
		{name: "one change", before: []multus.Config{onFlannel}, config: debug, count: 12, want: change},
		{name: "a change back", before: []multus.Config{onFlannel, debug}, config: onFlannel, count: 12, want: change},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: threeNodes(), PrimaryCNI: tt.cni})
			for _, config := range tt.before {
				install(t, cluster, config, multus.InstallOptions{})
			}
			cluster.ResetRequests()
			install(t, cluster, tt.config, multus.InstallOptions{})
			got := requests(cluster)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if len(got) != tt.count {
				t.Errorf("%d requests, want %d", len(got), tt.count)
			}
			mustBeHealthy(t, cluster, tt.config)
		})
	}
}

// TestInstallRequestsAndNodes: nodes cost requests only where the platform is
// detected, one for each 500.
func TestInstallRequestsAndNodes(t *testing.T) {
	for _, nodes := range []int{1, 300, 501} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: make([]multustest.Node, nodes)})
			result := install(t, cluster, onFlannel, multus.InstallOptions{})
			if diff := cmp.Diff(firstInstall(), requests(cluster)); diff != "" {
				t.Errorf("first install (-want +got):\n%s", diff)
			}
			if got := result.Rollout; got.Ready != nodes || len(got.Nodes) != nodes {
				t.Errorf("%d ready and %d told, want %d", got.Ready, len(got.Nodes), nodes)
			}
			cluster.ResetRequests()
			install(t, cluster, multus.Config{}, multus.InstallOptions{})
			if got, want := len(requests(cluster)), 8+(nodes-1)/500; got != want {
				t.Errorf("install with detection takes %d requests, want %d", got, want)
			}
		})
	}
}

func TestInstallResult(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	var events []string
	result := install(t, cluster, multus.Config{}, multus.InstallOptions{Progress: func(e multus.Event) { events = append(events, e.String()) }})
	created := []string{
		"CustomResourceDefinition network-attachment-definitions.k8s.cni.cncf.io created", "ServiceAccount kube-system/multus created",
		"ClusterRole multus created", "ClusterRoleBinding multus created",
		"ConfigMap kube-system/multus-daemon-config created", "DaemonSet kube-system/kube-multus-ds created",
	}
	want := slices.Concat([]string{"detected: Talos v1.13.9, flannel, amd64"}, created,
		[]string{"node a ready (1 of 3)", "node b ready (2 of 3)", "node c ready (3 of 3)", "done: 3 of 3 nodes ready"})
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(created, actions(result.Changes)); diff != "" || !result.Changed() {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if r := result.Rollout; !r.Complete || r.Desired != 3 || r.Updated != 3 || r.Ready != 3 || len(r.Nodes) != 3 {
		t.Errorf("rollout %+v, want 3 of 3", r)
	}
	if result.Version != multus.DefaultVersion || result.Platform.Talos != "v1.13.9" {
		t.Errorf("version %s, platform %s", result.Version, result.Platform)
	}
}

// TestInstallChangesWhatItMust: of six objects those that a setting is in.
func TestInstallChangesWhatItMust(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*multus.Config)
		want    []string // kinds
		restart bool
	}{
		{"daemon configuration", func(c *multus.Config) { c.Daemon.LogLevel = "debug" }, []string{"ConfigMap", "DaemonSet"}, true},
		{"placement", func(c *multus.Config) { c.NodeSelector = map[string]string{corev1.LabelOSStable: "linux"} }, []string{"DaemonSet"}, true},
		{"a label of the DaemonSet", func(c *multus.Config) {
			c.Patches = []multus.Patch{{Name: "team", Apply: func(b *multus.Bundle) error {
				b.DaemonSets[0].Labels["team"] = "network"
				return nil
			}}}
		}, []string{"DaemonSet"}, false},
		{"nothing", func(*multus.Config) {}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
			before := install(t, cluster, onFlannel, multus.InstallOptions{}).Rollout.Nodes
			config := onFlannel
			tt.change(&config)
			var changed []string
			for _, change := range install(t, cluster, config, multus.InstallOptions{}).Changes {
				if kind, _, _ := strings.Cut(change.Object, " "); change.Action != multus.ActionNone {
					changed = append(changed, kind)
					if len(change.Fields) == 0 {
						t.Errorf("%s: no field is named", change.Object)
					}
				}
			}
			if diff := cmp.Diff(tt.want, changed); diff != "" {
				t.Errorf("changed (-want +got):\n%s", diff)
			}
			if after := statusOf(t, cluster, config).Rollout.Nodes; tt.restart == (after[0].Pod == before[0].Pod) {
				t.Errorf("pod of node a was %s and is %s; restart wanted: %t", before[0].Pod, after[0].Pod, tt.restart)
			}
			mustBeHealthy(t, cluster, config)
		})
	}
}

// TestCRDComesFirst: no DaemonSet before its networks can be read.
func TestCRDComesFirst(t *testing.T) {
	const crd = "network-attachment-definitions.k8s.cni.cncf.io"
	taken := func(t *testing.T, cluster *multustest.Cluster) {
		object := &apiextensionsv1.CustomResourceDefinition{}
		if err := cluster.Client().Get(t.Context(), client.ObjectKey{Name: crd}, object); err != nil {
			t.Fatal(err)
		}
		object.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{
			Type: apiextensionsv1.NamesAccepted, Status: apiextensionsv1.ConditionFalse, Message: `"nad" is already in use`,
		}}
		if err := cluster.Client().Status().Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		then func(t *testing.T, cluster *multustest.Cluster)
		want string // in the error
	}{
		{name: "established late", then: func(_ *testing.T, cluster *multustest.Cluster) { cluster.EstablishCRDs() }, want: "<nil>"},
		{
			name: "never established", then: func(*testing.T, *multustest.Cluster) { time.Sleep(time.Hour) },
			want: "wait for CustomResourceDefinition " + crd + " to be established: context deadline exceeded",
		},
		{
			name: "deleted meanwhile", then: func(t *testing.T, cluster *multustest.Cluster) {
				if err := cluster.Client().Delete(t.Context(), &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: crd}}); err != nil {
					t.Error(err)
				}
			},
			want: "CustomResourceDefinition " + crd + " was deleted while it was being established",
		},
		{name: "its names are taken", then: taken, want: `"nad" is already in use; remove the other CRD`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{})
				cluster.HoldCRDs()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute-50*time.Millisecond)
				defer cancel()
				var err error
				finished := make(chan struct{})
				go func() {
					defer close(finished)
					_, err = newInstaller(t, cluster.Client(), onFlannel).Install(ctx, multus.InstallOptions{})
				}()
				time.Sleep(time.Second)
				synctest.Wait()
				if got := writes(cluster); !slices.Equal(got, applies[:5]) {
					t.Errorf("written before the CRD is established: %v", got)
				}
				tt.then(t, cluster)
				<-finished
				if got := fmt.Sprint(err); !strings.Contains(got, tt.want) {
					t.Errorf("error %s, want %q", got, tt.want)
				}
				cluster.EstablishCRDs()
				install(t, cluster, onFlannel, multus.InstallOptions{})
				mustBeHealthy(t, cluster, onFlannel)
			})
		})
	}
}

func TestInstallIntoNamespace(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	config := onFlannel
	config.Namespace = "networks"
	result := install(t, cluster, config, multus.InstallOptions{})
	if want := "Namespace networks created"; actions(result.Changes)[0] != want {
		t.Errorf("first change %q, want %q", actions(result.Changes)[0], want)
	}
	mustBeHealthy(t, cluster, config)
}

func TestInstallTwoArchitectures(t *testing.T) {
	nodes := append(threeNodes(), multustest.Node{Name: "d", Architecture: "arm64"})
	cluster := simulate(t, multustest.Options{Nodes: nodes})
	install(t, cluster, multus.Config{}, multus.InstallOptions{})
	config := multus.Config{ArchImages: map[string]string{"arm64": "registry.example.com/multus-cni:v4.3.0-thick"}}
	result := install(t, cluster, config, multus.InstallOptions{})
	if r := result.Rollout; !r.Complete || r.Desired != 4 || r.Ready != 4 || len(r.Nodes) != 4 {
		t.Errorf("rollout %+v, want 4 of 4", r)
	}
	mustBeHealthy(t, cluster, config)
}

func TestInstallWithoutWaiting(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes(), Rollout: multustest.RolloutManual})
	result := install(t, cluster, onFlannel, multus.InstallOptions{NoWait: true})
	if diff := cmp.Diff(multus.Rollout{}, result.Rollout); diff != "" {
		t.Errorf("rollout (-want +got):\n%s", diff)
	}
	if status := statusOf(t, cluster, onFlannel); status.Healthy() || status.Rollout.Ready != 0 || status.Rollout.Desired != 3 {
		t.Errorf("status %+v, want none of 3 ready", status.Rollout)
	}
}

func TestInstallOnNoNodes(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{}})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	mustBeHealthy(t, cluster, onFlannel)
}

func TestInstallersAtOnce(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	installer := newInstaller(t, cluster.Client(), onFlannel)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := installer.Install(t.Context(), multus.InstallOptions{}); err != nil {
				t.Error(err)
			}
			if _, err := installer.Status(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	mustBeHealthy(t, cluster, onFlannel)
	ds := &appsv1.DaemonSet{}
	if err := cluster.Client().Get(t.Context(), client.ObjectKey{Namespace: "kube-system", Name: "kube-multus-ds"}, ds); err != nil {
		t.Fatal(err)
	}
	if ds.Generation != 1 {
		t.Errorf("generation %d, want 1: later installs changed nothing", ds.Generation)
	}
}

func TestInstallRefusesArguments(t *testing.T) {
	cluster := simulate(t, multustest.Options{})
	if _, err := multus.NewInstaller(nil, multus.Config{}); err == nil || !strings.Contains(err.Error(), "client is nil") {
		t.Errorf("without a client: %v", err)
	}
	var invalid *field.Error
	if _, err := multus.NewInstaller(cluster.Client(), multus.Config{Version: "v5.0.0"}); !errors.As(err, &invalid) || invalid.Field != "version" {
		t.Errorf("unknown version: %v, want a field.Error", err)
	}
	_, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{Conflicts: "overwrite"})
	if err == nil || !strings.Contains(err.Error(), `conflicts: "overwrite" is none of`) || len(requests(cluster)) > 0 {
		t.Errorf("unknown policy: %v after %v", err, requests(cluster))
	}
	// What only the cluster tells can make a Config wrong.
	arm := simulate(t, multustest.Options{Nodes: []multustest.Node{{Architecture: "arm64"}}})
	_, err = newInstaller(t, arm.Client(), multus.Config{Version: "v4.0.2"}).Install(t.Context(), multus.InstallOptions{})
	if !errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), "render for platform Talos v1.13.9, flannel, arm64: archImages[arm64]: ") {
		t.Errorf("old release on arm64: %v", err)
	}
}
