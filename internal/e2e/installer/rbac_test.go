package installer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
)

const installerUser = "installer"

// TestRBACIsEnoughAndMinimal runs everything as a user with InstallerRBAC, and
// again with each single permission of it taken away.
func TestRBACIsEnoughAndMinimal(t *testing.T) {
	enoughAndMinimal(t, multus.Config{Namespace: "kube-system"}, multus.InstallerRBAC, "", useEverything)
	// All but the namespace is no different from kube-system.
	enoughAndMinimal(t, multus.Config{Namespace: "networks"}, multus.InstallerRBAC, "namespaces", useEverything)
}

// TestUninstallerRBACIsEnoughAndMinimal does the same for an uninstall.
func TestUninstallerRBACIsEnoughAndMinimal(t *testing.T) {
	enoughAndMinimal(t, multus.Config{Platform: flannel}, multus.UninstallerRBAC, "", useUninstall)
}

// enoughAndMinimal runs use with all roles, and without each single permission
// whose name contains part.
func enoughAndMinimal(t *testing.T, config multus.Config, roles func(multus.Config) []client.Object, part string,
	use func(t *testing.T, config multus.Config, roles []client.Object) (problem string),
) {
	t.Helper()
	t.Run(config.Namespace, func(t *testing.T) {
		if problem := use(t, config, roles(config)); problem != "" {
			t.Fatalf("with all roles: %s", problem)
		}
		for _, without := range eachPermission(roles(config)) {
			if !strings.Contains(without.name, part) {
				continue
			}
			t.Run(without.name, func(t *testing.T) {
				if problem := use(t, config, without.roles); problem == "" {
					t.Error("nothing misses this permission; take it out of the roles")
				} else {
					t.Log(problem)
				}
			})
		}
	})
}

type reduced struct {
	name  string
	roles []client.Object
}

// eachPermission returns the roles with one verb of one rule left out, for
// each there is.
func eachPermission(roles []client.Object) []reduced {
	var out []reduced
	for n := range roles {
		for i, rule := range *rulesOf(roles[n]) {
			for j, verb := range rule.Verbs {
				copied := make([]client.Object, len(roles))
				for k := range roles {
					copied[k] = roles[k].DeepCopyObject().(client.Object)
				}
				rules := rulesOf(copied[n])
				(*rules)[i].Verbs = slices.Delete((*rules)[i].Verbs, j, j+1)
				if len((*rules)[i].Verbs) == 0 {
					*rules = slices.Delete(*rules, i, i+1)
				}
				out = append(out, reduced{fmt.Sprintf("%s %s %v", verb, rule.Resources[0], rule.ResourceNames), copied})
			}
		}
	}
	return out
}

func rulesOf(role client.Object) *[]rbacv1.PolicyRule {
	switch role := role.(type) {
	case *rbacv1.ClusterRole:
		return &role.Rules
	case *rbacv1.Role:
		return &role.Rules
	}
	panic("unexpected role")
}

// useEverything plans, installs, upgrades, waits and asks for the status with
// a user who has these roles. It returns what went wrong, or was not told, for
// lack of a permission; the list of missing permissions in a Plan, which names
// them all, does not count.
func useEverything(t *testing.T, config multus.Config, roles []client.Object) string {
	t.Helper()
	server.ResetAfter(t)
	if err := server.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	admin, _ := newClient(t, server.Config())
	if err := server.AddNodes(t.Context(), threeNodes()[0]); err != nil {
		t.Fatal(err)
	}
	prepare(t, admin, config.Namespace, roles)
	c, _ := newClient(t, server.User(installerUser))
	installer := newInstaller(t, c, config)

	plan, err := installer.Plan(t.Context())
	if err != nil {
		return "plan: " + err.Error()
	}
	for _, f := range plan.Findings {
		if f.Code == "multus/unseen" {
			return "plan: " + f.String()
		}
	}
	old := config
	old.Version = "v4.2.4"
	if _, err := newInstaller(t, c, old).Install(t.Context(), multus.InstallOptions{NoWait: true}); err != nil {
		return "first install: " + err.Error()
	}
	leaveRetired(t, admin, old)
	thinConfig := leaveThin(t, admin, old)
	// Nothing starts a pod here, so that the wait ends and the reason is asked for.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = installer.Install(ctx, multus.InstallOptions{})
	rollout, ok := as[*multus.RolloutError](err)
	if !ok {
		return fmt.Sprintf("upgrade: %v", err)
	}
	if rollout.Err != context.DeadlineExceeded { //nolint:errorlint // as it is, not wrapped
		return "upgrade: " + err.Error()
	}
	if len(rollout.Rollout.Nodes) != 1 || rollout.Rollout.Nodes[0].Problem == nil || rollout.Rollout.Nodes[0].Problem.Code != "multus/pods-refused" {
		return "upgrade does not tell why no pod is made: " + err.Error()
	}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(thinConfig), thinConfig); !apierrors.IsNotFound(err) {
		return fmt.Sprintf("ConfigMap of thin Multus: error %v, want that it is not found", err)
	}
	if _, err := installer.Status(t.Context()); err != nil {
		return "status: " + err.Error()
	}
	return ""
}

// leaveThin makes the DaemonSet one of thin Multus that nothing hinders to become thick, and returns what it mounts.
func leaveThin(t *testing.T, admin client.Client, config multus.Config) *corev1.ConfigMap {
	t.Helper()
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	ds := bundle.DaemonSets[0]
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "multus-cni-config", Namespace: ds.Namespace}}
	ds.Spec.Template.Spec = corev1.PodSpec{
		Containers: []corev1.Container{{Name: "kube-multus", Image: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.4", Command: []string{"/thin_entrypoint"}}},
		Volumes: []corev1.Volume{{Name: "multus-cfg", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: configMap.Name}},
		}}},
	}
	if err := admin.Create(t.Context(), configMap); err != nil {
		t.Fatal(err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ds)
	if err != nil {
		t.Fatal(err)
	}
	object := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: content})
	if err := admin.Apply(t.Context(), object, client.FieldOwner(multus.FieldManager), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	return configMap
}

// leaveRetired makes the DaemonSet of an architecture that the next Config names
// no more.
func leaveRetired(t *testing.T, admin client.Client, config multus.Config) {
	t.Helper()
	config.ArchImages = map[string]string{"arm64": "registry.example.com/multus:arm64"}
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.Create(t.Context(), bundle.DaemonSets[1], client.FieldOwner(multus.FieldManager)); err != nil {
		t.Fatal(err)
	}
}

// prepare makes what the installer finds: a user with the roles, and Flannel's
// or Cilium's DaemonSet with its settings.
func prepare(t *testing.T, admin client.Client, namespace string, roles []client.Object) {
	t.Helper()
	made := append(bindings(namespace, roles), ciliumDaemonSet(), ciliumNodeConfigs(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "cilium-config", Namespace: "kube-system"},
		Data:       map[string]string{"cni-exclusive": "false", "write-cni-conf-when-ready": "/host/etc/cni/net.d/05-cilium.conflist"},
	})
	createAll(t, admin, made)
	eventually(t, func() error { // until the CRD is established
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("cilium.io/v2")
		list.SetKind("CiliumNodeConfigList")
		return admin.List(t.Context(), list)
	})
	quota(t, admin, namespace)
}

// bindings are the roles, bound to the installer, and what they need.
func bindings(namespace string, roles []client.Object) []client.Object {
	subject := rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: installerUser}
	var made []client.Object
	for _, role := range roles {
		switch role := role.(type) {
		case *rbacv1.ClusterRole:
			made = append(made, role, &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: role.Name}, Subjects: []rbacv1.Subject{subject},
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			})
		case *rbacv1.Role:
			if namespace != "kube-system" && namespace != "" {
				// A Role needs its namespace; the installer labels it.
				made = append(made, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
			}
			made = append(made, role, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: role.Name, Namespace: role.Namespace}, Subjects: []rbacv1.Subject{subject},
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
			})
		}
	}
	return made
}

func createAll(t *testing.T, admin client.Client, objects []client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// quota makes the API server refuse every pod of the namespace.
func quota(t *testing.T, admin client.Client, namespace string) {
	t.Helper()
	limit := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "no-pods", Namespace: namespace},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: zero}},
	}
	if err := admin.Create(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
}
