package cilium_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/multus/multustest"
)

// broken is a cluster whose Cilium is exclusive, and on which Multus was
// installed all the same. A minute has passed since.
func broken(tb testing.TB, objects ...client.Object) *multustest.Cluster {
	tb.Helper()
	cluster := withCilium(tb, true, append(objects, multusDaemonSet())...)
	time.Sleep(time.Minute) // of the bubble
	cluster.ResetRequests()
	return cluster
}

func repair(tb testing.TB, cluster *multustest.Cluster, options cilium.RepairOptions) []string {
	tb.Helper()
	steps, err := cilium.Repair(tb.Context(), cluster.Client(), options)
	if err != nil {
		tb.Fatal(err)
	}
	return lines(steps)
}

func lines(steps []cilium.Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, s.String())
	}
	return out
}

const podsLeft = "pods left: pods that started meanwhile stay without their networks; Audit of package multus names them, and recreates them with its option Recreate"

// mustBeMended ends in an error unless no node is exclusive, and agents and
// Multus have started since.
func mustBeMended(t *testing.T, cluster *multustest.Cluster, what string) {
	t.Helper()
	cluster.Fail(nil)
	config, err := cilium.Detect(t.Context(), cluster.Client())
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got := codes(config.Findings()); strings.Contains(strings.Join(got, " "), "cilium/exclusive") {
		t.Errorf("%s: %v", what, got)
	}
	for _, name := range []string{"cilium", "kube-multus-ds"} {
		ds := &appsv1.DaemonSet{}
		if err := cluster.Client().Get(t.Context(), client.ObjectKey{Namespace: "kube-system", Name: name}, ds); err != nil {
			t.Fatal(err)
		}
		if ds.Spec.Template.Annotations[cilium.RestartAnnotation] == "" || ds.Status.UpdatedNumberScheduled != 3 || ds.Status.NumberReady != 3 {
			t.Errorf("%s: %s was not restarted: %v, %+v", what, name, ds.Spec.Template.Annotations, ds.Status)
		}
	}
}

// The pods come last, when everything else is done, and again with each call.
func TestRepairRecreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := broken(t)
		lost, asked := 2, errors.New("eviction is not allowed")
		recreate := func(context.Context) (int, error) {
			mustBeMended(t, cluster, "before pods are made anew")
			n := lost
			lost = 0
			return n, asked
		}
		if _, err := cilium.Repair(t.Context(), cluster.Client(), cilium.RepairOptions{Recreate: recreate}); !errors.Is(err, asked) || !strings.HasPrefix(err.Error(), "recreate pods: ") {
			t.Errorf("got error %v, want %v with what was done", err, asked)
		}
		lost, asked = 2, nil
		for _, want := range []string{"pods changed: 2 made anew", "pods kept: none lacks its networks and can be made anew"} {
			steps := repair(t, cluster, cilium.RepairOptions{Recreate: recreate})
			if got := steps[len(steps)-1]; got != want {
				t.Errorf("last step %q, want %q", got, want)
			}
		}
	})
}

func TestRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := broken(t)
		want := []string{
			"value changed: ConfigMap kube-system/cilium-config: cni-exclusive set to false",
			"agents changed: DaemonSet kube-system/cilium: restarted",
			"multus changed: DaemonSet kube-system/kube-multus-ds: restarted",
			podsLeft,
		}
		var reported []string
		got := repair(t, cluster, cilium.RepairOptions{Progress: func(s cilium.Step) { reported = append(reported, s.String()) }})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, reported); diff != "" {
			t.Errorf("reported (-want +got):\n%s", diff)
		}
		wantWrites := []string{"patch configmaps kube-system/cilium-config", "patch daemonsets kube-system/cilium", "patch daemonsets kube-system/kube-multus-ds"}
		if diff := cmp.Diff(wantWrites, writes(cluster)); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		mustBeMended(t, cluster, "repair")

		// Another call restarts nothing, now and later.
		for range 2 {
			cluster.ResetRequests()
			want = []string{
				"value kept: ConfigMap kube-system/cilium-config: cni-exclusive is not true",
				"agents kept: DaemonSet kube-system/cilium: restarted before for this change",
				"multus kept: DaemonSet kube-system/kube-multus-ds: restarted before for this change",
				podsLeft,
			}
			if diff := cmp.Diff(want, repair(t, cluster, cilium.RepairOptions{})); diff != "" || len(writes(cluster)) > 0 {
				t.Errorf("again: writes %v, steps (-want +got):\n%s", writes(cluster), diff)
			}
			time.Sleep(time.Hour)
		}

		// Exclusive once more, everything has to start once more.
		setExclusive(t, cluster, "true")
		time.Sleep(time.Minute)
		if got := repair(t, cluster, cilium.RepairOptions{}); !strings.HasPrefix(got[0], "value changed") || !strings.HasPrefix(got[1], "agents changed") || !strings.HasPrefix(got[2], "multus changed") {
			t.Errorf("exclusive again: %v", got)
		}
	})
}

// setExclusive writes the value as somebody with kubectl.
func setExclusive(t *testing.T, cluster *multustest.Cluster, value string) {
	t.Helper()
	data := client.RawPatch(types.MergePatchType, []byte(`{"data":{"cni-exclusive":"`+value+`"}}`))
	if err := cluster.Client().Patch(t.Context(), ciliumConfig("kube-system", nil), data, client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
}

// tracked is a cluster whose objects somebody created as the API server sees
// it, so that managedFields tell who changed what and when.
func tracked(t *testing.T, value string) *multustest.Cluster {
	t.Helper()
	cluster := withoutCNI(t)
	for _, object := range []client.Object{
		ciliumConfig("kube-system", with(byHelm, "cni-exclusive", value)), agents("kube-system", "cilium", "quay.io/cilium/cilium:v1.20.2", nil), multusDaemonSet(),
	} {
		create(t, cluster, object)
		time.Sleep(time.Minute)
	}
	cluster.ResetRequests()
	return cluster
}

// TestRepairAfterHelm: Helm has set the value, and nobody restarted anything.
func TestRepairAfterHelm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := tracked(t, "true")
		setExclusive(t, cluster, "false")
		time.Sleep(time.Minute)
		want := []string{
			"value kept: ConfigMap kube-system/cilium-config: cni-exclusive is not true",
			"agents changed: DaemonSet kube-system/cilium: restarted",
			"multus changed: DaemonSet kube-system/kube-multus-ds: restarted",
			podsLeft,
		}
		if diff := cmp.Diff(want, repair(t, cluster, cilium.RepairOptions{})); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		mustBeMended(t, cluster, "after Helm")
		time.Sleep(time.Hour)
		for i, step := range repair(t, cluster, cilium.RepairOptions{})[:3] {
			if strings.Contains(step, " changed: ") {
				t.Errorf("step %d of another call: %s", i, step)
			}
		}
		setExclusive(t, cluster, "true")
		setExclusive(t, cluster, "false")
		time.Sleep(time.Minute)
		if got := repair(t, cluster, cilium.RepairOptions{}); got[1] != want[1] || got[2] != want[2] {
			t.Errorf("changed there and back: %v", got)
		}
	})
}

// TestRepairAlreadyRestarted: whoever set the value restarted the agents, as
// rollOutCiliumPods does; Multus alone is left.
func TestRepairAlreadyRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := tracked(t, "true")
		setExclusive(t, cluster, "false")
		time.Sleep(time.Minute)
		data := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"template":{"metadata":{"annotations":{"cilium.io/cilium-configmap-checksum":"x"}}}}}`))
		if err := cluster.Client().Patch(t.Context(), agents("kube-system", "cilium", "", nil), data); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		want := []string{
			"value kept: ConfigMap kube-system/cilium-config: cni-exclusive is not true",
			"agents kept: DaemonSet kube-system/cilium: all pods are newer than the change",
			"multus changed: DaemonSet kube-system/kube-multus-ds: restarted",
			podsLeft,
		}
		if diff := cmp.Diff(want, repair(t, cluster, cilium.RepairOptions{})); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
	})
}

// TestRepairHealthy: Cilium was never exclusive and Multus came after it.
func TestRepairHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := tracked(t, "false")
		want := []string{
			"value kept: ConfigMap kube-system/cilium-config: cni-exclusive is not true",
			"agents kept: DaemonSet kube-system/cilium: all pods are newer than the change",
			"multus kept: DaemonSet kube-system/kube-multus-ds: all pods are newer than the change",
			podsLeft,
		}
		if diff := cmp.Diff(want, repair(t, cluster, cilium.RepairOptions{})); diff != "" || len(writes(cluster)) > 0 {
			t.Errorf("writes %v, steps (-want +got):\n%s", writes(cluster), diff)
		}
	})
}

// TestRepairOtherMultus: without one there is nothing to restart, and one with
// other labels must be named.
func TestRepairOtherMultus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := ciliumConfig("kube-system", with(byHelm, "cni-exclusive", "false"))
		settings.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
		ds := agents("kube-system", "cilium", "quay.io/cilium/cilium:v1.20.2", nil)
		cluster := withoutCNI(t, ds, settings)
		want := []string{
			"value kept: ConfigMap kube-system/cilium-config: cni-exclusive is not true",
			"agents kept: DaemonSet kube-system/cilium: all pods are newer than the change",
			"multus kept: no DaemonSet has the label app=multus; nothing to restart",
			podsLeft,
		}
		if diff := cmp.Diff(want, repair(t, cluster, cilium.RepairOptions{})); diff != "" {
			t.Errorf("without Multus (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		other := multusDaemonSet()
		other.Name, other.Labels = "rke2-multus", nil
		create(t, cluster, other)
		want[2] = "multus kept: DaemonSet kube-system/rke2-multus: all pods are newer than the change"
		options := cilium.RepairOptions{Multus: []client.ObjectKey{client.ObjectKeyFromObject(other)}}
		if diff := cmp.Diff(want, repair(t, cluster, options)); diff != "" || len(writes(cluster)) != 1 {
			t.Errorf("with Multus: writes %v (-want +got):\n%s", writes(cluster), diff)
		}
	})
}

// TestRepairNodeConfig: the value is in a CiliumNodeConfig.
func TestRepairNodeConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := broken(t,
			nodeConfig("a", onNode("a"), map[string]any{"cni-exclusive": "true", "debug": "true"}),
			nodeConfig("b", onNode("b"), map[string]any{"cni-exclusive": "false"}),
			nodeConfig("c", onNode("c"), map[string]any{"debug": "true"}),
		)
		setExclusive(t, cluster, "false")
		got := repair(t, cluster, cilium.RepairOptions{})
		want := []string{
			"value kept: ConfigMap kube-system/cilium-config: cni-exclusive is not true",
			"value changed: CiliumNodeConfig kube-system/a: cni-exclusive set to false",
			"value kept: CiliumNodeConfig kube-system/b: cni-exclusive is not true",
		}
		if diff := cmp.Diff(want, got[:3]); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		mustBeMended(t, cluster, "node config")
		kept := nodeConfig("a", nil, nil)
		if err := cluster.Client().Get(t.Context(), client.ObjectKeyFromObject(kept), kept); err != nil {
			t.Fatal(err)
		}
		if debug, _, _ := unstructured.NestedString(kept.Object, "spec", "defaults", "debug"); debug != "true" {
			t.Errorf("its other values are gone: %v", kept.Object)
		}
	})
}

// TestRepairOwned: who writes the value is told, and nothing is changed.
func TestRepairOwned(t *testing.T) {
	managed := func(manager string) func(*corev1.ConfigMap) {
		return func(c *corev1.ConfigMap) {
			c.ManagedFields = []metav1.ManagedFieldsEntry{{
				Manager: manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1",
				FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:cni-exclusive":{}}}`),
			}}
		}
	}
	annotated := func(pairs ...string) func(*corev1.ConfigMap) {
		return func(c *corev1.ConfigMap) { c.Annotations = with(map[string]string{}, pairs...) }
	}
	labelled := func(pairs ...string) func(*corev1.ConfigMap) {
		return func(c *corev1.ConfigMap) { c.Labels = with(map[string]string{}, pairs...) }
	}
	tests := []struct {
		name string
		mark func(*corev1.ConfigMap)
		want []string
	}{
		{"Helm release", annotated("meta.helm.sh/release-name", "cilium", "meta.helm.sh/release-namespace", "net"), []string{"Helm release net/cilium"}},
		{"Helm release here", annotated("meta.helm.sh/release-name", "cilium"), []string{"Helm release kube-system/cilium"}},
		{"Helm label", labelled("app.kubernetes.io/managed-by", "Helm"), []string{"Helm"}},
		{"Helm's fields", managed("helm"), []string{"Helm"}},
		{"Argo CD", annotated("argocd.argoproj.io/tracking-id", "x"), []string{"Argo CD"}},
		{"Argo CD's label and fields", func(c *corev1.ConfigMap) {
			labelled("argocd.argoproj.io/instance", "x")(c)
			managed("argocd-controller")(c)
		}, []string{"Argo CD"}},
		{"Flux", labelled("kustomize.toolkit.fluxcd.io/name", "x"), []string{"Flux"}},
		{"Helm by Flux", func(c *corev1.ConfigMap) {
			annotated("meta.helm.sh/release-name", "cilium")(c)
			labelled("helm.toolkit.fluxcd.io/name", "x", "app.kubernetes.io/managed-by", "Helm")(c)
			managed("helm-controller")(c)
		}, []string{"Helm release kube-system/cilium", "Flux"}},
		{"Fleet", annotated("objectset.rio.cattle.io/id", "x"), []string{"Fleet"}},
		{"kapp", labelled("kapp.k14s.io/app", "1"), []string{"kapp"}},
		{"Talos", managed("talos"), []string{"Talos' inline manifests"}},
		{"kubectl", managed("kubectl-client-side-apply"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				settings := ciliumConfig("kube-system", byHelm)
				tt.mark(settings)
				cluster := withoutCNI(t, agents("kube-system", "cilium", "quay.io/cilium/cilium:v1.20.2", nil), settings,
					nodeConfig("a", onNode("a"), map[string]any{"cni-exclusive": "true"}))
				steps, err := cilium.Repair(t.Context(), cluster.Client(), cilium.RepairOptions{})
				var owned *cilium.OwnedError
				if tt.want == nil {
					if err != nil {
						t.Errorf("error %v", err)
					}
					return
				}
				if !errors.As(err, &owned) || len(steps) > 0 || len(writes(cluster)) > 0 {
					t.Fatalf("error %v, steps %v, writes %v", err, steps, writes(cluster))
				}
				if diff := cmp.Diff(map[string][]string{"ConfigMap kube-system/cilium-config": tt.want}, owned.Owners); diff != "" {
					t.Errorf("owners (-want +got):\n%s", diff)
				}
				if want := "ConfigMap kube-system/cilium-config is owned by " + strings.Join(tt.want, ", ") + ": set cni-exclusive to false there"; !strings.HasPrefix(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
				if got := repair(t, cluster, cilium.RepairOptions{TakeOver: true}); !strings.HasPrefix(got[0], "value changed") {
					t.Errorf("taken over: %v", got)
				}
			})
		})
	}
}

// interval is how often a restart is looked at.
const interval = time.Second

// TestRepairWaits: restarts are followed node by node, and end with ctx.
func TestRepairWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := simulate(t, multustest.Options{
			Nodes: threeNodes(), PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: true}, Rollout: multustest.RolloutManual,
			Objects: []client.Object{multusDaemonSet()},
		})
		for _, ok := cluster.Step(); ok; _, ok = cluster.Step() {
		}
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second+interval/2)
		defer cancel()
		_, err := cilium.Repair(ctx, cluster.Client(), cilium.RepairOptions{})
		const stuck = "wait for DaemonSet kube-system/kube-multus-ds, 0 of 3 pods are new, 3 are ready: context deadline exceeded"
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != stuck {
			t.Errorf("error %v, want %s", err, stuck)
		}
		var waited []string
		got := repair(t, cluster, cilium.RepairOptions{Progress: func(s cilium.Step) {
			if s.State == cilium.StateWaiting {
				waited = append(waited, s.Message)
				cluster.Step()
			}
		}})
		if want := []string{"0 of 3 pods are new, 3 are ready", "1 of 3 pods are new, 3 are ready", "2 of 3 pods are new, 3 are ready"}; !cmp.Equal(want, waited) {
			t.Errorf("reported %q, want %q", waited, want)
		}
		if want := "multus kept: DaemonSet kube-system/kube-multus-ds: restarted before for this change"; got[2] != want {
			t.Errorf("step %s, want %s", got[2], want)
		}
		mustBeMended(t, cluster, "stuck, then healed")
	})
}

func TestRepairErrors(t *testing.T) {
	if _, err := cilium.Repair(t.Context(), nil, cilium.RepairOptions{}); err == nil {
		t.Error("no client, and no error")
	}
	if _, err := cilium.Repair(t.Context(), withoutCNI(t).Client(), cilium.RepairOptions{}); !errors.Is(err, cilium.ErrNotFound) {
		t.Errorf("no Cilium: %v, want ErrNotFound", err)
	}
	_, err := cilium.Repair(t.Context(), withoutCNI(t, agents("kube-system", "cilium", "cilium:v1.20.2", nil)).Client(), cilium.RepairOptions{})
	if err == nil || !strings.Contains(err.Error(), "ConfigMap kube-system/cilium-config: is not there") {
		t.Errorf("no settings: %v", err)
	}
	_, err = cilium.Repair(t.Context(), withCilium(t, false).Client(), cilium.RepairOptions{Multus: []client.ObjectKey{{Namespace: "n", Name: "m"}}})
	if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "get DaemonSet n/m") {
		t.Errorf("no such Multus: %v", err)
	}
	slow := agents("kube-system", "cilium", "cilium:v1.20.2", nil)
	slow.Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType
	_, err = cilium.Repair(t.Context(), withoutCNI(t, slow, ciliumConfig("kube-system", byHelm)).Client(), cilium.RepairOptions{})
	if err == nil || !strings.Contains(err.Error(), "OnDelete") {
		t.Errorf("OnDelete: %v", err)
	}
}
