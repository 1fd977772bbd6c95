package multus

import (
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// installerRoleName names the roles that InstallerRBAC returns.
const installerRoleName = "multihome-installer"

// InstallerRBAC returns what an [Installer] of config needs to be allowed, and
// nothing more: a ClusterRole and a Role in the namespace of Multus. Bind both
// to the program's service account. A program that only calls Plan and Status
// may go without patch, create, escalate and bind: Plan then tells less.
//
// A Role needs its namespace: where Config.Namespace is not kube-system, create
// the namespace before; Install labels it.
//
// The pods' own permissions are another matter: they are in [Bundle].
//
// It may delete DaemonSets that bear the name of one for an architecture, because
// an Installer whose Config.ArchImages names fewer than the one before removes
// these, and the ConfigMap of thin Multus.
func InstallerRBAC(config Config) []client.Object {
	var others []string
	for _, arch := range architectures {
		if _, named := config.ArchImages[arch]; !named {
			others = append(others, archDaemonSetName(arch))
		}
	}
	return installerRoles(config, others, []string{thinConfigName})
}

// installerRoles are the roles with permission to delete the DaemonSets and the
// ConfigMaps named.
func installerRoles(config Config, retired, configMaps []string) []client.Object {
	namespace := config.namespace()
	names := []string{daemonSetName}
	for arch := range config.ArchImages {
		names = append(names, archDaemonSetName(arch))
	}
	slices.Sort(names)
	clusterRules := []rbacv1.PolicyRule{
		rule("", "nodes", []string{"list"}),
		rule("apps", "daemonsets", []string{"list"}),
		rule("apiextensions.k8s.io", "customresourcedefinitions", []string{"create"}),
		rule("apiextensions.k8s.io", "customresourcedefinitions", []string{"get", "patch"}, "network-attachment-definitions.k8s.cni.cncf.io"),
		rule("rbac.authorization.k8s.io", "clusterroles", []string{"create"}),
		// escalate lets it give Multus permissions that it has not itself.
		rule("rbac.authorization.k8s.io", "clusterroles", []string{"get", "patch", "escalate", "bind"}, "multus"),
		rule("rbac.authorization.k8s.io", "clusterrolebindings", []string{"create"}),
		rule("rbac.authorization.k8s.io", "clusterrolebindings", []string{"get", "patch"}, "multus"),
		// The primary CNI's settings, wherever it is installed.
		rule("", "configmaps", []string{"get"}, "cilium-config", "kube-flannel-cfg"),
		rule("cilium.io", "ciliumnodeconfigs", []string{"list"}),
	}
	if namespace != DefaultNamespace {
		clusterRules = append(clusterRules, rule("", "namespaces", []string{"get", "patch"}, namespace))
	} else {
		clusterRules = append(clusterRules, rule("", "namespaces", []string{"get"}, namespace))
	}
	rules := []rbacv1.PolicyRule{
		rule("", "serviceaccounts", []string{"create"}),
		rule("", "serviceaccounts", []string{"get", "patch"}, "multus"),
		rule("", "configmaps", []string{"create"}),
		rule("", "configmaps", []string{"get", "patch"}, "multus-daemon-config"),
		rule("apps", "daemonsets", []string{"create", "watch"}),
		rule("apps", "daemonsets", []string{"patch"}, names...),
		rule("", "pods", []string{"list", "watch"}),
		rule("", "events", []string{"list"}),
	}
	if len(retired) > 0 {
		rules = append(rules, rule("apps", "daemonsets", []string{"delete"}, retired...))
	}
	if len(configMaps) > 0 {
		rules = append(rules, rule("", "configmaps", []string{"delete"}, configMaps...))
	}
	return roles(installerRoleName, namespace, clusterRules, rules)
}

// UninstallerRBAC returns what [Installer.Uninstall] needs to be allowed for
// config, with and without RemoveCRD, and nothing more: a ClusterRole and a Role
// in the namespace of Multus, to be bound as those of [InstallerRBAC].
func UninstallerRBAC(config Config) []client.Object {
	crd := "network-attachment-definitions.k8s.cni.cncf.io"
	both := []string{"get", "delete"}
	clusterRules := []rbacv1.PolicyRule{
		rule("", "nodes", []string{"list"}),
		rule("apps", "daemonsets", []string{"list"}),
		// Which of them have secondary networks.
		rule("", "pods", []string{"list"}),
		rule("k8s.cni.cncf.io", "network-attachment-definitions", []string{"list"}),
		rule("apiextensions.k8s.io", "customresourcedefinitions", both, crd),
		rule("rbac.authorization.k8s.io", "clusterroles", both, "multus"),
		rule("rbac.authorization.k8s.io", "clusterrolebindings", both, "multus"),
	}
	rules := []rbacv1.PolicyRule{
		rule("", "serviceaccounts", both, "multus"),
		rule("", "configmaps", both, "multus-daemon-config"),
		// Of architectures that the Config names no more, and of the cleaner.
		rule("apps", "daemonsets", []string{"create", "patch", "delete", "watch"}),
		rule("", "pods", []string{"watch"}),
		rule("", "events", []string{"list"}),
	}
	return roles("multihome-uninstaller", config.namespace(), clusterRules, rules)
}

func rule(group, resource string, verbs []string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names, Verbs: verbs}
}

// roles returns a ClusterRole and a Role of one name.
func roles(name, namespace string, clusterRules, rules []rbacv1.PolicyRule) []client.Object {
	const apiVersion = "rbac.authorization.k8s.io/v1"
	return []client.Object{
		&rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: "ClusterRole"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Rules:      clusterRules,
		},
		&rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
			Rules:      rules,
		},
	}
}

// permissionsOf takes roles apart into questions that an API server answers,
// one for each verb.
func permissionsOf(roles []client.Object) []authorizationv1.ResourceAttributes {
	var out []authorizationv1.ResourceAttributes
	add := func(namespace string, rules []rbacv1.PolicyRule) {
		for _, r := range rules {
			names := r.ResourceNames
			if len(names) == 0 {
				names = []string{""}
			}
			for _, name := range names {
				for _, verb := range r.Verbs {
					out = append(out, authorizationv1.ResourceAttributes{
						Namespace: namespace, Group: r.APIGroups[0], Resource: r.Resources[0], Name: name, Verb: verb,
					})
				}
			}
		}
	}
	for _, object := range roles {
		switch role := object.(type) {
		case *rbacv1.ClusterRole:
			add("", role.Rules)
		case *rbacv1.Role:
			add(role.Namespace, role.Rules)
		}
	}
	return out
}
