package lab_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/e2e/lab"
)

// TestStopLeavesNoTrace: after Stop, processes, namespaces, cgroups and files of the cluster are gone, and the
// machine's mounts, links and settings are as before.
func TestStopLeavesNoTrace(t *testing.T) {
	before := lookAtMachine(t)
	c := lab.New(t, lab.Options{})
	kube := newClient(t, c)
	pod := lab.Pod("plain")
	create(t, kube, pod)
	running(t, c, pod)
	left := traces(t, c.Dir())
	if len(left.processes) < 6 { // noded, containerd, kubelet, two shims and a pod at the least
		t.Fatalf("found %d processes of the cluster: the test looks in the wrong place", len(left.processes))
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if remains := left.remaining(t); len(remains) > 0 {
		t.Errorf("left after Stop:\n%s", strings.Join(remains, "\n"))
	}
	if diff := cmp.Diff(before, lookAtMachine(t)); diff != "" {
		t.Errorf("the machine (-before +after):\n%s", diff)
	}
	if err := c.Stop(); err != nil {
		t.Errorf("Stop again: %v", err)
	}
}

// TestCommand: the command prints a kubeconfig that works and leaves no trace, whether it is interrupted or killed.
func TestCommand(t *testing.T) {
	lab.NeedRoot(t)
	binary := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/lab").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, signal := range []os.Signal{os.Interrupt, os.Kill} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd := exec.Command(binary)
			cmd.Stderr = t.Output()
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			lines := bufio.NewScanner(stdout)
			if !lines.Scan() {
				t.Fatal("no output")
			}
			kubeconfig, ok := strings.CutPrefix(lines.Text(), "export KUBECONFIG=")
			if !ok {
				t.Fatalf("first line %q, want an export of KUBECONFIG", lines.Text())
			}
			if got := nodesOf(t, kubeconfig); got != 1 {
				t.Errorf("%d nodes by its kubeconfig, want 1", got)
			}
			left := traces(t, filepath.Dir(kubeconfig))
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); (err == nil) != (signal == os.Interrupt) {
				t.Errorf("ended with %v", err)
			}
			var remains []string
			for range 100 { // what remains of a killed one is removed by others
				if remains = left.remaining(t); len(remains) == 0 {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
			t.Errorf("left behind:\n%s", strings.Join(remains, "\n"))
		})
	}
}

// machine is what a lab could change on the machine.
type machine struct {
	Mounts   string
	Links    []string
	Settings map[string]string
}

func lookAtMachine(t *testing.T) machine {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	m := machine{Mounts: string(mounts), Settings: map[string]string{}}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		m.Links = append(m.Links, link.Name)
	}
	for _, name := range []string{"kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "net/ipv4/ip_forward"} {
		value, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m.Settings[name] = strings.TrimSpace(string(value))
	}
	return m
}

// trace is what there is of a cluster on the machine while it runs.
type trace struct {
	name       string          // of its directory, with which its cgroups' names begin
	dir        string          //
	processes  map[string]bool // directories in /proc, each with the time when the process was started
	namespaces map[string]bool
}

// traces finds the processes in the cluster's cgroups, and the namespaces that they do not share with this one.
func traces(t *testing.T, dir string) trace {
	t.Helper()
	out := trace{name: filepath.Base(dir), dir: dir, processes: map[string]bool{}, namespaces: map[string]bool{}}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range all {
		cgroups, err := os.ReadFile(process + "/cgroup")
		if err != nil || !strings.Contains(string(cgroups), out.name) {
			continue
		}
		out.processes[process+" "+started(process)] = true
		for namespace := range namespacesOf(process) {
			out.namespaces[namespace] = true
		}
	}
	for namespace := range namespacesOf("/proc/self") {
		delete(out.namespaces, namespace)
	}
	return out
}

// remaining says what there still is.
func (left trace) remaining(t *testing.T) []string {
	t.Helper()
	var out []string
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range all {
		if left.processes[process+" "+started(process)] {
			out = append(out, "process "+process)
		}
		for namespace := range namespacesOf(process) {
			if left.namespaces[namespace] {
				out = append(out, fmt.Sprintf("process %s is in namespace %s", process, namespace))
			}
		}
	}
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if target, err := os.Readlink(fd); err == nil && left.namespaces[target] {
			out = append(out, "this process holds namespace "+target)
		}
	}
	if _, err := os.Lstat(left.dir); err == nil {
		out = append(out, "directory "+left.dir)
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.Contains(entry.Name(), left.name) {
			out = append(out, "cgroup "+path)
		}
		return nil // another process's cgroups come and go
	})
	return out
}

// started is the time when a process was started, with which its number is unique.
func started(process string) string {
	info, err := os.Stat(process)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.Sys().(*syscall.Stat_t).Ctim.Nano())
}

func namespacesOf(process string) map[string]bool {
	out := map[string]bool{}
	names, _ := filepath.Glob(process + "/ns/*")
	for _, name := range names {
		if target, err := os.Readlink(name); err == nil {
			out[target] = true
		}
	}
	return out
}
