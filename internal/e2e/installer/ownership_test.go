package installer_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
)

func TestConflictThenForce(t *testing.T) {
	fresh(t)
	c, _ := newClient(t, server.Config())
	config := multus.Config{Platform: flannel}
	install(t, c, config, multus.InstallOptions{NoWait: true})

	settings := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "kube-system", Name: "multus-daemon-config"}, settings); err != nil {
		t.Fatal(err)
	}
	settings.Data["daemon-config.json"] = `{"logLevel":"debug"}`
	if err := c.Update(t.Context(), settings, client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
	before := resourceVersions(objects(t, c, config))

	_, err := newInstaller(t, c, config).Install(t.Context(), multus.InstallOptions{NoWait: true})
	conflict, ok := as[*multus.ConflictError](err)
	if !ok {
		t.Fatalf("install: %v, want a ConflictError", err)
	}
	want := []multus.Change{{
		Object: "ConfigMap kube-system/multus-daemon-config", Action: multus.ActionUpdate,
		Conflicts: []multus.Conflict{{Path: "data.daemon-config.json", Manager: "kubectl-edit"}},
	}}
	for i := range conflict.Changes {
		conflict.Changes[i].Fields = nil
	}
	if diff := cmp.Diff(want, conflict.Changes); diff != "" {
		t.Errorf("conflicts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, resourceVersions(objects(t, c, config))); diff != "" {
		t.Errorf("a refused install wrote (-before +after):\n%s", diff)
	}

	install(t, c, config, multus.InstallOptions{NoWait: true, Conflicts: multus.ConflictForce})
	mustSettle(t, c, config)
}

// mustSettle fails the test if another install would write.
func mustSettle(t *testing.T, c client.Client, config multus.Config) {
	t.Helper()
	plan, err := newInstaller(t, c, config).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if plan.Changed() {
		t.Errorf("another install would write:\n%s", plan)
	}
}

// TestAdopt takes over what others installed, each the way it writes, and
// ends with an installation that is ours alone and as if made from empty.
func TestAdopt(t *testing.T) {
	tests := []struct {
		name  string
		write func(t *testing.T, c client.Client, object *unstructured.Unstructured)
	}{
		{"kubectl apply", kubectlApply},
		{"helm", func(t *testing.T, c client.Client, object *unstructured.Unstructured) {
			object.SetLabels(with(object.GetLabels(), "app.kubernetes.io/managed-by", "Helm"))
			object.SetAnnotations(with(object.GetAnnotations(), "meta.helm.sh/release-name", "multus"))
			create(t, c, object, "helm")
		}},
		{"talos inline manifests", func(t *testing.T, c client.Client, object *unstructured.Unstructured) {
			object.SetAnnotations(with(object.GetAnnotations(), "config.k8s.io/owning-inventory", "talos-bootstrap-manifests-inventory"))
			if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("talos")); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fresh(t, threeNodes()...)
			c, _ := newClient(t, server.Config())
			config := multus.Config{Platform: flannel}
			for _, object := range upstream(t, "v4.2.2") {
				test.write(t, c, object)
			}
			network := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
				"metadata": map[string]any{"name": "lan", "namespace": "default"},
				"spec":     map[string]any{"config": `{"cniVersion":"0.3.1","type":"bridge"}`},
			}}
			eventually(t, func() error { return c.Create(t.Context(), network.DeepCopy()) })

			_, err := newInstaller(t, c, config).Install(t.Context(), multus.InstallOptions{NoWait: true})
			if _, ok := as[*multus.ConflictError](err); !ok {
				t.Fatalf("install over it: %v, want a ConflictError", err)
			}
			install(t, c, config, multus.InstallOptions{Conflicts: multus.ConflictAdopt})

			adopted := objects(t, c, config)
			for name, object := range adopted {
				if got := owners(object); len(got) > 1 || len(got) == 1 && got[0] != multus.FieldManager {
					t.Errorf("%s is owned by %v, want %s alone", name, got, multus.FieldManager)
				}
			}
			mustBeHealthy(t, c, config)
			mustSettle(t, c, config)
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(network), network); err != nil {
				t.Errorf("the user's network is gone: %v", err)
			}
			got := contents(adopted)
			if err := server.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			install(t, c, config, multus.InstallOptions{NoWait: true})
			if diff := cmp.Diff(contents(objects(t, c, config)), got); diff != "" {
				t.Errorf("adopted objects differ from new ones (-new +adopted):\n%s", diff)
			}
		})
	}
}

// upstream is the manifest as upstream ships it.
func upstream(t *testing.T, version string) []*unstructured.Unstructured {
	t.Helper()
	config := multus.Config{Version: version}
	for _, fix := range multus.Fixes() {
		config.Skip = append(config.Skip, fix.Name)
	}
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	var out []*unstructured.Unstructured
	for _, object := range bundle.Objects() {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			t.Fatal(err)
		}
		delete(content, "status")
		out = append(out, &unstructured.Unstructured{Object: content})
	}
	return out
}

// kubectlApply creates an object as kubectl's client-side apply does.
func kubectlApply(t *testing.T, c client.Client, object *unstructured.Unstructured) {
	t.Helper()
	applied, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	object.SetAnnotations(with(object.GetAnnotations(), corev1.LastAppliedConfigAnnotation, string(applied)))
	create(t, c, object, "kubectl-client-side-apply")
}

func create(t *testing.T, c client.Client, object *unstructured.Unstructured, manager string) {
	t.Helper()
	if err := c.Create(t.Context(), object, client.FieldOwner(manager)); err != nil {
		t.Fatal(err)
	}
}

func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

// TestLeftoverIsNotOverwritten: a ClusterRole that somebody left behind is not
// taken, although a first install does not read it.
func TestLeftoverIsNotOverwritten(t *testing.T) {
	fresh(t)
	c, _ := newClient(t, server.Config())
	for _, object := range upstream(t, "v4.0.2") {
		if object.GetKind() == "ClusterRole" {
			kubectlApply(t, c, object)
		}
	}
	_, err := newInstaller(t, c, multus.Config{Platform: flannel}).Install(t.Context(), multus.InstallOptions{NoWait: true})
	if _, ok := as[*multus.ConflictError](err); !ok || !strings.Contains(err.Error(), "ClusterRole multus rules is owned by kubectl-client-side-apply") {
		t.Fatalf("install: %v, want a ConflictError that names the rules and kubectl", err)
	}
	install(t, c, multus.Config{Platform: flannel}, multus.InstallOptions{NoWait: true, Conflicts: multus.ConflictAdopt})
	mustSettle(t, c, multus.Config{Platform: flannel})
}
