package installer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/multus"
)

// everything is an uninstall that leaves nothing.
var everything = multus.UninstallOptions{RemoveCRD: true, RemoveNADs: true}

func uninstall(t *testing.T, c client.Client, config multus.Config, options multus.UninstallOptions) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := newInstaller(t, c, config).Uninstall(ctx, options); err != nil {
		t.Fatalf("uninstall: %v", err)
	}
}

// traces names what is left of an installation and of the cleaner.
func traces(t *testing.T, c client.Client, config multus.Config) []string {
	t.Helper()
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, object := range bundle.Objects() {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
		err := c.Get(t.Context(), client.ObjectKeyFromObject(object), live)
		if client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
		if err == nil {
			out = append(out, live.GetKind())
		}
	}
	for _, list := range []client.ObjectList{&appsv1.DaemonSetList{}, &corev1.PodList{}} {
		if err := c.List(t.Context(), list, client.InNamespace("kube-system")); err != nil {
			t.Fatal(err)
		}
		switch list := list.(type) {
		case *appsv1.DaemonSetList:
			for _, item := range list.Items {
				out = append(out, item.Name)
			}
		case *corev1.PodList:
			for _, item := range list.Items {
				out = append(out, item.Name)
			}
		}
	}
	return out
}

func aNAD() *unstructured.Unstructured {
	nad := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"config": `{"cniVersion":"0.3.1","type":"bridge"}`}}}
	nad.SetAPIVersion("k8s.cni.cncf.io/v1")
	nad.SetKind("NetworkAttachmentDefinition")
	nad.SetNamespace(metav1.NamespaceDefault)
	nad.SetName("lan")
	return nad
}

// TestUninstall: from every manifest nothing is left but CRD and NADs, not even
// a pod, and another install works.
func TestUninstall(t *testing.T) {
	fresh(t, threeNodes()...)
	c, record := newClient(t, server.Config())
	for _, version := range []string{"v4.0.2", "v4.2.0", "v4.3.0"} {
		config := multus.Config{Version: version, Platform: multus.Platform{Talos: "v1.13.9", PrimaryCNI: "flannel", Architectures: []string{"amd64"}}}
		install(t, c, config, multus.InstallOptions{})
		if err := client.IgnoreAlreadyExists(c.Create(t.Context(), aNAD())); err != nil {
			t.Fatal(err)
		}
		record.Reset()
		uninstall(t, c, config, multus.UninstallOptions{})
		t.Logf("%s: %d requests: %v", version, len(asked(record)), asked(record))
		if left := traces(t, c, config); len(left) != 1 || left[0] != "CustomResourceDefinition" {
			t.Errorf("%s: left: %q", version, left)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(aNAD()), aNAD()); err != nil {
			t.Errorf("%s: the NAD: %v", version, err)
		}
	}
	uninstall(t, c, multus.Config{Platform: flannel}, everything)
	if left := traces(t, c, multus.Config{Platform: flannel}); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestUninstallCutAnywhere ends an uninstall after each of its requests in
// turn. A second one must finish it.
func TestUninstallCutAnywhere(t *testing.T) {
	fresh(t)
	quiet, _ := newClient(t, server.Config())
	config := multus.Config{Platform: flannel}
	for cut := 1; ; cut++ {
		if err := server.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.AddNodes(t.Context(), threeNodes()[:1]...); err != nil {
			t.Fatal(err)
		}
		install(t, quiet, config, multus.InstallOptions{})
		finished, err := cutAfter(t, cut, func(ctx context.Context, c client.Client) error {
			return newInstaller(t, c, config).Uninstall(ctx, everything)
		})
		if finished {
			if err != nil {
				t.Fatalf("undisturbed: %v", err)
			}
			t.Logf("cut after each of %d requests", cut-1)
			return
		}
		uninstall(t, quiet, config, everything)
		if left := traces(t, quiet, config); len(left) > 0 {
			t.Errorf("cut after request %d and uninstalled again: left: %q", cut, left)
		}
	}
}

// useUninstall uninstalls with and without NADs, as a user who has these roles,
// and returns what went wrong for lack of a permission. What is missing is told
// beforehand; then the uninstall is tried all the same.
func useUninstall(t *testing.T, config multus.Config, roles []client.Object) string {
	t.Helper()
	server.ResetAfter(t)
	if err := server.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.AddNodes(t.Context(), threeNodes()[0]); err != nil {
		t.Fatal(err)
	}
	server.StartKubelets(t, kubetest.KubeletOptions{})
	admin, _ := newClient(t, server.Config())
	install(t, admin, config, multus.InstallOptions{NoWait: true})
	createAll(t, admin, bindings("kube-system", roles))
	c, _ := newClient(t, server.User(installerUser))
	installer := newInstaller(t, c, config)
	options := multus.UninstallOptions{RemoveCRD: true, Ignore: []string{"multus/permission"}}

	// Nothing starts a pod here, so that the reason is asked for.
	quota(t, admin, "kube-system")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	options.Progress = func(e multus.Event) {
		if e.Type == multus.EventNodeStuck {
			time.AfterFunc(2*time.Second, cancel) // it asks for nodes first
		}
	}
	err := installer.Uninstall(ctx, options)
	unclean, ok := as[*multus.UninstallError](err)
	if !ok {
		return fmt.Sprintf("uninstall: %v", err)
	}
	if !errors.Is(err, context.Canceled) || unclean.Nodes[0].Problem.Code != "multus/pods-refused" {
		return "uninstall does not tell why no pod is made: " + err.Error()
	}
	if err := admin.DeleteAllOf(t.Context(), &corev1.ResourceQuota{}, client.InNamespace("kube-system")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	options.Progress = nil
	if err := installer.Uninstall(ctx, options); err != nil {
		return "uninstall again: " + err.Error()
	}
	return ""
}
