package multus_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

func TestPlanFirst(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: append(threeNodes(), multustest.Node{Name: "d", Architecture: "arm64"})})
	plan := planOf(t, cluster, multus.Config{Namespace: "networks"})
	want := []string{
		"Namespace networks created",
		"CustomResourceDefinition network-attachment-definitions.k8s.cni.cncf.io created", "ServiceAccount networks/multus created",
		"ClusterRole multus created", "ClusterRoleBinding multus created",
		"ConfigMap networks/multus-daemon-config created", "DaemonSet networks/kube-multus-ds created",
	}
	if diff := cmp.Diff(want, actions(plan.Changes)); diff != "" || !plan.Changed() {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if got, want := plan.Platform.String(), "Talos v1.13.9, flannel, amd64, arm64"; got != want {
		t.Errorf("platform %s, want %s", got, want)
	}
	if len(writes(cluster)) > 0 {
		t.Errorf("a plan wrote %v", writes(cluster))
	}
	install(t, cluster, multus.Config{Namespace: "networks"}, multus.InstallOptions{})
	if plan := planOf(t, cluster, multus.Config{Namespace: "networks"}); plan.Changed() {
		t.Errorf("a plan of what is installed changes something:\n%s", plan)
	}
}

// TestPlanFields: a change is told field by field, with both values.
func TestPlanFields(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	install(t, cluster, withVersion("v4.2.4"), multus.InstallOptions{})
	plan := planOf(t, cluster, onFlannel)
	got := map[string]multus.FieldChange{}
	for _, change := range plan.Changes {
		for _, f := range change.Fields {
			kind, _, _ := strings.Cut(change.Object, " ")
			got[kind+" "+f.Path] = f
		}
	}
	const old, image = `"ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.4-thick"`, `"ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"`
	want := map[string]multus.FieldChange{
		"CustomResourceDefinition spec.names.shortNames": {Path: "spec.names.shortNames", From: `["net-attach-def"]`, To: `["nad","net-attach-def"]`},
		"DaemonSet " + imagePath:                         {Path: imagePath, From: old, To: image},
		"DaemonSet spec.template.spec.initContainers[name=install-multus-binary].image": {
			Path: "spec.template.spec.initContainers[name=install-multus-binary].image", From: old, To: image,
		},
		"DaemonSet metadata.annotations.multihome.github.io/release": {
			Path: "metadata.annotations.multihome.github.io/release", From: `"v4.2.4"`, To: `"v4.3.0"`,
		},
	}
	for name, field := range want {
		if diff := cmp.Diff(field, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		delete(got, name)
	}
	delete(got, "ConfigMap data.daemon-config.json")
	delete(got, "DaemonSet spec.template.metadata.annotations.multihome.github.io/daemon-config")
	if len(got) > 0 {
		t.Errorf("more fields change: %v", got)
	}
}

// TestPlanOfConflicts tells them beside the change that forcing would make,
// and that change is the one that Install then makes.
func TestPlanOfConflicts(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	kubectl.write(t, cluster, manifestObjects(t, asUpstream("v4.2.3"))...)
	plan := planOf(t, cluster, onFlannel)
	if got := conflicting(plan.Changes); len(got) != 3 {
		t.Errorf("conflicts in %v, want ClusterRole, ConfigMap and DaemonSet or the like", actions(got))
	}
	result := install(t, cluster, onFlannel, multus.InstallOptions{Conflicts: multus.ConflictForce})
	ignoreConflicts := cmpopts.IgnoreFields(multus.Change{}, "Conflicts")
	if diff := cmp.Diff(plan.Changes, result.Changes, ignoreConflicts); diff != "" {
		t.Errorf("planned and done (-plan +install):\n%s", diff)
	}
}
