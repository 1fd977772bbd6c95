package multus_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

func TestStatusNotInstalled(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, cluster *multustest.Cluster)
		want    string
	}{
		{"nothing", func(*testing.T, *multustest.Cluster) {}, "Multus is not installed\n"},
		{"leftovers", func(t *testing.T, cluster *multustest.Cluster) {
			install(t, cluster, onFlannel, multus.InstallOptions{})
			if err := cluster.Client().Delete(t.Context(), theDaemonSet()); err != nil {
				t.Fatal(err)
			}
		}, "Multus is not installed\n"},
		{"another one", func(t *testing.T, cluster *multustest.Cluster) {
			config := onFlannel
			config.Namespace = "elsewhere"
			install(t, cluster, config, multus.InstallOptions{})
		}, "Multus is not installed\nerror multus/other-multus: DaemonSet elsewhere/kube-multus-ds: another Multus (thick v4.3.0 by multihome) runs here;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
			tt.prepare(t, cluster)
			status := statusOf(t, cluster, onFlannel)
			if status.Installed || status.Healthy() || !strings.HasPrefix(status.String(), tt.want) {
				t.Errorf("installed %t, healthy %t: %s, want %s", status.Installed, status.Healthy(), status, tt.want)
			}
		})
	}
}

// TestStatusOfUpstream: what many clusters run, applied with kubectl as
// upstream says, is known trouble on Talos.
func TestStatusOfUpstream(t *testing.T) {
	const containers, volumes = "spec.template.spec.containers", "spec.template.spec.volumes"
	tests := []struct {
		name  string
		talos string
		cni   string
		want  []string
	}{
		{"Talos 1.9", "v1.9.6", "flannel", []string{
			"multus/moving-image " + containers + "[name=install-multus-binary].image",
			"multus/moving-image " + containers + "[name=kube-multus].image",
			"multus/low-memory " + containers + "[name=kube-multus].resources.limits.memory",
			"multus/netns " + volumes + "[name=host-run-netns].hostPath.path",
		}},
		{"Talos 1.13", "v1.13.9", "calico", []string{
			"multus/moving-image " + containers + "[name=install-multus-binary].image",
			"multus/no-memory-limit " + containers + "[name=install-multus-binary].resources.limits.memory",
			"multus/moving-image " + containers + "[name=kube-multus].image",
			"multus/low-memory " + containers + "[name=kube-multus].resources.limits.memory",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{{Talos: tt.talos}}, PrimaryCNI: tt.cni})
			kubectl.write(t, cluster, manifestObjects(t, asUpstream("v4.2.4"))...)
			status := statusOf(t, cluster, multus.Config{})
			if !status.Installed || status.Healthy() || !status.Rollout.Complete || status.Version != "" {
				t.Errorf("status %+v, want installed, complete, not healthy, no version", status)
			}
			if want := []string{"kubectl-client-side-apply"}; !slices.Equal(status.Owners, want) {
				t.Errorf("owners %v, want %v", status.Owners, want)
			}
			var got []string
			for _, f := range status.Findings {
				got = append(got, f.Code+" "+f.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			var drifted []string
			for _, change := range status.Drift {
				drifted = append(drifted, change.Object)
			}
			if !slices.Contains(drifted, "DaemonSet kube-system/kube-multus-ds") {
				t.Errorf("drift of %v, want the DaemonSet among them", drifted)
			}
		})
	}
}

// TestStatusLeak: an address leaks where release and primary CNI are both such.
func TestStatusLeak(t *testing.T) {
	tests := []struct {
		version, cni string
		want         bool
	}{
		{"v4.2.0", "calico", false},
		{"v4.2.1", "calico", true},
		{"v4.3.0", "calico", true},
		{"v4.3.0", "cilium", false},
	}
	for _, tt := range tests {
		t.Run(tt.version+" "+tt.cni, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{PrimaryCNI: tt.cni})
			config := multus.Config{Version: tt.version}
			install(t, cluster, config, multus.InstallOptions{})
			status := statusOf(t, cluster, config)
			if got := slices.Contains(codes(status.Findings), "multus/ip-leak"); got != tt.want || !status.Healthy() {
				t.Errorf("healthy %t, findings %v, want a leak: %t", status.Healthy(), status.Findings, tt.want)
			}
		})
	}
}

// TestStatusDrift names what others have changed, field by field, and nothing
// that is theirs to add.
func TestStatusDrift(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	if got := statusOf(t, cluster, onFlannel); len(got.Drift) > 0 || !got.Healthy() {
		t.Fatalf("drift right after the install: %s", got)
	}
	patch(t, cluster, "kubectl-edit", theDaemonSet(), `{"metadata":{"labels":{"team":"a"}},"spec":{"template":{"spec":{"priorityClassName":"high","containers":[
		{"name":"kube-multus","resources":{"limits":{"memory":"64Mi"}}}]}}}}`)
	patch(t, cluster, "kubectl-edit", theConfigMap(), `{"data":{"daemon-config.json":"{}","other":"1"}}`)
	if err := cluster.Client().Delete(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "multus"}}); err != nil {
		t.Fatal(err)
	}
	status := statusOf(t, cluster, onFlannel)
	for _, change := range status.Drift {
		for n := range change.Fields {
			if change.Fields[n].Path == "data.daemon-config.json" {
				change.Fields[n].To = "" // the whole configuration
			}
		}
	}
	want := []multus.Change{
		{Object: "ConfigMap kube-system/multus-daemon-config", Action: multus.ActionUpdate, Fields: []multus.FieldChange{
			{Path: "data.daemon-config.json", From: `"{}"`},
		}},
		{Object: "DaemonSet kube-system/kube-multus-ds", Action: multus.ActionUpdate, Fields: []multus.FieldChange{
			{Path: limitPath, From: `"64Mi"`, To: `"1Gi"`},
			{Path: "spec.template.spec.priorityClassName", From: `"high"`, To: `"system-node-critical"`},
		}},
		{Object: "ClusterRole multus", Action: multus.ActionCreate},
	}
	if diff := cmp.Diff(want, status.Drift); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if want := []string{multus.FieldManager, "kubectl-edit"}; !slices.Equal(status.Owners, want) || status.Healthy() {
		t.Errorf("healthy %t, owners %v, want %v", status.Healthy(), status.Owners, want)
	}
	install(t, cluster, onFlannel, multus.InstallOptions{Conflicts: multus.ConflictForce})
	mustBeHealthy(t, cluster, onFlannel)
}

// TestStatusRollout tells of each node, and only of Multus' pods in its
// namespace.
func TestStatusRollout(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes(), Rollout: multustest.RolloutManual})
	install(t, cluster, withVersion("v4.2.4"), multus.InstallOptions{NoWait: true})
	for _, ok := cluster.Step(); ok; {
		_, ok = cluster.Step()
	}
	install(t, cluster, onFlannel, multus.InstallOptions{NoWait: true})
	cluster.SetFault("b", multustest.FaultCrashLoop)
	for range 2 {
		cluster.Step()
	}
	cluster.ResetRequests()
	status := statusOf(t, cluster, onFlannel)
	for n := range status.Rollout.Nodes {
		status.Rollout.Nodes[n].Pod = ""
		if node := &status.Rollout.Nodes[n]; node.Node == "b" && node.Problem != nil && node.Problem.Code == "multus/crash" {
			node.Problem = nil
		}
	}
	want := multus.Rollout{Desired: 3, Updated: 2, Ready: 1, Nodes: []multus.NodeStatus{
		{Node: "a", Updated: true, Ready: true}, {Node: "b", Updated: true}, {Node: "c", Ready: true},
	}}
	if diff := cmp.Diff(want, status.Rollout); diff != "" {
		t.Errorf("rollout (-want +got):\n%s", diff)
	}
	if want := append(slices.Clone(reads), "list pods in kube-system"); !slices.Equal(requests(cluster), want) {
		t.Errorf("requests %v, want %v", requests(cluster), want)
	}
	if !strings.HasPrefix(status.String(), "Multus v4.3.0 by multihome: 1 of 3 nodes ready\nerror multus/crash: Node b container kube-multus: exits with code 2") {
		t.Errorf("status says: %s", status)
	}
}

// TestStatusNeedsNoWrites: a program that only looks may be allowed only that.
func TestStatusNeedsNoWrites(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	install(t, cluster, multus.Config{}, multus.InstallOptions{})
	for _, verb := range []string{"create", "patch", "update", "delete", "watch"} {
		cluster.Forbid(verb, "*")
	}
	if status := statusOf(t, cluster, multus.Config{}); !status.Healthy() {
		t.Errorf("status of one who may only read: %s", status)
	}
}

// TestStatusNodeDown: a pod that is not ready because its node is gone has the
// node named for it, by one request, and none is asked for where pods say why.
func TestStatusNodeDown(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	cluster.SetFault("b", multustest.FaultNodeDown)
	if err := cluster.Roll("b"); err != nil {
		t.Fatal(err)
	}
	cluster.ResetRequests()
	status := statusOf(t, cluster, onFlannel)
	want := "error multus/node-down: Node b: the node's kubelet is not heard of, so that nothing is known of Multus there"
	if status.Healthy() || !strings.Contains(status.String(), want) {
		t.Errorf("healthy %t: %s, want %s in it", status.Healthy(), status, want)
	}
	if want := append(slices.Clone(reads), "list pods in kube-system", "list nodes"); !slices.Equal(requests(cluster), want) {
		t.Errorf("requests %v, want %v", requests(cluster), want)
	}
	cluster.Forbid("list", "nodes")
	if status := statusOf(t, cluster, onFlannel); status.Healthy() || strings.Contains(status.String(), "node-down") {
		t.Errorf("status of one who may not list nodes: %s", status)
	}
	cluster.Allow("list", "nodes")
	cluster.SetFault("b", multustest.FaultNone)
	mustBeHealthy(t, cluster, onFlannel)
}

// TestStatusTellsThePast: a daemon that was killed for lack of memory runs
// again, and nothing has changed that would keep it from being killed again.
func TestStatusTellsThePast(t *testing.T) {
	cluster := simulate(t, multustest.Options{})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	pods := &corev1.PodList{}
	if err := cluster.Client().List(t.Context(), pods, client.InNamespace("kube-system"), client.MatchingLabels{"app": "multus"}); err != nil {
		t.Fatal(err)
	}
	container := &pods.Items[0].Status.ContainerStatuses[0]
	container.RestartCount = 3
	container.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
		ExitCode: 137, Reason: "OOMKilled", FinishedAt: metav1.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	if err := cluster.Client().Status().Update(t.Context(), &pods.Items[0]); err != nil {
		t.Fatal(err)
	}
	status := statusOf(t, cluster, onFlannel)
	want := "warning multus/oom: Node node-1 container kube-multus: runs, and was killed for lack of memory: CNI plugins run in the daemon's memory limit; restarts: 3, the last for this at 2026-01-02T03:04:05Z"
	if !status.Healthy() || !strings.Contains(status.String(), want) {
		t.Errorf("healthy %t: %s, want %s in it", status.Healthy(), status, want)
	}
}
