package multus_test

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		removeToolbox()
		os.Exit(status)
	}))
}

// onFlannel is the platform of a simulated cluster that is not told otherwise.
// Given, it saves the requests of detection.
var onFlannel = multus.Config{Platform: multus.Platform{
	Talos: "v1.13.9", PrimaryCNI: "flannel", Architectures: []string{"amd64"},
}}

// withVersion is onFlannel with another release.
func withVersion(version string) multus.Config {
	config := onFlannel
	config.Version = version
	return config
}

// simulate starts a cluster or ends the test.
func simulate(tb testing.TB, o multustest.Options) *multustest.Cluster {
	tb.Helper()
	cluster, err := multustest.NewCluster(o)
	if err != nil {
		tb.Fatal(err)
	}
	return cluster
}

// threeNodes are nodes a, b and c.
func threeNodes() []multustest.Node { return []multustest.Node{{Name: "a"}, {Name: "b"}, {Name: "c"}} }

func newInstaller(tb testing.TB, c client.Client, config multus.Config) *multus.Installer {
	tb.Helper()
	installer, err := multus.NewInstaller(c, config)
	if err != nil {
		tb.Fatal(err)
	}
	return installer
}

// install installs or ends the test.
func install(tb testing.TB, cluster *multustest.Cluster, config multus.Config, options multus.InstallOptions) *multus.Result {
	tb.Helper()
	result, err := newInstaller(tb, cluster.Client(), config).Install(tb.Context(), options)
	if err != nil {
		tb.Fatal(err)
	}
	return result
}

func planOf(tb testing.TB, cluster *multustest.Cluster, config multus.Config) *multus.Plan {
	tb.Helper()
	plan, err := newInstaller(tb, cluster.Client(), config).Plan(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

func statusOf(tb testing.TB, cluster *multustest.Cluster, config multus.Config) *multus.Status {
	tb.Helper()
	status, err := newInstaller(tb, cluster.Client(), config).Status(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return status
}

// mustBeHealthy ends the test unless Multus is installed as wanted, and
// another install would write nothing.
func mustBeHealthy(tb testing.TB, cluster *multustest.Cluster, config multus.Config) {
	tb.Helper()
	if status := statusOf(tb, cluster, config); !status.Healthy() {
		tb.Fatalf("not healthy: %s", status)
	}
	cluster.ResetRequests()
	if result := install(tb, cluster, config, multus.InstallOptions{}); result.Changed() || len(writes(cluster)) > 0 {
		tb.Fatalf("another install changes %v and sends %v", result.Changes, writes(cluster))
	}
}

// requests lists what the cluster was asked since the last reset.
func requests(cluster *multustest.Cluster) []string {
	var out []string
	for _, r := range cluster.Requests() {
		out = append(out, r.String())
	}
	return out
}

func writes(cluster *multustest.Cluster) []string {
	var out []string
	for _, r := range cluster.Requests() {
		if r.IsWrite() {
			out = append(out, r.String())
		}
	}
	return out
}

// actions lists what happened to each object.
func actions(changes []multus.Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.Object+" "+string(c.Action))
	}
	return out
}

// live reads what an installation consists of, by the name that a Change has.
func live(tb testing.TB, cluster *multustest.Cluster, config multus.Config) map[string]*unstructured.Unstructured {
	tb.Helper()
	out := map[string]*unstructured.Unstructured{}
	for _, object := range manifestObjects(tb, config) {
		err := cluster.Client().Get(context.Background(), client.ObjectKeyFromObject(object), object)
		if client.IgnoreNotFound(err) != nil {
			tb.Fatal(err)
		}
		if err == nil {
			out[object.GetKind()] = object
		}
	}
	return out
}

// manifestObjects renders config as kubectl would send it.
func manifestObjects(tb testing.TB, config multus.Config) []*unstructured.Unstructured {
	tb.Helper()
	bundle, err := multus.Render(config)
	if err != nil {
		tb.Fatal(err)
	}
	var out []*unstructured.Unstructured
	for _, object := range bundle.Objects() {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			tb.Fatal(err)
		}
		delete(content, "status")
		unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
		unstructured.RemoveNestedField(content, "spec", "template", "metadata", "creationTimestamp")
		out = append(out, &unstructured.Unstructured{Object: content})
	}
	return out
}

// asUpstream is the Config that renders a release as upstream ships it.
func asUpstream(version string) multus.Config {
	config := multus.Config{Version: version}
	for _, fix := range multus.Fixes() {
		config.Skip = append(config.Skip, fix.Name)
	}
	return config
}
