package multus_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// writer is a program that installs, with the traces that it leaves.
type writer struct {
	manager     string
	operation   metav1.ManagedFieldsOperationType
	labels      map[string]string
	annotations map[string]string
	lastApplied bool
}

var (
	kubectl = writer{manager: "kubectl-client-side-apply", operation: metav1.ManagedFieldsOperationUpdate, lastApplied: true}
	helm    = writer{
		manager: "helm", operation: metav1.ManagedFieldsOperationUpdate, labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"},
		annotations: map[string]string{"meta.helm.sh/release-name": "multus", "meta.helm.sh/release-namespace": "kube-system"},
	}
	talos    = writer{manager: "talos", operation: metav1.ManagedFieldsOperationApply}
	stranger = writer{manager: "network-team", operation: metav1.ManagedFieldsOperationUpdate}
)

// write creates objects as the program does.
func (w writer) write(tb testing.TB, cluster *multustest.Cluster, objects ...*unstructured.Unstructured) {
	tb.Helper()
	for _, object := range objects {
		if w.lastApplied {
			text, err := json.Marshal(object)
			if err != nil {
				tb.Fatal(err)
			}
			w.annotations = map[string]string{corev1.LastAppliedConfigAnnotation: string(text)}
		}
		for key, value := range w.labels {
			_ = unstructured.SetNestedField(object.Object, value, "metadata", "labels", key)
		}
		for key, value := range w.annotations {
			_ = unstructured.SetNestedField(object.Object, value, "metadata", "annotations", key)
		}
		var err error
		if w.operation == metav1.ManagedFieldsOperationApply {
			err = cluster.Client().Apply(tb.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(w.manager))
		} else {
			err = cluster.Client().Create(tb.Context(), object, client.FieldOwner(w.manager))
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// patch changes an object as somebody else.
func patch(tb testing.TB, cluster *multustest.Cluster, manager string, object client.Object, text string) {
	tb.Helper()
	if err := cluster.Client().Patch(tb.Context(), object, client.RawPatch(types.StrategicMergePatchType, []byte(text)), client.FieldOwner(manager)); err != nil {
		tb.Fatal(err)
	}
}

func theDaemonSet() *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-multus-ds"}}
}

func theConfigMap() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "multus-daemon-config"}}
}

// managers are those who own fields of an object itself, each once.
func managers(object client.Object) []string {
	var out []string
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "" && !slices.Contains(out, entry.Manager) {
			out = append(out, entry.Manager)
		}
	}
	return out
}

const (
	imagePath = "spec.template.spec.containers[name=kube-multus].image"
	limitPath = "spec.template.spec.containers[name=kube-multus].resources.limits.memory"
)

// TestConflict: somebody has changed two fields. Nothing is written until the
// caller decides.
func TestConflict(t *testing.T) {
	prepare := func(t *testing.T) *multustest.Cluster {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
		install(t, cluster, onFlannel, multus.InstallOptions{})
		patch(t, cluster, "kubectl-edit", theDaemonSet(), `{"metadata":{"labels":{"team":"a"}},"spec":{"template":{"spec":{"containers":[
			{"name":"kube-multus","image":"example.com/multus:1","resources":{"limits":{"memory":"64Mi"}}}]}}}}`)
		patch(t, cluster, "network-team", theConfigMap(), `{"data":{"daemon-config.json":"{}"}}`)
		cluster.ResetRequests()
		return cluster
	}
	t.Run("fail", func(t *testing.T) {
		cluster := prepare(t)
		result, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{})
		var conflict *multus.ConflictError
		if !errors.As(err, &conflict) {
			t.Fatalf("error %v, want a ConflictError", err)
		}
		got := map[string][]multus.Conflict{}
		for _, change := range conflict.Changes {
			got[change.Object] = change.Conflicts
		}
		want := map[string][]multus.Conflict{
			"ConfigMap kube-system/multus-daemon-config": {{Path: "data.daemon-config.json", Manager: "network-team"}},
			"DaemonSet kube-system/kube-multus-ds":       {{Path: imagePath, Manager: "kubectl-edit"}, {Path: limitPath, Manager: "kubectl-edit"}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("conflicts (-want +got):\n%s", diff)
		}
		for _, conflicts := range want {
			for _, c := range conflicts {
				if !strings.Contains(err.Error(), c.Path+" is owned by "+c.Manager) {
					t.Errorf("error %q does not name %s and %s", err, c.Path, c.Manager)
				}
			}
		}
		if len(writes(cluster)) > 0 || result.Changed() {
			t.Errorf("refused and still wrote %v", writes(cluster))
		}
		if diff := cmp.Diff(conflict.Changes, conflicting(planOf(t, cluster, onFlannel).Changes)); diff != "" {
			t.Errorf("what the plan says of it (-error +plan):\n%s", diff)
		}
	})
	t.Run("force", func(t *testing.T) {
		cluster := prepare(t)
		install(t, cluster, onFlannel, multus.InstallOptions{Conflicts: multus.ConflictForce})
		mustBeHealthy(t, cluster, onFlannel)
		if ds := live(t, cluster, onFlannel)["DaemonSet"]; ds.GetLabels()["team"] != "a" {
			t.Errorf("labels %v: a field that we do not want is gone", ds.GetLabels())
		}
	})
	t.Run("adopt", func(t *testing.T) {
		cluster := prepare(t)
		_, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{Conflicts: multus.ConflictAdopt})
		var conflict *multus.ConflictError
		if !errors.As(err, &conflict) || len(conflict.Changes) != 1 || conflict.Changes[0].Conflicts[0].Manager != "network-team" {
			t.Fatalf("error %v, want a ConflictError about network-team, which installs nothing", err)
		}
		if len(writes(cluster)) > 0 {
			t.Errorf("refused and still wrote %v", writes(cluster))
		}
		patch(t, cluster, "network-team", theConfigMap(), `{"data":{"daemon-config.json":null}}`)
		install(t, cluster, onFlannel, multus.InstallOptions{Conflicts: multus.ConflictAdopt})
		mustBeHealthy(t, cluster, onFlannel)
		if ds := live(t, cluster, onFlannel)["DaemonSet"]; ds.GetLabels()["team"] != "" || !slices.Equal(managers(ds), []string{multus.FieldManager}) {
			t.Errorf("labels %v of %v: kubectl's field is still there", ds.GetLabels(), managers(ds))
		}
	})
}

func conflicting(changes []multus.Change) []multus.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c multus.Change) bool { return len(c.Conflicts) == 0 })
}

// TestAdopt takes over what others installed. What is there afterwards is ours
// alone, and as if it had never been otherwise.
func TestAdopt(t *testing.T) {
	fresh := simulate(t, multustest.Options{Nodes: threeNodes()})
	install(t, fresh, onFlannel, multus.InstallOptions{})
	want := contents(t, fresh, onFlannel)
	for _, w := range []writer{kubectl, helm, talos} {
		for _, version := range distinct {
			t.Run(w.manager+" "+version, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
				w.write(t, cluster, manifestObjects(t, asUpstream(version))...)
				var conflict *multus.ConflictError
				if _, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{}); !errors.As(err, &conflict) {
					t.Fatalf("without adopting: %v, want a ConflictError", err)
				}
				var adopted []string
				install(t, cluster, onFlannel, multus.InstallOptions{Conflicts: multus.ConflictAdopt, Progress: func(e multus.Event) {
					if e.Type == multus.EventAdopted && strings.Contains(e.Message, w.manager) {
						adopted = append(adopted, e.Object)
					}
				}})
				if want := "DaemonSet kube-system/kube-multus-ds"; !slices.Contains(adopted, want) {
					t.Errorf("adopted %v, want %s among them", adopted, want)
				}
				for kind, object := range live(t, cluster, onFlannel) {
					if got := managers(object); len(got) > 1 || len(got) == 1 && got[0] != multus.FieldManager {
						t.Errorf("%s is owned by %v", kind, got)
					}
				}
				if diff := cmp.Diff(want, contents(t, cluster, onFlannel)); diff != "" {
					t.Errorf("adopted differs from new (-new +adopted):\n%s", diff)
				}
				mustBeHealthy(t, cluster, onFlannel)
			})
		}
	}
}

// TestAdoptWithoutManagedFields: so old, or put into a simulated cluster.
func TestAdoptWithoutManagedFields(t *testing.T) {
	old := manifestObjects(t, asUpstream("v4.0.2"))
	_ = unstructured.SetNestedField(old[len(old)-1].Object, "leftover", "spec", "template", "metadata", "labels", "old")
	var objects []client.Object
	for _, object := range old {
		objects = append(objects, object)
	}
	cluster := simulate(t, multustest.Options{Objects: objects})
	install(t, cluster, onFlannel, multus.InstallOptions{Conflicts: multus.ConflictAdopt})
	mustBeHealthy(t, cluster, onFlannel)
	ds := live(t, cluster, onFlannel)["DaemonSet"]
	labels, _, _ := unstructured.NestedStringMap(ds.Object, "spec", "template", "metadata", "labels")
	if labels["old"] != "" || !slices.Equal(managers(ds), []string{multus.FieldManager}) {
		t.Errorf("labels %v, owners %v", labels, managers(ds))
	}
}

// TestAdoptDuringRollout: a DaemonSet's status changes all the time, and with
// it the version that an adoption is bound to.
func TestAdoptDuringRollout(t *testing.T) {
	for _, changes := range []int{1, 3, 10} {
		cluster := simulate(t, multustest.Options{Nodes: make([]multustest.Node, 12), Rollout: multustest.RolloutManual})
		kubectl.write(t, cluster, manifestObjects(t, asUpstream("v4.2.4"))...)
		left := changes
		cluster.Fail(func(_ int, r multustest.Request) error {
			if r.Verb == "patch" && r.Kind == "DaemonSet" && left > 0 {
				left--
				cluster.Step()
			}
			return nil
		})
		_, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{Conflicts: multus.ConflictAdopt, NoWait: true})
		switch {
		case changes < 5 && err != nil:
			t.Errorf("after %d changes: %v", changes, err)
		case changes > 5 && (err == nil || !strings.HasPrefix(err.Error(), "adopt DaemonSet kube-system/kube-multus-ds: ")):
			t.Errorf("after %d changes: %v, want the conflict in the end", changes, err)
		}
	}
}

// TestThinMultus is refused without adopting, because its arguments would stay
// and stop the daemon, and cured by it.
func TestThinMultus(t *testing.T) {
	thin := func() []*unstructured.Unstructured {
		const image = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.4"
		objects := manifestObjects(t, asUpstream("v4.2.4"))
		daemon, shim := container(t, objects[5], "containers", 0), container(t, objects[5], "initContainers", 0)
		daemon["image"], daemon["command"], daemon["args"] = image, []any{"/thin_entrypoint"}, []any{"--multus-conf-file=auto"}
		daemon["volumeMounts"] = []any{map[string]any{"name": "cni", "mountPath": "/host/etc/cni/net.d"}}
		shim["image"], shim["command"] = image, []any{"/install_multus"}
		_ = unstructured.SetNestedSlice(objects[5].Object, []any{
			map[string]any{"name": "cni", "hostPath": map[string]any{"path": "/etc/cni/net.d"}},
			map[string]any{"name": "cnibin", "hostPath": map[string]any{"path": "/opt/cni/bin"}},
			map[string]any{"name": "multus-cfg", "configMap": map[string]any{"name": "multus-cni-config"}},
		}, "spec", "template", "spec", "volumes")
		for _, name := range []string{"multus-cni-config", "multus-cni-config-of-mine"} {
			objects = append(objects, &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "namespace": "kube-system"},
			}})
		}
		return objects
	}
	const args, thinConfig = "multus/leftover-arguments", "ConfigMap kube-system/multus-cni-config"
	for _, policy := range []multus.ConflictPolicy{multus.ConflictFail, multus.ConflictForce, multus.ConflictAdopt} {
		t.Run("by kubectl "+string(policy), func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
			kubectl.write(t, cluster, thin()...)
			plan := planOf(t, cluster, onFlannel)
			if diff := cmp.Diff([]string{thinConfig + " removed"}, removed(plan.Changes)); diff != "" {
				t.Errorf("planned to be removed (-want +got):\n%s", diff)
			}
			result, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{Conflicts: policy})
			if got := configMaps(t, cluster); slices.Contains(got, "multus-cni-config") != (err != nil) || !slices.Contains(got, "multus-cni-config-of-mine") {
				t.Errorf("ConfigMaps %q after an install with error %v", got, err)
			}
			if !slices.Contains(codes(result.Findings), "multus/thin") {
				t.Errorf("findings %v, want multus/thin among them", result.Findings)
			}
			if policy == multus.ConflictAdopt {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]string{thinConfig + " removed"}, removed(result.Changes)); diff != "" {
					t.Errorf("removed (-want +got):\n%s", diff)
				}
				mustBeHealthy(t, cluster, onFlannel)
				return
			}
			var refused *multus.PreflightError
			if !errors.As(err, &refused) || !slices.Equal(codes(refused.Findings), []string{args}) || !strings.Contains(err.Error(), "ConflictAdopt") {
				t.Errorf("error %v, want a PreflightError about arguments", err)
			}
		})
	}
	t.Run("may not delete", func(t *testing.T) {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
		kubectl.write(t, cluster, thin()...)
		cluster.Forbid("delete", "configmaps")
		const want = "the client may not delete configmaps multus-cni-config in namespace kube-system"
		if plan := planOf(t, cluster, onFlannel); len(plan.Findings) == 0 || plan.Findings[len(plan.Findings)-1].Message != want {
			t.Errorf("findings %v, want %q", plan.Findings, want)
		}
		_, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{Conflicts: multus.ConflictAdopt})
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "delete "+thinConfig) {
			t.Errorf("error %v, want that the deletion is forbidden", err)
		}
		install(t, cluster, onFlannel, multus.InstallOptions{}) // all else is done
		mustBeHealthy(t, cluster, onFlannel)
	})
	t.Run("by a stranger", func(t *testing.T) {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
		stranger.write(t, cluster, thin()...)
		_, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{Conflicts: multus.ConflictAdopt})
		var refused *multus.PreflightError
		if !errors.As(err, &refused) || refused.Findings[0].Code != "multus/foreign-arguments" || !strings.Contains(err.Error(), "network-team") {
			t.Errorf("error %v, want a PreflightError that names network-team", err)
		}
	})
	t.Run("our own", func(t *testing.T) {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
		config := onFlannel
		config.Patches = []multus.Patch{{Name: "args", Apply: func(b *multus.Bundle) error {
			b.DaemonSets[0].Spec.Template.Spec.Containers[0].Args = []string{"-version=false"}
			return nil
		}}}
		install(t, cluster, config, multus.InstallOptions{})
		patch(t, cluster, "kubectl-rollout", theDaemonSet(), `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}}}}}`)
		install(t, cluster, onFlannel, multus.InstallOptions{})
		mustBeHealthy(t, cluster, onFlannel)
	})
}

func configMaps(tb testing.TB, cluster *multustest.Cluster) []string {
	tb.Helper()
	list := &corev1.ConfigMapList{}
	if err := cluster.Client().List(tb.Context(), list); err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.Name)
	}
	return names
}

// container is one container of a DaemonSet, to be changed in place.
func container(tb testing.TB, ds *unstructured.Unstructured, list string, n int) map[string]any {
	tb.Helper()
	containers, _, err := unstructured.NestedFieldNoCopy(ds.Object, "spec", "template", "spec", list)
	if err != nil {
		tb.Fatal(err)
	}
	return containers.([]any)[n].(map[string]any)
}

// TestLeftoverOfAnother: the first install does not read what can only be a
// leftover, and does not touch it either.
func TestLeftoverOfAnother(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	objects := manifestObjects(t, asUpstream("v4.0.2"))
	kubectl.write(t, cluster, objects[slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "ClusterRole" })])
	cluster.ResetRequests()
	result, err := newInstaller(t, cluster.Client(), onFlannel).Install(t.Context(), multus.InstallOptions{})
	var conflict *multus.ConflictError
	if !errors.As(err, &conflict) || !strings.Contains(err.Error(), "ClusterRole multus rules is owned by kubectl-client-side-apply") {
		t.Fatalf("error %v, want a ConflictError about the rules", err)
	}
	if diff := cmp.Diff(applies[:3], writes(cluster)); diff != "" || len(result.Changes) != 2 {
		t.Errorf("result %v, requests (-want +got):\n%s", result, diff)
	}
	install(t, cluster, onFlannel, multus.InstallOptions{Conflicts: multus.ConflictAdopt})
	mustBeHealthy(t, cluster, onFlannel)
}
