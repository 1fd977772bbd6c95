package multus

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// auditorRoleName names the roles that AuditorRBAC returns.
const auditorRoleName = "multihome-auditor"

// AuditorRBAC returns what [Installer.Audit] with options needs to be allowed,
// and nothing more: a ClusterRole, and Roles where it looks at some namespaces
// only. Bind them to the program's service account. Without one of them Audit
// tells less, and says so; without pods it tells nothing. Only Recreate asks
// for a permission to write.
//
// Multus is expected in config.Namespace; elsewhere allow list on pods there.
func AuditorRBAC(config Config, options AuditOptions) []client.Object {
	rule := func(group, resource, verb string, names ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names, Verbs: []string{verb}}
	}
	audited := []rbacv1.PolicyRule{rule("", "pods", "list"), rule("", "events", "list")}
	if options.Recreate {
		audited = append(audited, rule("", "pods/eviction", "create"))
	}
	general := []rbacv1.PolicyRule{
		rule("apps", "daemonsets", "list"),
		rule("k8s.cni.cncf.io", "network-attachment-definitions", "list"),
		// The primary CNI's settings, wherever it is installed.
		rule("", "configmaps", "get", "cilium-config", "kube-flannel-cfg"),
		rule("cilium.io", "ciliumnodeconfigs", "list"),
	}
	if config.Platform.IsZero() {
		general = append(general, rule("", "nodes", "list"))
	}
	if len(options.Namespaces) == 0 {
		general = append(general, audited...)
	}
	out := []client.Object{&rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: auditorRoleName},
		Rules:      general,
	}}
	if len(options.Namespaces) == 0 {
		return out
	}
	namespaces := append(slices.Clone(options.Namespaces), config.namespace())
	slices.Sort(namespaces)
	for _, namespace := range slices.Compact(namespaces) {
		rules := audited
		if !slices.Contains(options.Namespaces, namespace) {
			rules = []rbacv1.PolicyRule{rule("", "pods", "list")}
		}
		out = append(out, &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: auditorRoleName, Namespace: namespace},
			Rules:      rules,
		})
	}
	return out
}
