package lab_test

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

const (
	multusConfig = "/etc/cni/net.d/00-multus.conf"
	multusShim   = "/opt/cni/bin/multus-shim"
)

// TestNodeRestart: what a power cut leaves of a node's file system, by layout, and that Multus works again.
func TestNodeRestart(t *testing.T) {
	tests := []struct {
		name   string
		layout lab.Layout
		// kept says of each path whether it is there right after the boot.
		kept map[string]bool
	}{
		{"Talos 1.13", lab.Talos, map[string]bool{multusConfig: true, multusShim: true, "/run/marker": false, "/var/lib/marker": true}},
		{"Talos 1.14", lab.Talos114, map[string]bool{multusConfig: false, multusShim: true, "/run/marker": false, "/var/lib/marker": true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := lab.New(t, lab.Options{Layout: tt.layout})
			node, kube := c.Nodes()[0], newClient(t, c)
			install(t, c, kube, multus.Config{})
			for _, marker := range []string{"/run/marker", "/var/lib/marker"} {
				if err := node.WriteFile(lab.Context(t), marker, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c.StopAPIServer() // so that nobody starts the daemon, which writes its file again
			if err := errors.Join(node.Stop(lab.Context(t)), node.Boot(lab.Context(t))); err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for path := range tt.kept {
				_, err := node.ReadFile(lab.Context(t), path)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
				got[path] = err == nil
			}
			if diff := cmp.Diff(tt.kept, got); diff != "" {
				t.Errorf("there after the boot (-want +got):\n%s", diff)
			}
			if err := c.StartAPIServer(lab.Context(t)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(node.AwaitReady(lab.Context(t)), node.AwaitFile(lab.Context(t), multusConfig)); err != nil {
				t.Fatal(err)
			}
			create(t, kube, nad("second", bridgeConfig))
			pod := lab.Pod("second", "second")
			create(t, kube, pod)
			if got := networkStatus(t, running(t, c, pod))["net1"].Name; got != "default/second" {
				t.Errorf("net1 is of %q, want default/second", got)
			}
		})
	}
}

// TestTwoNodes: pods of two nodes reach each other, and a node can be down while the other works.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{Nodes: 2})
	kube := newClient(t, c)
	up, down := c.Nodes()[0], c.Nodes()[1]
	install(t, c, kube, multus.Config{})
	create(t, kube, nad("lan", macvlanConfig))
	near, far := on(up, lab.Pod("near", "lan")), on(down, lab.Pod("far", "lan"))
	far.Spec.Containers[0].Args = []string{"listen", "8080"}
	create(t, kube, near, far)
	running(t, c, near)
	to := running(t, c, far).Status.PodIP
	if _, err := c.Exec(lab.Context(t), near, "/podbox", "connect", to+":8080"); err != nil {
		t.Fatal(err)
	}

	if err := errors.Join(down.Stop(lab.Context(t)), down.AwaitNotReady(lab.Context(t))); err != nil {
		t.Fatal(err)
	}
	next := on(up, lab.Pod("next", "lan"))
	create(t, kube, next)
	running(t, c, next)
	if err := down.Start(lab.Context(t)); err != nil {
		t.Fatal(err)
	}
	running(t, c, far) // the kubelet makes it again
}

// TestFailures: what an operator breaks on a node, and how it comes back.
func TestFailures(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{})
	node, kube := c.Nodes()[0], newClient(t, c)
	install(t, c, kube, multus.Config{})
	create(t, kube, nad("second", bridgeConfig))
	works := func(t *testing.T, name string) {
		pod := lab.Pod(name, "second")
		create(t, kube, pod)
		if got := networkStatus(t, running(t, c, pod))["net1"].Name; got != "default/second" {
			t.Errorf("net1 is of %q, want default/second", got)
		}
	}

	t.Run("daemon killed", func(t *testing.T) {
		if err := node.Kill(lab.Context(t), "multus-daemon", syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		works(t, "daemon-killed")
		if restarts := multusRestarts(t, kube); restarts != 1 {
			t.Errorf("the daemon was restarted %d times, want once", restarts)
		}
	})
	t.Run("no such process", func(t *testing.T) {
		if err := node.Kill(lab.Context(t), "nonesuch", syscall.SIGKILL); err == nil {
			t.Error("nonesuch was killed")
		}
	})
	t.Run("containerd restarted", func(t *testing.T) {
		if err := node.RestartService(lab.Context(t), "containerd"); err != nil {
			t.Fatal(err)
		}
		works(t, "containerd-restarted")
	})
	t.Run("API server stopped", func(t *testing.T) {
		c.StopAPIServer()
		var pods corev1.PodList
		if err := kube.List(t.Context(), &pods); err == nil {
			t.Error("the API server answers")
		}
		if err := c.StartAPIServer(lab.Context(t)); err != nil {
			t.Fatal(err)
		}
		works(t, "api-server-stopped")
	})
	t.Run("a program on the node", func(t *testing.T) {
		out, err := node.Run(lab.Context(t), "hostname")
		if err != nil || string(out) != "node-1\n" {
			t.Errorf("hostname: %q, %v, want node-1", out, err)
		}
		_, err = node.Run(lab.Context(t), "cat", "/nonesuch")
		for _, want := range []string{"node-1: cat /nonesuch: exit code 1", "No such file or directory"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q in it", err, want)
			}
		}
		if _, err := node.Run(lab.Context(t), "nonesuch"); err == nil {
			t.Error("nonesuch was run")
		}
	})
	t.Run("the machine's settings", func(t *testing.T) {
		if _, err := node.Run(lab.Context(t), "sh", "-c", "exec 3>>/proc/sys/kernel/threads-max"); err == nil {
			t.Error("the node may change the whole machine")
		}
	})
	t.Run("logs", func(t *testing.T) {
		logs := c.Logs()
		for _, want := range []string{"--- kube-apiserver", "node-1: root/var/log/containerd.log", "node-1: root/var/log/kubelet.log", "multus-daemon started"} {
			if !strings.Contains(logs, want) {
				t.Errorf("logs lack %q", want)
			}
		}
	})
}

// multusRestarts counts how often the one daemon of the cluster was restarted.
func multusRestarts(t *testing.T, kube client.Client) int32 {
	t.Helper()
	var pods corev1.PodList
	if err := kube.List(lab.Context(t), &pods, client.InNamespace("kube-system"), client.MatchingLabels{"app": "multus"}); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		t.Fatalf("%d pods of Multus, want one", len(pods.Items))
	}
	return pods.Items[0].Status.ContainerStatuses[0].RestartCount
}
