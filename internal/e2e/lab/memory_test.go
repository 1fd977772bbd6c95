package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

// burst is how many pods start at once on a node, as after a restart of it. So many plugins at a time are more than
// 50Mi hold; a fast machine has done with some of them before the last begins, which is why the tests have them wait.
const burst = 40

// TestFixMemory: with upstream's limit of 50Mi the daemon is killed when pods start in numbers, because plugins run
// in its cgroup. Status and Audit say so, and with the fix the same pods start without a restart. An uninstall while it
// is being killed leaves the node as before.
func TestFixMemory(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{})
	node, kube := c.Nodes()[0], newClient(t, c)
	before := snapshots(t, c)
	install(t, c, kube, without("memory", multus.Config{}))
	create(t, kube, nad("lan", macvlanConfig))
	if got := daemonMemory(t, kube, node); got.Limit != 50<<20 {
		t.Skipf("not run: the daemon's cgroup has a limit of %d bytes, not of 50Mi", got.Limit)
	}

	began := time.Now()
	answer := holdAddresses(t, node, "lan")
	pods := startBurst(t, kube, node, "killing")
	eventually(t, "Status tells that the daemon was killed", func(ctx context.Context) error { return statusHas(ctx, t, kube, "multus/oom") })
	eventually(t, "Audit tells that pods wait for that", func(ctx context.Context) error { return auditHas(ctx, t, kube, "multus/oom") })
	killedAfter := time.Since(began)
	answer()
	t.Logf("with upstream's limit: %d restarts, %s", multusRestarts(t, kube), statusOf(lab.Context(t), t, kube, multus.Config{}))

	// Pods that wait start while the new daemon is on its way. Audit names those that do so without their network.
	install(t, c, kube, multus.Config{})
	var bypassed []string
	for _, pod := range pods {
		if networkStatus(t, running(t, c, pod))["net1"].Name == "" {
			bypassed = append(bypassed, pod.Name)
		}
	}
	var lost []string
	for _, pod := range audit(lab.Context(t), t, kube, multus.AuditOptions{}).Pods {
		lost = append(lost, pod.Name)
	}
	slices.Sort(bypassed)
	if diff := cmp.Diff(bypassed, lost); diff != "" {
		t.Errorf("pods without their network, and what Audit names (-without +named):\n%s", diff)
	}
	t.Logf("%d of %d pods that waited for the fix started without their network", len(bypassed), burst)
	endBurst(t, kube, pods)

	began = time.Now()
	answer = holdAddresses(t, node, "lan")
	pods = startBurst(t, kube, node, "fixed")
	time.Sleep(killedAfter) // as long as it took to kill the daemon, plugins wait again
	answer()
	for _, pod := range pods {
		if got := networkStatus(t, running(t, c, pod))["net1"].Name; got != "default/lan" {
			t.Errorf("%s: net1 is of %q, want default/lan", pod.Name, got)
		}
	}
	if restarts := multusRestarts(t, kube); restarts != 0 {
		t.Errorf("with the fix the daemon was restarted %d times", restarts)
	}
	mustBeWell(t, kube, multus.Config{})
	got := daemonMemory(t, kube, node)
	t.Logf("with the fix %d pods run after %.1f s; the daemon's peak is %d MiB of %d", burst, time.Since(began).Seconds(), got.Peak>>20, got.Limit>>20)
	endBurst(t, kube, pods)

	install(t, c, kube, without("memory", multus.Config{}))
	answer = holdAddresses(t, node, "lan")
	pods = startBurst(t, kube, node, "left")
	eventually(t, "Status tells that the daemon was killed again", func(ctx context.Context) error { return statusHas(ctx, t, kube, "multus/oom") })
	uninstall(t, kube, multus.UninstallOptions{RemoveCRD: true, RemoveNADs: true, Ignore: []string{"multus/networks-in-use"}})
	answer()
	for _, pod := range pods { // those that waited too
		running(t, c, pod)
	}
	endBurst(t, kube, pods)
	mustBeAsBefore(t, c, kube, before)
}

// startBurst makes pods that are on the node before its kubelet is: they start at once, however slow the machine is.
func startBurst(t *testing.T, kube client.Client, node *lab.Node, name string) []*corev1.Pod {
	t.Helper()
	if err := node.StopService(lab.Context(t), "kubelet"); err != nil {
		t.Fatal(err)
	}
	pods := make([]*corev1.Pod, burst)
	for i := range pods {
		pods[i] = lab.Pod(fmt.Sprintf("%s-%d", name, i+1), "lan")
		pods[i].Spec.NodeName = node.Name()
		create(t, kube, pods[i])
	}
	if err := node.StartService(lab.Context(t), "kubelet"); err != nil {
		t.Fatal(err)
	}
	return pods
}

// holdAddresses takes the lock under which host-local gives addresses of a network on a node, as an address server
// that does not answer: plugins wait until the returned function is called.
func holdAddresses(t *testing.T, node *lab.Node, network string) (answer func()) {
	t.Helper()
	dir := filepath.Join(node.Root(), "var/lib/cni/networks", network)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	answer = sync.OnceFunc(func() { _ = lock.Close() })
	t.Cleanup(answer)
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return answer
}

// endBurst deletes the pods and waits until they are gone.
func endBurst(t *testing.T, kube client.Client, pods []*corev1.Pod) {
	t.Helper()
	for _, pod := range pods {
		if err := kube.Delete(lab.Context(t), pod); err != nil {
			t.Fatal(err)
		}
	}
	for _, pod := range pods {
		gone(t, kube, pod)
	}
}

// daemonMemory is the memory of the one daemon on a node. The test ends as not run where the machine cannot tell.
func daemonMemory(t *testing.T, kube client.Client, node *lab.Node) lab.Memory {
	t.Helper()
	got, err := node.Memory(lab.Context(t), multusPod(t, kube), "kube-multus")
	if errors.Is(err, lab.ErrNoMemoryLimits) {
		t.Skipf("not run: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// statusHas: Status has a finding by that code.
func statusHas(ctx context.Context, t *testing.T, kube client.Client, code string) error {
	t.Helper()
	status := statusOf(ctx, t, kube, multus.Config{})
	if !slices.ContainsFunc(status.Findings, func(f multihome.Finding) bool { return f.Code == code }) {
		return fmt.Errorf("status has no %s:\n%s", code, status)
	}
	return nil
}

// auditHas: Audit has a lost pod for that cause.
func auditHas(ctx context.Context, t *testing.T, kube client.Client, code string) error {
	t.Helper()
	report := audit(ctx, t, kube, multus.AuditOptions{})
	if !slices.ContainsFunc(report.Pods, func(p multus.LostPod) bool { return p.Cause.Code == code }) {
		return fmt.Errorf("audit has no %s:\n%s", code, report)
	}
	return nil
}

// mustBeWell: Status is healthy, and Audit clean, by and by: a restarted pod is ready a moment after it serves.
func mustBeWell(t *testing.T, kube client.Client, config multus.Config) {
	t.Helper()
	eventually(t, "Multus is healthy and no pod is lost", func(ctx context.Context) error {
		var errs []error
		if status := statusOf(ctx, t, kube, config); !status.Healthy() {
			errs = append(errs, fmt.Errorf("status:\n%s", status))
		}
		if report := audit(ctx, t, kube, multus.AuditOptions{}); !report.Clean() {
			errs = append(errs, fmt.Errorf("audit:\n%s", report))
		}
		return errors.Join(errs...)
	})
}

func statusOf(ctx context.Context, t *testing.T, kube client.Client, config multus.Config) *multus.Status {
	t.Helper()
	installer, err := multus.NewInstaller(kube, config)
	if err != nil {
		t.Fatal(err)
	}
	status, err := installer.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return status
}
