package multus_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// TestInstallerRBACFile holds installer-rbac.yaml, for those who apply roles
// with kubectl, against InstallerRBAC of the zero Config.
func TestInstallerRBACFile(t *testing.T) {
	const path = "installer-rbac.yaml"
	var want bytes.Buffer
	want.WriteString("# What an Installer with the zero Config needs to be allowed: multus.InstallerRBAC.\n" +
		"# Written by: go test ./multus -run TestInstallerRBACFile -update\n")
	for n, role := range multus.InstallerRBAC(multus.Config{}) {
		if n > 0 {
			want.WriteString("---\n")
		}
		text, err := yaml.Marshal(role)
		if err != nil {
			t.Fatal(err)
		}
		want.Write(text)
	}
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// permission is one verb on one resource, with the names of objects that it is
// limited to.
type permission struct {
	namespace, verb, resource string
	names                     []string
}

// permissions takes InstallerRBAC apart.
func permissions(config multus.Config) []permission {
	var out []permission
	add := func(namespace string, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, verb := range rule.Verbs {
				out = append(out, permission{namespace, verb, rule.Resources[0], rule.ResourceNames})
			}
		}
	}
	for _, object := range multus.InstallerRBAC(config) {
		switch role := object.(type) {
		case *rbacv1.ClusterRole:
			add("", role.Rules)
		case *rbacv1.Role:
			add(role.Namespace, role.Rules)
		}
	}
	return out
}

func TestInstallerRBACNames(t *testing.T) {
	config := multus.Config{Namespace: "networks", ArchImages: map[string]string{"arm64": "registry.example.com/multus:arm64"}}
	all := permissions(config)
	for _, want := range []permission{
		{"", "patch", "namespaces", []string{"networks"}},
		{"networks", "patch", "daemonsets", []string{"kube-multus-ds", "kube-multus-ds-arm64"}},
	} {
		if !slices.ContainsFunc(all, func(p permission) bool { return cmp.Equal(p, want, cmp.AllowUnexported(permission{})) }) {
			t.Errorf("no permission %+v", want)
		}
	}
	for _, p := range permissions(multus.Config{}) {
		if p.resource == "namespaces" && p.verb != "get" {
			t.Errorf("%s %s: kube-system is not ours to write", p.verb, p.resource)
		}
		ours := len(p.names) > 0 && !slices.ContainsFunc(p.names, func(name string) bool {
			return name != "multus-cni-config" && !strings.HasPrefix(name, "kube-multus-ds-")
		})
		if p.verb == "*" || p.resource == "*" || p.verb == "delete" && !ours {
			t.Errorf("%s %s is too much", p.verb, p.resource)
		}
	}
}

// TestMissingPermissions: whatever one permission is missing, Plan works and
// names it, verb by verb.
func TestMissingPermissions(t *testing.T) {
	config := multus.Config{Namespace: "networks"}
	for _, installed := range []bool{false, true} {
		for _, p := range permissions(config) {
			if p.verb == "delete" {
				continue // asked for where there is something to delete: TestRetireForbidden, TestThinMultus
			}
			cluster := simulate(t, multustest.Options{PrimaryCNI: "cilium"})
			if installed {
				install(t, cluster, multus.Config{Namespace: "networks", Version: "v4.2.4"}, multus.InstallOptions{})
			}
			cluster.Forbid(p.verb, p.resource)
			plan := planOf(t, cluster, config)
			if !slices.ContainsFunc(plan.Findings, p.isMissing) {
				t.Errorf("installed %t, without %s %s: findings %v", installed, p.verb, p.resource, plan.Findings)
			}
			for _, f := range plan.Findings {
				if f.Code == "multus/permission" && !strings.Contains(f.Message, " "+p.verb+" "+p.resource) {
					t.Errorf("without %s %s: %v", p.verb, p.resource, f)
				}
			}
			mayRead := p.verb != "get" || !slices.Contains([]string{"customresourcedefinitions", "serviceaccounts", "clusterroles", "clusterrolebindings", "configmaps", "namespaces"}, p.resource)
			if mayRead && !plan.Changed() {
				t.Errorf("installed %t, without %s %s: no change is planned", installed, p.verb, p.resource)
			}
		}
	}
}

// isMissing reports whether a finding names the permission.
func (p permission) isMissing(f multihome.Finding) bool {
	ok := f.Code == "multus/permission" && f.Severity == "error" && strings.HasPrefix(f.Message, "the client may not "+p.verb+" "+p.resource)
	for _, name := range p.names {
		ok = ok && (len(p.names) > 1 || strings.Contains(f.Message, " "+name))
	}
	return ok && strings.HasSuffix(f.Message, strings.TrimSuffix(" in namespace "+p.namespace, " in namespace "))
}

// TestInstallWithoutPermission: an Install without one fails and says which,
// or did not need it, and goes on once it is there.
func TestInstallWithoutPermission(t *testing.T) {
	// What the simulated cluster does not look at, and what only detection,
	// a plan, an upgrade or a stuck rollout ask for.
	unneeded := []string{
		"escalate clusterroles", "bind clusterroles", "list nodes", "list daemonsets", "delete daemonsets", "delete configmaps", "list events", "list pods", "list ciliumnodeconfigs",
		"get namespaces", "get serviceaccounts", "get clusterroles", "get clusterrolebindings", "get configmaps",
	}
	for _, p := range permissions(multus.Config{}) {
		t.Run(p.verb+" "+p.resource, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{PrimaryCNI: "cilium"})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				cluster.Forbid(p.verb, p.resource)
				_, err := newInstaller(t, cluster.Client(), onFlannel).Install(ctx, multus.InstallOptions{})
				switch {
				case slices.Contains(unneeded, p.verb+" "+p.resource):
					if err != nil {
						t.Errorf("error %v, want none", err)
					}
				case !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), p.resource):
					t.Errorf("error %v, want that %s is forbidden", err, p.resource)
				case p.verb == "create" && !strings.Contains(err.Error(), "Plan lists every permission that is missing"):
					t.Errorf("error %v does not say what to do", err)
				}
				cluster.Allow(p.verb, p.resource)
				install(t, cluster, onFlannel, multus.InstallOptions{})
				mustBeHealthy(t, cluster, onFlannel)
			})
		})
	}
}
