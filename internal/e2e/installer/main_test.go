// Package installer_test proves multus.Installer on a real API server, with the
// real DaemonSet controller and scheduler. Nodes and kubelets are stand-ins.
package installer_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/multus"
)

var server *kubetest.Server

func TestMain(m *testing.M) { kubetest.Main(m, kubetest.Options{Controllers: true}, &server) }

// flannel is a platform that needs no request to be known.
var flannel = multus.Platform{Talos: "v1.13.9", PrimaryCNI: "flannel", Architectures: []string{"amd64", "arm64"}}

// fresh gives the test a cluster with nodes and nothing else.
func fresh(t *testing.T, nodes ...*corev1.Node) {
	t.Helper()
	server.ResetAfter(t)
	if err := server.AddNodes(t.Context(), nodes...); err != nil {
		t.Fatal(err)
	}
	server.StartKubelets(t, kubetest.KubeletOptions{})
}

func threeNodes() []*corev1.Node {
	return []*corev1.Node{kubetest.Node("a", "amd64"), kubetest.Node("b", "amd64"), kubetest.Node("c", "arm64")}
}

// newClient returns a client that watches, with its requests recorded.
func newClient(t *testing.T, config *rest.Config) (client.WithWatch, *kubetest.Record) {
	t.Helper()
	record := &kubetest.Record{}
	config.Wrap(record.Wrap)
	c, err := client.NewWithWatch(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c, record
}

func newInstaller(t *testing.T, c client.Client, config multus.Config) *multus.Installer {
	t.Helper()
	installer, err := multus.NewInstaller(c, config)
	if err != nil {
		t.Fatal(err)
	}
	return installer
}

// patience bounds what takes seconds, so that a test which hangs ends.
const patience = 5 * time.Minute

// install must succeed.
func install(t *testing.T, c client.Client, config multus.Config, options multus.InstallOptions) *multus.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	result, err := newInstaller(t, c, config).Install(ctx, options)
	if err != nil {
		t.Fatalf("install: %v", err)
	}
	return result
}

// mustBeHealthy fails the test unless Multus runs as config says, with no
// drift.
func mustBeHealthy(t *testing.T, c client.Client, config multus.Config) {
	t.Helper()
	status, err := newInstaller(t, c, config).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !status.Healthy() {
		t.Fatalf("not healthy:\n%s%+v", status, status.Rollout)
	}
}

// objects returns the live objects of an installation, by name, as they are
// without what changes by itself.
func objects(t *testing.T, c client.Client, config multus.Config) map[string]*unstructured.Unstructured {
	t.Helper()
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*unstructured.Unstructured{}
	for _, object := range bundle.Objects() {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), live); err != nil {
			t.Fatal(err)
		}
		out[live.GetKind()+" "+live.GetName()] = live
	}
	return out
}

// content is an object without what the API server counts and stamps.
func content(live *unstructured.Unstructured) map[string]any {
	out := live.DeepCopy().Object
	delete(out, "status")
	metadata := out["metadata"].(map[string]any)
	for _, key := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
		delete(metadata, key)
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	delete(annotations, "deprecated.daemonset.template.generation")
	return out
}

func contents(live map[string]*unstructured.Unstructured) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, object := range live {
		out[name] = content(object)
	}
	return out
}

func resourceVersions(live map[string]*unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	for name, object := range live {
		out[name] = object.GetResourceVersion()
	}
	return out
}

// owners are the field managers of an object's main resource, sorted.
func owners(live *unstructured.Unstructured) []string {
	found := map[string]bool{}
	for _, entry := range live.GetManagedFields() {
		if entry.Subresource == "" {
			found[entry.Manager] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// asked returns the requests that are not discovery, each as "verb resource",
// dry runs marked.
func asked(record *kubetest.Record) []string {
	var out []string
	for _, r := range record.Requests(func(r kubetest.Request) bool { return !r.IsDiscovery() }) {
		line := r.Verb + " " + resourceOf(r.Path)
		if r.IsDryRun() {
			line += " (dry run)"
		}
		out = append(out, line)
	}
	return out
}

// resourceOf is the resource in an API path.
func resourceOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if parts[0] == "api" {
		parts = parts[2:]
	} else {
		parts = parts[3:]
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	return parts[0]
}

func count(record *kubetest.Record, keep func(kubetest.Request) bool) int {
	return len(record.Requests(keep))
}

// as reports whether err is a T, and returns it.
func as[T error](err error) (T, bool) {
	var target T
	ok := errors.As(err, &target)
	return target, ok
}
