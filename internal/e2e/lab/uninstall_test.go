package lab_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

// touched are the directories in which Multus leaves something.
var touched = []string{
	"/etc/cni", "/opt/cni/bin", "/run/multus", "/run/k8s.cni.cncf.io", "/var/lib/cni/multus", "/run/netns",
}

// snapshot is what is in the directories that Multus touches, but for network namespaces, which come and go.
func snapshot(t *testing.T, n *lab.Node) map[string]string {
	t.Helper()
	files, err := n.Files(lab.Context(t), touched...)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name, file := range files {
		if !strings.HasPrefix(name, "/run/netns/cni-") {
			out[name] = file.Mode.String() + " " + string(file.Content)
		}
	}
	return out
}

func snapshots(t *testing.T, c *lab.Cluster) []map[string]string {
	t.Helper()
	var out []map[string]string
	for _, n := range c.Nodes() {
		out = append(out, snapshot(t, n))
	}
	return out
}

// mustBeAsBefore fails the test unless every node is as it was, byte for byte, and starts a pod at once.
func mustBeAsBefore(t *testing.T, c *lab.Cluster, kube client.Client, before []map[string]string) {
	t.Helper()
	for i, n := range c.Nodes() {
		after := snapshot(t, n)
		// Where /var/run is a link, this is where the runtime keeps the namespaces of pods.
		if _, was := before[i]["/run/netns"]; !was {
			delete(after, "/run/netns")
		}
		if diff := cmp.Diff(before[i], after); diff != "" {
			t.Errorf("%s is not as before (-before +after):\n%s", n.Name(), diff)
		}
		pod := on(n, lab.Pod("after-"+n.Name()))
		create(t, kube, pod)
		began := time.Now()
		running(t, c, pod)
		t.Logf("%s: a pod after the uninstall is ready after %v", n.Name(), time.Since(began).Round(time.Millisecond))
	}
}

func uninstall(t *testing.T, kube client.Client, options multus.UninstallOptions) {
	t.Helper()
	began := time.Now()
	if err := tryUninstall(lab.Context(t), t, kube, options); err != nil {
		t.Fatalf("uninstall: %v", err)
	}
	t.Logf("uninstalled in %v", time.Since(began).Round(time.Millisecond))
}

func tryUninstall(ctx context.Context, t *testing.T, kube client.Client, options multus.UninstallOptions) error {
	t.Helper()
	installer, err := multus.NewInstaller(kube, multus.Config{})
	if err != nil {
		t.Fatal(err)
	}
	options.Progress = func(e multus.Event) { t.Log(e) }
	return installer.Uninstall(ctx, options)
}

// TestUninstall: nodes are as before the install, whatever had become of Multus by then.
func TestUninstall(t *testing.T) {
	tests := []struct {
		name    string
		version string
		layout  lab.Layout
		before  func(t *testing.T, c *lab.Cluster, kube client.Client)
	}{
		{name: "in peace", version: "v4.3.0", layout: lab.TalosOld},
		{name: "after SIGKILL", version: "v4.3.0", layout: lab.Talos, before: func(t *testing.T, c *lab.Cluster, kube client.Client) {
			// What is left is what keeps every pod of the node from starting.
			killMultus(t, c, kube)
		}},
		{name: "v4.0.2, which never cleans up", version: "v4.0.2", layout: lab.TalosOld},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := lab.New(t, lab.Options{Layout: tt.layout, Multus: []string{tt.version}})
			kube := newClient(t, c)
			before := snapshots(t, c)
			install(t, c, kube, multus.Config{Version: tt.version})
			create(t, kube, nad("lan", macvlanConfig), nad("second", bridgeConfig))
			user := lab.Pod("user", "lan", "second")
			create(t, kube, user)
			running(t, c, user)
			refused(t, kube)
			if err := kube.Delete(lab.Context(t), user); err != nil {
				t.Fatal(err)
			}
			gone(t, kube, user)
			if tt.before != nil {
				tt.before(t, c, kube)
			}
			uninstall(t, kube, multus.UninstallOptions{RemoveCRD: true, RemoveNADs: true})
			mustBeAsBefore(t, c, kube, before)
		})
	}
}

// refused: an uninstall under a pod with networks touches nothing.
func refused(t *testing.T, kube client.Client) {
	t.Helper()
	err := tryUninstall(lab.Context(t), t, kube, multus.UninstallOptions{})
	var preflight *multus.PreflightError
	if !errors.As(err, &preflight) || preflight.Findings[0].Code != "multus/networks-in-use" || preflight.Findings[0].Object != "Pod default/user" {
		t.Fatalf("uninstall under a pod with networks: %v", err)
	}
}

// TestUninstallNodeDown: a node that is down is named; it is cleaned when it is back, and the second call
// finishes.
func TestUninstallNodeDown(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{Nodes: 2})
	kube := newClient(t, c)
	before := snapshots(t, c)
	install(t, c, kube, multus.Config{})
	down := c.Nodes()[1]
	if err := down.Stop(lab.Context(t)); err != nil {
		t.Fatal(err)
	}
	if err := down.AwaitNotReady(lab.Context(t)); err != nil {
		t.Fatal(err)
	}
	err := tryUninstall(lab.Context(t), t, kube, multus.UninstallOptions{})
	var unclean *multus.UninstallError
	if !errors.Is(err, multus.ErrNodesDown) || !errors.As(err, &unclean) || len(unclean.Nodes) != 1 || unclean.Nodes[0].Node != down.Name() {
		t.Fatalf("uninstall with a node down: %v", err)
	}
	if err := down.Start(lab.Context(t)); err != nil {
		t.Fatal(err)
	}
	uninstall(t, kube, multus.UninstallOptions{RemoveCRD: true})
	mustBeAsBefore(t, c, kube, before)
}

func daemonSet() *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-multus-ds"}}
}

// gone waits until a pod is no more.
func gone(t *testing.T, kube client.Client, pod *corev1.Pod) {
	t.Helper()
	eventually(t, "pod "+pod.Name+" is gone", func(ctx context.Context) error {
		err := kube.Get(ctx, client.ObjectKeyFromObject(pod), &corev1.Pod{})
		if err == nil {
			return errors.New("it is there")
		}
		return client.IgnoreNotFound(err)
	})
}
