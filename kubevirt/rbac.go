package kubevirt

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// checkerRoleName names the roles that CheckerRBAC returns.
const checkerRoleName = "multihome-vm-checker"

// CheckerRBAC returns what [CheckCluster] with options needs to be allowed, and
// nothing more: a ClusterRole, and Roles where it looks at some namespaces only.
// Bind them to the program's service account. Without one of the rules
// CheckCluster tells less, and says so. [Inventory] alone needs the first two
// rules.
func CheckerRBAC(options CheckOptions) []client.Object {
	list := func(group string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: []string{"list"}}
	}
	vms := list("kubevirt.io", "virtualmachines", "virtualmachineinstances")
	role := &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: checkerRoleName},
		Rules:      []rbacv1.PolicyRule{list("kubevirt.io", "kubevirts"), list("k8s.cni.cncf.io", "network-attachment-definitions")},
	}
	out := []client.Object{role}
	if len(options.Namespaces) == 0 {
		role.Rules = append(role.Rules, vms)
		return out
	}
	for _, namespace := range slices.Compact(slices.Sorted(slices.Values(options.Namespaces))) {
		out = append(out, &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: checkerRoleName, Namespace: namespace},
			Rules:      []rbacv1.PolicyRule{vms},
		})
	}
	return out
}
