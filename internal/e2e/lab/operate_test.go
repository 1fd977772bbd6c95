package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

const (
	multusConfig = "/etc/cni/net.d/00-multus.conf"
	multusShim   = "/opt/cni/bin/multus-shim"
)

// TestNodeRestart: what a power cut leaves of a node's file system, by layout, and that Multus works again. Where its
// configuration stays, the pods of the node wait for Multus; where it goes, Audit names those that did not.
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
			create(t, kube, nad("second", bridgeConfig))
			user := lab.Pod("user", "second")
			create(t, kube, user)
			sandbox := running(t, c, user).Status.ContainerStatuses[0].ContainerID
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
			pod := lab.Pod("second", "second")
			create(t, kube, pod)
			if got := networkStatus(t, running(t, c, pod))["net1"].Name; got != "default/second" {
				t.Errorf("net1 is of %q, want default/second", got)
			}
			eventually(t, "the pod from before is made again", func(context.Context) error {
				if running(t, c, user).Status.ContainerStatuses[0].ContainerID == sandbox {
					return errors.New("its container is the one from before")
				}
				return nil
			})
			checkAfterRestart(t, c, kube, user, tt.kept[multusConfig])
		})
	}
}

// checkAfterRestart: a pod has its network again, or Audit says that it has not.
func checkAfterRestart(t *testing.T, c *lab.Cluster, kube client.Client, pod *corev1.Pod, waits bool) {
	t.Helper()
	if len(addresses(t, c, pod)["net1"]) > 0 {
		mustBeWell(t, kube, multus.Config{})
		return
	}
	if waits {
		t.Errorf("%s was to wait for Multus, and runs without it", pod.Name)
	}
	report := audit(lab.Context(t), t, kube, multus.AuditOptions{})
	if len(report.Pods) != 1 || report.Pods[0].Name != pod.Name || report.Pods[0].Cause.Code != "multus/stale-status" {
		t.Errorf("%s runs without its network, and the audit says:\n%s", pod.Name, report)
	}
	t.Log(report)
}

// TestTwoNodes: pods of two nodes reach each other, and a node can be down while the other works. Status names it.
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
	eventually(t, "Status tells that the node is down", func(ctx context.Context) error {
		return statusHas(ctx, t, kube, "multus/node-down")
	})
	if report := audit(lab.Context(t), t, kube, multus.AuditOptions{}); !report.Clean() {
		t.Errorf("audit while a node is down, on which the pods have what they asked for:\n%s", report)
	}
	if err := down.Start(lab.Context(t)); err != nil {
		t.Fatal(err)
	}
	running(t, c, far) // the kubelet makes it again
	mustBeWell(t, kube, multus.Config{})
}

// TestFailures: what an operator breaks on a node, what Status and Audit say meanwhile, and how it comes back by
// itself.
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
		kill := func() {
			if err := node.Kill(lab.Context(t), "multus-daemon", syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		vigil := watch(t, node)
		kill() // the kubelet starts it again at once
		works(t, "daemon-killed")
		t.Logf("killed once: %s", vigil.stop())
		kill() // now after a pause
		pod := lab.Pod("while-killed", "second")
		create(t, kube, pod)
		eventually(t, "Status tells of the daemon, and Audit of the pod that waits for it", func(ctx context.Context) error {
			return errors.Join(statusHas(ctx, t, kube, "multus/crash"), auditHas(ctx, t, kube, "multus/crash"))
		})
		if got := networkStatus(t, running(t, c, pod))["net1"].Name; got != "default/second" {
			t.Errorf("net1 of the pod that waited is of %q, want default/second", got)
		}
		if restarts := multusRestarts(t, kube); restarts != 2 {
			t.Errorf("the daemon was restarted %d times, want twice", restarts)
		}
		mustBeWell(t, kube, multus.Config{})
	})
	t.Run("no such process", func(t *testing.T) {
		if err := node.Kill(lab.Context(t), "nonesuch", syscall.SIGKILL); err == nil {
			t.Error("nonesuch was killed")
		}
	})
	t.Run("containerd restarted", func(t *testing.T) {
		if err := node.StopService(lab.Context(t), "containerd"); err != nil {
			t.Fatal(err)
		}
		pod := lab.Pod("without-containerd", "second")
		create(t, kube, pod)
		// The daemon runs and pods keep what they have. The new pod is not lost: it has not begun.
		eventually(t, "Audit tells that a pod is starting", func(ctx context.Context) error {
			report := audit(ctx, t, kube, multus.AuditOptions{})
			if !report.Clean() || report.Starting != 1 {
				return fmt.Errorf("audit: %s", report)
			}
			return nil
		})
		if status := statusOf(lab.Context(t), t, kube, multus.Config{}); slices.ContainsFunc(status.Findings, isError) {
			t.Errorf("status without containerd:\n%s", status)
		}
		if err := node.StartService(lab.Context(t), "containerd"); err != nil {
			t.Fatal(err)
		}
		running(t, c, pod)
		works(t, "containerd-restarted")
		mustBeWell(t, kube, multus.Config{})
	})
	t.Run("API server stopped", func(t *testing.T) {
		c.StopAPIServer()
		var pods corev1.PodList
		if err := kube.List(t.Context(), &pods); err == nil {
			t.Error("the API server answers")
		}
		installer, err := multus.NewInstaller(kube, multus.Config{})
		if err != nil {
			t.Fatal(err)
		}
		_, statusErr := installer.Status(lab.Context(t))
		_, auditErr := installer.Audit(lab.Context(t), multus.AuditOptions{})
		for name, err := range map[string]error{"status": statusErr, "audit": auditErr} {
			if _, unreachable := errors.AsType[net.Error](err); !unreachable || !strings.HasPrefix(err.Error(), "list ") {
				t.Errorf("%s without an API server: %v, want what it was about to list and why it cannot", name, err)
			}
		}
		if err := c.StartAPIServer(lab.Context(t)); err != nil {
			t.Fatal(err)
		}
		works(t, "api-server-stopped")
		mustBeWell(t, kube, multus.Config{})
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

func isError(f multihome.Finding) bool { return f.Severity == multihome.SeverityError }

// multusRestarts counts how often the one daemon of the cluster was restarted.
func multusRestarts(t *testing.T, kube client.Client) int32 {
	t.Helper()
	return multusPod(t, kube).Status.ContainerStatuses[0].RestartCount
}

// multusPod is the one pod of Multus of the cluster.
func multusPod(t *testing.T, kube client.Client) *corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	if err := kube.List(lab.Context(t), &pods, client.InNamespace("kube-system"), client.MatchingLabels{"app": "multus"}); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		t.Fatalf("%d pods of Multus, want one", len(pods.Items))
	}
	return &pods.Items[0]
}
