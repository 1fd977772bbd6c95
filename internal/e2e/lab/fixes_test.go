package lab_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

// The tests here show what a fix of Multus' manifest is for: what happens without it, in words that Explain
// knows, and that the same cluster is well with it. The fix netns is shown by TestGuidesFailure.

// without is a Config that leaves a fix out.
func without(fix string, config multus.Config) multus.Config {
	config.Skip = append(config.Skip, fix)
	return config
}

// TestFixReferencePlugins: Talos has no macvlan.
func TestFixReferencePlugins(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{})
	kube := newClient(t, c)
	install(t, c, kube, without("reference-plugins", multus.Config{}))
	create(t, kube, nad("lan", macvlanConfig))
	pod := lab.Pod("wants-macvlan", "lan")
	create(t, kube, pod)
	fails(t, kube, pod, "network/plugin-missing", `failed to find plugin "macvlan"`)
	install(t, c, kube, multus.Config{})
	running(t, c, pod)
}

// TestFixPrimaryCNI: a configuration that sorts before the primary CNI's is taken for it.
func TestFixPrimaryCNI(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{})
	kube := newClient(t, c)
	other := `{"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "nowhere"}]}`
	if err := c.Nodes()[0].WriteFile(lab.Context(t), "/etc/cni/net.d/05-other.conflist", []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	install(t, c, kube, multus.Config{})
	pod := lab.Pod("plain")
	create(t, kube, pod)
	fails(t, kube, pod, "network/plugin-missing", `failed to find plugin "nowhere"`)
	install(t, c, kube, multus.Config{Platform: multus.Platform{
		Talos: "v1.13.9", PrimaryCNI: "lab", PrimaryCNIConfig: "10-bridge.conflist", PrimaryCNIVersion: "1.0.0",
	}})
	running(t, c, pod)
}

// TestFixRBAC: the manifest of v4.0 does not show a newer daemon the plugins, nor let it see pods.
func TestFixRBAC(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{Multus: []string{"v4.0.2", "v4.3.0"}})
	kube := newClient(t, c)
	mixed := multus.Config{Version: "v4.0.2", Image: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"}
	install(t, c, kube, without("rbac", mixed))
	create(t, kube, nad("second", bridgeConfig))
	pod := lab.Pod("multihomed", "second")
	create(t, kube, pod)
	fails(t, kube, pod, "network/plugin-missing", `failed to find plugin "bridge" in path [/opt/cni/bin]`)
	install(t, c, kube, mixed)
	running(t, c, pod)
}

// TestFixImagePin: upstream's manifest names an image that moves, and a node keeps the one that it has.
func TestFixImagePin(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{Multus: []string{"v4.0.2", "v4.3.0"}}) // snapshot-thick is v4.0.2 here
	kube := newClient(t, c)
	createUpstream(t, kube, "v4.2.1")
	stuck(t, kube, "passthru")
	install(t, c, kube, multus.Config{})
	pod := lab.Pod("plain")
	create(t, kube, pod)
	running(t, c, pod)
}

// TestFixShimInstall: cp cannot overwrite a shim that waits for the daemon, and the daemon cannot start before.
func TestFixShimInstall(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{Multus: []string{"v4.1.4"}})
	kube := newClient(t, c)
	release := multus.Config{Version: "v4.1.4"}
	install(t, c, kube, without("shim-install", release))
	// The daemon is gone without a trace of peace, as after a power cut, and a pod starts before it is back.
	killMultus(t, c, kube)
	pod := lab.Pod("plain")
	create(t, kube, pod)
	awaitShim(t, c.Nodes()[0])
	installer, err := multus.NewInstaller(kube, without("shim-install", release))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := installer.Install(lab.Context(t), multus.InstallOptions{NoWait: true}); err != nil {
		t.Fatal(err)
	}
	stuck(t, kube, "Text file busy")
	install(t, c, kube, release)
	running(t, c, pod)
}

// killMultus deletes the DaemonSet while the daemon cannot hear of it, so that it leaves everything as it was.
func killMultus(t *testing.T, c *lab.Cluster, kube client.Client) {
	t.Helper()
	ctx, n := lab.Context(t), c.Nodes()[0]
	if err := n.StopService(ctx, "kubelet"); err != nil {
		t.Fatal(err)
	}
	if err := n.Kill(ctx, "multus-daemon", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := kube.Delete(ctx, daemonSet()); err != nil {
		t.Fatal(err)
	}
	if err := n.StartService(ctx, "kubelet"); err != nil {
		t.Fatal(err)
	}
}

// awaitShim waits until a shim runs on the node.
func awaitShim(t *testing.T, n *lab.Node) {
	t.Helper()
	eventually(t, "a shim on "+n.Name(), func(ctx context.Context) error {
		_, err := n.Run(ctx, "sh", "-c", "grep -qsx multus-shim /proc/[0-9]*/comm")
		return err
	})
}

// fails waits until the pod cannot start for a reason in which text is, and Explain knows it by code.
func fails(t *testing.T, kube client.Client, pod *corev1.Pod, code, text string) {
	t.Helper()
	var said string
	eventually(t, "pod "+pod.Name+" fails for "+text, func(ctx context.Context) error {
		events := &corev1.EventList{}
		if err := kube.List(ctx, events, client.InNamespace(pod.Namespace), client.MatchingFields{"involvedObject.name": pod.Name}); err != nil {
			return err
		}
		for _, event := range events.Items {
			if said = event.Message; event.Reason == "FailedCreatePodSandBox" && strings.Contains(said, text) {
				return nil
			}
		}
		return fmt.Errorf("last event %q", said)
	})
	if found, _ := multus.Explain(said); found.Code != code {
		t.Errorf("Explain(%q) = %s, want %s", said, found, code)
	}
}

// stuck waits until a container of Multus has failed with text in its message.
func stuck(t *testing.T, kube client.Client, text string) {
	t.Helper()
	eventually(t, "Multus fails for "+text, func(ctx context.Context) error {
		pods := &corev1.PodList{}
		if err := kube.List(ctx, pods, client.InNamespace("kube-system"), client.MatchingLabels{"app": "multus"}); err != nil {
			return err
		}
		var said []string
		for _, pod := range pods.Items {
			for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
				for _, ended := range []*corev1.ContainerStateTerminated{status.State.Terminated, status.LastTerminationState.Terminated} {
					if ended != nil && strings.Contains(ended.Message, text) {
						return nil
					}
					if ended != nil {
						said = append(said, ended.Message)
					}
				}
			}
		}
		return fmt.Errorf("containers ended with %q", said)
	})
}

// eventually tries until do succeeds.
func eventually(t *testing.T, what string, do func(context.Context) error) {
	t.Helper()
	ctx := lab.Context(t)
	for {
		err := do(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
