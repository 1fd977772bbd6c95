package vm_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/e2e/vm"
)

// boot is given by make vm: a boot takes from some seconds to a minute, and QEMU and a kernel are downloaded for it.
var boot = flag.Bool("boot", false, "run the tests that boot virtual machines")

// machine returns options for a test that boots. Its console goes to the test's log.
func machine(t *testing.T) vm.Options {
	t.Helper()
	if !*boot {
		t.Skip("not run: it boots a virtual machine; make vm does that")
	}
	return vm.Options{Memory: 512, Stdout: t.Output(), Stderr: t.Output(), Progress: os.Stderr}
}

// TestOptions: what cannot be run is told before anything is downloaded.
func TestOptions(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	tests := []struct {
		name    string
		command []string
		options vm.Options
		want    string
	}{
		{"no command", nil, vm.Options{}, "command: is empty"},
		{"memory", []string{"true"}, vm.Options{Memory: -1}, "must not be negative"},
		{"processors", []string{"true"}, vm.Options{CPUs: -1}, "must not be negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := vm.Run(t.Context(), tt.command, tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestRun: the command has the machine's files and its own kernel, root, links of every type; what it writes is gone
// with it; what it prints and how it ends is told.
func TestRun(t *testing.T) {
	o := machine(t)
	o.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(o.Dir, "file"), []byte("from outside\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const script = `
set -e
cat file
echo from inside >file
cat file
echo written >"$TMPDIR/other"
id -u
stat -f -c %T / "$TMPDIR" /sys/fs/cgroup
uname -r | sed 's/.*-//'
echo "$VARIABLE"
ip link add dummy0 type dummy
ip link add vlan5 link dummy0 type vlan id 5
ip link add ipvlan0 link dummy0 type ipvlan
ip link add bond0 type bond
ip link add vrf0 type vrf table 5
ip link add bridge0 type bridge vlan_filtering 1
ip -o link show up
test -c /dev/net/tun
echo wrong >&2
exit 7`
	var stdout, stderr bytes.Buffer
	o.Stdout, o.Stderr = &stdout, &stderr
	o.Env = append(os.Environ(), "VARIABLE=a value")
	code, err := vm.Run(t.Context(), []string{"sh", "-c", script}, o)
	if code != 7 || err != nil {
		t.Errorf("exit code %d, %v, want 7; standard error:\n%s", code, err, &stderr)
	}
	said, links, _ := strings.Cut(stdout.String(), "1: ")
	if diff := cmp.Diff("from outside\nfrom inside\n0\noverlayfs\ntmpfs\ncgroup2fs\namd64\na value\n", said); diff != "" {
		t.Errorf("standard output (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(links, "lo: ") || strings.Count(links, "\n") != 1 {
		t.Errorf("links that are up: %q, want lo", links)
	}
	if diff := cmp.Diff("wrong\n", stderr.String()); diff != "" {
		t.Errorf("standard error (-want +got):\n%s", diff)
	}
	if content, err := os.ReadFile(filepath.Join(o.Dir, "file")); string(content) != "from outside\n" {
		t.Errorf("the machine's file is %q, %v", content, err)
	}
}

// TestNotRun: a command that is not there is told from one that fails.
func TestNotRun(t *testing.T) {
	_, err := vm.Run(t.Context(), []string{"no-such-program"}, machine(t))
	if err == nil || !strings.Contains(err.Error(), `exec: "no-such-program": executable file not found`) {
		t.Errorf("got %v, want that the program is not there", err)
	}
}

// TestSignal: a command that a signal ends has the exit code that shells give it.
func TestSignal(t *testing.T) {
	code, err := vm.Run(t.Context(), []string{"sh", "-c", "kill -TERM $$"}, machine(t))
	if code != 128+15 || err != nil {
		t.Errorf("exit code %d, %v, want 143", code, err)
	}
}

// TestCrash: the error of a kernel that crashes holds its last words.
func TestCrash(t *testing.T) {
	o := machine(t)
	var console bytes.Buffer
	o.Console = &console
	_, err := vm.Run(t.Context(), []string{"sh", "-c", "echo c >/proc/sysrq-trigger"}, o)
	if err == nil || !strings.Contains(err.Error(), "ended before the command") || !strings.Contains(err.Error(), "Trigger a crash") {
		t.Errorf("got %v, want the end of the console", err)
	}
	if !strings.Contains(console.String(), "Linux version") {
		t.Errorf("the console does not begin with the boot:\n%.200s", &console)
	}
}

// TestSilent: a virtual machine that hangs is ended. Real-time processes on every processor leave init no time.
func TestSilent(t *testing.T) {
	o := machine(t)
	o.CPUs, o.Silence = 1, 30*time.Second
	const hog = "echo -1 >/proc/sys/kernel/sched_rt_runtime_us; exec chrt --fifo 99 sh -c 'while :; do :; done'"
	_, err := vm.Run(t.Context(), []string{"sh", "-c", hog}, o)
	if !errors.Is(err, vm.ErrSilent) || !strings.Contains(err.Error(), "end of the console") {
		t.Errorf("got %v, want %v and the console", err, vm.ErrSilent)
	}
}

// TestCancel: the context ends the virtual machine.
func TestCancel(t *testing.T) {
	o := machine(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	o.Stdout = writer(func() { cancel(enough) })
	_, err := vm.Run(ctx, []string{"sh", "-c", "echo runs; exec sleep 1000"}, o)
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	if left := children(t, os.Getpid()); len(left) > 0 {
		t.Errorf("processes that are left: %v", left)
	}
}

// writer calls a function when something is written.
type writer func()

func (w writer) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}

// TestCommand: cmd/vm gives the exit code of its command, and takes the virtual machine along when it is killed.
func TestCommand(t *testing.T) {
	machine(t)
	binary := filepath.Join(t.TempDir(), "vm")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/vm").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Run("exit code", func(t *testing.T) {
		console := filepath.Join(t.TempDir(), "console")
		cmd := exec.CommandContext(t.Context(), binary, "-memory", "512", "-cpus", "1", "-console", console, "sh", "-c", "nproc; exit 3")
		cmd.Stderr = t.Output()
		out, _ := cmd.Output()
		if got := fmt.Sprintf("%d %q", cmd.ProcessState.ExitCode(), out); got != `3 "1\n"` {
			t.Errorf("exit code and output %s", got)
		}
		if log, err := os.ReadFile(console); !strings.Contains(string(log), "Linux version") {
			t.Errorf("console: %.200q, %v", log, err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), binary, "-memory", "512", "sh", "-c", "echo runs; exec sleep 1000")
		cmd.Stderr = t.Output()
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if line != "runs\n" {
			t.Errorf("said %q, %v", line, err)
		}
		emulators := children(t, cmd.Process.Pid)
		if len(emulators) != 1 {
			t.Errorf("children %v, want QEMU", emulators)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
		for _, pid := range emulators {
			gone := func() bool {
				_, err := os.Stat("/proc/" + strconv.Itoa(pid))
				return err != nil
			}
			for deadline := time.Now().Add(time.Minute); !gone(); time.Sleep(100 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("process %d is left", pid)
				}
			}
		}
	})
}

// children returns the processes that a process started and that have not ended.
func children(t *testing.T, parent int) []int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil || len(files) == 0 {
		t.Fatalf("process %d: %v", parent, err)
	}
	var out []int
	for _, file := range files {
		list, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(list)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, pid)
		}
	}
	return out
}
