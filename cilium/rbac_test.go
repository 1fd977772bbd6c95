package cilium_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/cilium"
)

// permission is one verb on one resource.
type permission struct{ namespace, verb, resource string }

func (p permission) String() string { return p.verb + " " + p.resource + " in " + p.namespace }

// permissions takes roles apart.
func permissions(roles []client.Object) []permission {
	var out []permission
	for _, object := range roles {
		var rules []rbacv1.PolicyRule
		switch role := object.(type) {
		case *rbacv1.ClusterRole:
			rules = role.Rules
		case *rbacv1.Role:
			rules = role.Rules
		}
		for _, rule := range rules {
			for _, verb := range rule.Verbs {
				out = append(out, permission{object.GetNamespace(), verb, rule.Resources[0]})
			}
		}
	}
	return out
}

func TestRepairRBAC(t *testing.T) {
	names := func(roles []client.Object) map[string][]string {
		out := map[string][]string{}
		for _, object := range roles {
			if role, ok := object.(*rbacv1.Role); ok {
				for _, rule := range role.Rules {
					if rule.Resources[0] == "daemonsets" {
						out[role.Namespace+"/"+role.Name] = rule.ResourceNames
					}
				}
			}
		}
		return out
	}
	got := names(cilium.RepairRBAC(cilium.Config{}, cilium.RepairOptions{}))
	want := map[string][]string{
		"kube-system/multihome-cilium-repairer": {"cilium"}, "kube-system/multihome-cilium-multus": {"kube-multus-ds"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("zero values (-want +got):\n%s", diff)
	}
	got = names(cilium.RepairRBAC(cilium.Config{Namespace: "cilium", DaemonSet: "anetd"}, cilium.RepairOptions{
		Multus: []client.ObjectKey{{Namespace: "m", Name: "amd64"}, {Namespace: "n", Name: "x"}, {Namespace: "m", Name: "arm64"}},
	}))
	want = map[string][]string{
		"cilium/multihome-cilium-repairer": {"anetd"}, "m/multihome-cilium-multus": {"amd64", "arm64"}, "n/multihome-cilium-multus": {"x"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("named (-want +got):\n%s", diff)
	}
	for _, p := range permissions(append(cilium.DetectRBAC(), cilium.RepairRBAC(cilium.Config{}, cilium.RepairOptions{})...)) {
		if p.verb == "*" || p.resource == "*" || p.verb == "delete" || p.namespace == "" && p.verb == "patch" {
			t.Errorf("%s is too much", p)
		}
	}
}
