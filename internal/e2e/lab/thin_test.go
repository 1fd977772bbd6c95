package lab_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/internal/manifest"
	"github.com/multihome/multihome/multus"
)

// What thin Multus leaves on a node: a configuration that lets the runtime call a plugin whose credentials have ended
// with its pod.
const (
	thinBinary      = "/opt/cni/bin/multus"
	thinConfig      = "/etc/cni/net.d/00-multus.conflist"
	thinCredentials = "/etc/cni/net.d/multus.d/multus.kubeconfig"
)

// TestThinToThick: an install turns thin Multus, which kubectl applied, into thick Multus while pods run on it. An
// uninstall then leaves the node as it was before both.
func TestThinToThick(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{Thin: true, Multus: []string{"v4.3.0"}})
	node, kube := c.Nodes()[0], newClient(t, c)
	before := snapshots(t, c)
	objects := applyThin(t, c, kube)
	create(t, kube, nad("second", bridgeConfig), nad("lan", macvlanConfig))
	talk := startTalk(t, c, kube)
	nadsBefore := networksOf(t, kube)
	statusHasThin(t, kube)

	install(t, c, kube, multus.Config{})
	after := lab.Pod("after", "lan", "second")
	create(t, kube, after)
	status := networkStatus(t, running(t, c, after))
	if status["net1"].Name != "default/lan" || status["net2"].Name != "default/second" {
		t.Errorf("network-status of a new pod %+v, want net1 of lan and net2 of second", status)
	}
	talk.check(t, c)
	if diff := cmp.Diff(nadsBefore, networksOf(t, kube)); diff != "" {
		t.Errorf("NADs (-before +after):\n%s", diff)
	}
	nothingThin(t, kube, node, objects)
	mustBeWell(t, kube, multus.Config{})

	talk.end(t, kube)
	if err := kube.Delete(lab.Context(t), after); err != nil {
		t.Fatal(err)
	}
	gone(t, kube, after)
	uninstall(t, kube, multus.UninstallOptions{RemoveCRD: true, RemoveNADs: true})
	mustBeAsBefore(t, c, kube, before)
}

// applyThin does what kubectl does with upstream's manifest of thin Multus, waits until it works and returns its
// objects.
func applyThin(t *testing.T, c *lab.Cluster, kube client.Client) []*unstructured.Unstructured {
	t.Helper()
	text, err := lab.ThinManifest(lab.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		content, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		annotate(object, corev1.LastAppliedConfigAnnotation, string(content))
		if err := kube.Create(lab.Context(t), object, client.FieldOwner("kubectl-client-side-apply")); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range c.Nodes() {
		if err := n.AwaitFile(lab.Context(t), thinConfig); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}

// statusHasThin: before the install Status tells what is there.
func statusHasThin(t *testing.T, kube client.Client) {
	t.Helper()
	if err := statusHas(lab.Context(t), t, kube, "multus/thin"); err != nil {
		t.Error(err)
	}
}

// nothingThin: what made thin Multus thin is gone, from the cluster and from the node, and all is ours.
func nothingThin(t *testing.T, kube client.Client, node *lab.Node, objects []*unstructured.Unstructured) {
	t.Helper()
	ds := &appsv1.DaemonSet{}
	if err := kube.Get(lab.Context(t), client.ObjectKeyFromObject(daemonSet()), ds); err != nil {
		t.Fatal(err)
	}
	for _, container := range ds.Spec.Template.Spec.Containers {
		if len(container.Args) > 0 || strings.Contains(strings.Join(container.Command, " "), "thin") {
			t.Errorf("container %s still has command %q and arguments %q", container.Name, container.Command, container.Args)
		}
	}
	for _, volume := range ds.Spec.Template.Spec.Volumes {
		if volume.ConfigMap != nil && volume.ConfigMap.Name == "multus-cni-config" {
			t.Errorf("volume %s is still of thin Multus", volume.Name)
		}
	}
	for _, object := range objects {
		err := kube.Get(lab.Context(t), client.ObjectKeyFromObject(object), object)
		if object.GetKind() == "ConfigMap" { // of another name than ours
			if !apierrors.IsNotFound(err) {
				t.Errorf("ConfigMap %s: error %v, want that it is not found", object.GetName(), err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if owners := specOwners(object); len(owners) > 0 {
			t.Errorf("%s %s belongs to %q too", object.GetKind(), object.GetName(), owners)
		}
	}
	files, err := node.Files(lab.Context(t), thinConfig, thinCredentials, thinBinary)
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		t.Errorf("%s is still on the node", name)
	}
}

// networksOf returns the configurations of all NADs.
func networksOf(t *testing.T, kube client.Client) map[string]string {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("k8s.cni.cncf.io/v1")
	list.SetKind("NetworkAttachmentDefinitionList")
	if err := kube.List(lab.Context(t), list); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, item := range list.Items {
		out[item.GetNamespace()+"/"+item.GetName()], _, _ = unstructured.NestedString(item.Object, "spec", "config")
	}
	return out
}
