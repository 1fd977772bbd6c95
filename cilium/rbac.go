package cilium

import (
	"cmp"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// DetectRBAC returns what [Detect] needs to be allowed, and nothing more: a
// ClusterRole, because Cilium can be in any namespace. Without one of its rules
// Detect tells less, and says so.
func DetectRBAC() []client.Object {
	return []client.Object{clusterRole("multihome-cilium-detector", append(readRules(), rule("cilium.io", "ciliumnodes", []string{"list"})))}
}

// RepairRBAC returns what [Repair] needs to be allowed for the Cilium that
// config describes, and nothing more: a ClusterRole, a Role in Cilium's
// namespace and one in that of each of options.Multus, kube-system where none is
// named. Only of config the namespace and the DaemonSet matter, whose zero values
// are kube-system and "cilium".
func RepairRBAC(config Config, options RepairOptions) []client.Object {
	namespace := cmp.Or(config.Namespace, defaultNamespace)
	out := []client.Object{
		clusterRole("multihome-cilium-repairer", readRules()),
		role("multihome-cilium-repairer", namespace,
			rule("", "configmaps", []string{"patch"}, configMapName),
			rule("cilium.io", "ciliumnodeconfigs", []string{"patch"}),
			rule("apps", "daemonsets", []string{"get", "patch"}, cmp.Or(config.DaemonSet, "cilium")),
			rule("", "pods", []string{"list"}),
		),
	}
	multus := options.Multus
	if len(multus) == 0 {
		multus = []client.ObjectKey{{Namespace: defaultNamespace, Name: "kube-multus-ds"}}
	}
	names := map[string][]string{}
	for _, key := range multus {
		if len(names[key.Namespace]) == 0 {
			out = append(out, role("multihome-cilium-multus", key.Namespace))
		}
		names[key.Namespace] = append(names[key.Namespace], key.Name)
	}
	for _, object := range out {
		if r, ok := object.(*rbacv1.Role); ok && len(r.Rules) == 0 {
			r.Rules = []rbacv1.PolicyRule{
				rule("apps", "daemonsets", []string{"get", "patch"}, names[r.Namespace]...),
				rule("", "pods", []string{"list"}),
			}
		}
	}
	return out
}

// readRules are for what Detect and Repair both read.
func readRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		rule("apps", "daemonsets", []string{"list"}),
		rule("", "configmaps", []string{"get"}, configMapName),
		rule("cilium.io", "ciliumnodeconfigs", []string{"list"}),
		rule("", "nodes", []string{"list"}),
	}
}

func rule(group, resource string, verbs []string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names, Verbs: verbs}
}

func clusterRole(name string, rules []rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules,
	}
}

func role(name, namespace string, rules ...rbacv1.PolicyRule) *rbacv1.Role {
	return &rbacv1.Role{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Rules: rules,
	}
}
