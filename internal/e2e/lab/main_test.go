package lab_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/internal/manifest"
	"github.com/multihome/multihome/multus"
	nads "github.com/multihome/multihome/nad"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard()) // or controller-runtime complains that nobody did
	m.Run()
}

// newClient returns a client that watches.
func newClient(t *testing.T, c *lab.Cluster) client.WithWatch {
	t.Helper()
	kube, err := client.NewWithWatch(c.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return kube
}

func create(t *testing.T, kube client.Client, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := kube.Create(lab.Context(t), object); err != nil {
			t.Fatal(err)
		}
	}
}

// applyUpstream does what kubectl does with upstream's manifest of a release, which is embedded as it is, and waits
// until it works.
func applyUpstream(t *testing.T, c *lab.Cluster, kube client.Client, release string) {
	t.Helper()
	createUpstream(t, kube, release)
	awaitMultus(t, c)
}

func createUpstream(t *testing.T, kube client.Client, release string) {
	t.Helper()
	for _, object := range upstream(t, release) {
		if err := kube.Create(lab.Context(t), object, client.FieldOwner("kubectl-client-side-apply")); err != nil {
			t.Fatal(err)
		}
	}
}

// upstream is the manifest of a release as it is embedded.
func upstream(t *testing.T, release string) []*unstructured.Unstructured {
	t.Helper()
	yaml, err := os.ReadFile(filepath.Join("..", "..", "..", "multus", "manifests", release+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Parse(yaml)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// install must succeed, also over what kubectl applied.
func install(t *testing.T, c *lab.Cluster, kube client.Client, config multus.Config) {
	t.Helper()
	installer, err := multus.NewInstaller(kube, config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = installer.Install(lab.Context(t), multus.InstallOptions{
		Conflicts: multus.ConflictAdopt,
		Progress:  func(e multus.Event) { t.Log(e) },
	})
	if err != nil {
		t.Fatalf("install: %v", err)
	}
	for _, n := range c.Nodes() { // by the fix startup: a pod that is made now gets its networks
		if _, err := n.ReadFile(lab.Context(t), multusConfig); err != nil {
			t.Errorf("installed, and %v", err)
		}
	}
}

// awaitMultus waits until the nodes' runtimes call Multus: a daemon writes its file once it serves, which is a
// second or two after its pod is ready.
func awaitMultus(t *testing.T, c *lab.Cluster) {
	t.Helper()
	for _, n := range c.Nodes() {
		if err := n.AwaitFile(lab.Context(t), multusConfig); err != nil {
			t.Fatal(err)
		}
	}
}

// running waits for the pod to be ready.
func running(t *testing.T, c *lab.Cluster, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	live, err := c.AwaitRunning(lab.Context(t), pod)
	if err != nil {
		t.Fatal(err)
	}
	return live
}

// networkStatus is what Multus says that the pod got, by interface.
func networkStatus(t *testing.T, pod *corev1.Pod) map[string]netattdefv1.NetworkStatus {
	t.Helper()
	all, err := nads.Status(pod)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]netattdefv1.NetworkStatus{}
	for _, status := range all {
		out[status.Interface] = status
	}
	return out
}

// nad returns a NetworkAttachmentDefinition in namespace default.
func nad(name, config string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"config": config}}}
	object.SetAPIVersion("k8s.cni.cncf.io/v1")
	object.SetKind("NetworkAttachmentDefinition")
	object.SetNamespace(metav1.NamespaceDefault)
	object.SetName(name)
	return object
}

// Secondary networks with which the tests ask for interfaces.
const (
	macvlanConfig = `{"cniVersion": "1.0.0", "name": "lan", "type": "macvlan", "master": "eth0", "mode": "bridge",
		"ipam": {"type": "host-local", "subnet": "192.168.77.0/24", "rangeStart": "192.168.77.10"}}`
	bridgeConfig = `{"cniVersion": "1.0.0", "name": "second", "type": "bridge", "bridge": "br-second",
		"ipam": {"type": "host-local", "subnet": "192.168.88.0/24", "rangeStart": "192.168.88.10"}}`
)

// addresses returns the pod's IPv4 addresses by interface, as it sees them itself.
func addresses(t *testing.T, c *lab.Cluster, pod *corev1.Pod) map[string][]string {
	t.Helper()
	seen, err := c.PodNetwork(lab.Context(t), pod)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, i := range seen.Interfaces {
		for _, a := range i.Addresses {
			if prefix, err := netip.ParsePrefix(a); err == nil && prefix.Addr().Is4() {
				out[i.Name] = append(out[i.Name], a)
			}
		}
	}
	return out
}

// defaultRoutes returns the interfaces of the pod's default routes.
func defaultRoutes(t *testing.T, c *lab.Cluster, pod *corev1.Pod) []string {
	t.Helper()
	seen, err := c.PodNetwork(lab.Context(t), pod)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range seen.Routes {
		if r.Destination == "0.0.0.0/0" {
			out = append(out, r.Interface)
		}
	}
	return out
}

// on puts a pod on a node.
func on(node *lab.Node, pod *corev1.Pod) *corev1.Pod {
	pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: node.Name()}
	return pod
}

// nodesOf counts the nodes of the cluster that a kubeconfig leads to.
func nodesOf(t *testing.T, kubeconfig string) int {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	kube, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var nodes corev1.NodeList
	if err := kube.List(lab.Context(t), &nodes); err != nil {
		t.Fatal(err)
	}
	return len(nodes.Items)
}
