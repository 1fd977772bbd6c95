package multus_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// distinct releases are those with a manifest of their own.
var distinct = []string{"v4.0.0", "v4.1.0", "v4.2.1", "v4.2.3", "v4.3.0"}

// content is what a live object asks for: all but what the API server keeps
// about it.
func content(object *unstructured.Unstructured) map[string]any {
	out := maps.Clone(object.Object)
	delete(out, "status")
	metadata := map[string]any{"name": object.GetName(), "labels": object.GetLabels()}
	annotations := object.GetAnnotations()
	delete(annotations, "deprecated.daemonset.template.generation")
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	out["metadata"] = metadata
	return out
}

func contents(tb testing.TB, cluster *multustest.Cluster, config multus.Config) map[string]map[string]any {
	out := map[string]map[string]any{}
	for kind, object := range live(tb, cluster, config) {
		out[kind] = content(object)
	}
	return out
}

// TestUpgradeAndBack goes through all manifests, up and down. After each step
// the cluster is as if that release had been installed at once: no leftover of
// another one.
func TestUpgradeAndBack(t *testing.T) {
	fresh := map[string]map[string]map[string]any{}
	for _, version := range distinct {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
		install(t, cluster, withVersion(version), multus.InstallOptions{})
		fresh[version] = contents(t, cluster, withVersion(version))
	}
	back := slices.Clone(distinct)
	slices.Reverse(back)
	steps := slices.Concat(distinct, back[1:], []string{"v4.3.0", "v4.0.0", "v4.2.1"})

	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	for n, version := range steps {
		cluster.ResetRequests()
		result := install(t, cluster, withVersion(version), multus.InstallOptions{})
		if !result.Changed() || !result.Rollout.Complete {
			t.Errorf("step %d to %s: %s", n, version, result)
		}
		sent := writes(cluster)
		if at := slices.Index(sent, applies[5]); at != len(sent)-1 {
			t.Errorf("step %d to %s: the DaemonSet is not written last: %v", n, version, sent)
		}
		if diff := cmp.Diff(fresh[version], contents(t, cluster, withVersion(version))); diff != "" {
			t.Errorf("step %d to %s leaves something (-new +got):\n%s", n, version, diff)
		}
		mustBeHealthy(t, cluster, withVersion(version))
		if got := statusOf(t, cluster, withVersion(version)).Version; got != version {
			t.Errorf("step %d: status says %s, want %s", n, got, version)
		}
	}
}

// TestUpgradeDropsLeftovers names the two that hurt: the init command of old
// manifests, and a key that old daemons do not know.
func TestUpgradeDropsLeftovers(t *testing.T) {
	skipShim := withVersion("v4.0.0")
	skipShim.Skip = []string{"shim-install"}
	tests := []struct {
		name     string
		from, to multus.Config
		kind     string
		leftover string
	}{
		{"init command", skipShim, onFlannel, "DaemonSet", `"/host/opt/cni/bin/multus-shim"`},
		{"connection limit", onFlannel, withVersion("v4.2.4"), "ConfigMap", "connectionLimit"},
		{"environment", onFlannel, withVersion("v4.0.2"), "DaemonSet", "MULTUS_NODE_NAME"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{})
			has := func(config multus.Config) bool {
				install(t, cluster, config, multus.InstallOptions{})
				object := live(t, cluster, config)[tt.kind]
				object.SetManagedFields(nil)
				data, err := object.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				return strings.Contains(string(data), strings.ReplaceAll(tt.leftover, `"`, ``))
			}
			if !has(tt.from) {
				t.Fatalf("%s is not in %s at first, so that nothing is tested", tt.leftover, tt.kind)
			}
			if has(tt.to) {
				t.Errorf("%s is still in %s", tt.leftover, tt.kind)
			}
		})
	}
}

// TestPlanForetellsUpgrade: what Plan says is what Install does.
func TestPlanForetellsUpgrade(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	for _, version := range append(distinct, "v4.1.0") {
		plan := planOf(t, cluster, withVersion(version))
		result := install(t, cluster, withVersion(version), multus.InstallOptions{})
		if diff := cmp.Diff(plan.Changes, result.Changes); diff != "" {
			t.Errorf("to %s (-plan +install):\n%s", version, diff)
		}
	}
}
