//go:build unix

package multus_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

const (
	conflist = `{"cniVersion":"1.0.0","name":"cbr0","plugins":[{"type":"flannel"},{"type":"portmap"}]}`
	macvlan  = "the macvlan that was copied"
)

// sum is what a record of install-plugins.sh holds.
func sum(content string) string {
	digest := sha256.Sum256([]byte(content))
	return hex.EncodeToString(digest[:]) + "\nnone\n"
}

// TestCleanNode runs the cleaner's program, as applied, on directories of this
// machine, with each shell, twice: what is there before and what is left.
func TestCleanNode(t *testing.T) {
	primary := map[string]string{"etc/cni/net.d/10-flannel.conflist": conflist, "opt/cni/bin/flannel": "flannel", "var/run": "-> /run"}
	with := func(more ...map[string]string) map[string]string {
		out := map[string]string{}
		for _, files := range append([]map[string]string{primary}, more...) {
			maps.Copy(out, files)
		}
		return out
	}
	tests := []struct {
		name string
		// before and after hold files by path: content, "-> target" for a link,
		// "directory" for an empty one. After adds nothing: it is what stays.
		before, after map[string]string
		message       string
	}{
		{name: "nothing to do", before: primary, after: primary},
		{
			name: "thick, killed",
			before: with(map[string]string{
				"etc/cni/net.d/00-multus.conf": "{}", "opt/cni/bin/multus-shim": "x", "opt/cni/bin/passthru": "x", "opt/cni/bin/multus-shim.temp123": "x",
				"opt/cni/bin/passthru.temp9": "x", "run/multus/multus.sock": "x", "run/k8s.cni.cncf.io": "directory", "etc/cni/multus/net.d": "directory",
				"var/lib/cni/multus/abc-net1": "{}", "var/lib/cni/multus/results/abc": "{}", "var/lib/cni/networks/cbr0/10.0.0.2": "x", "run/netns": "directory",
			}),
			after: with(map[string]string{"var/lib/cni/networks/cbr0/10.0.0.2": "x", "run/netns": "directory"}),
		},
		{
			name: "thin",
			before: with(map[string]string{
				"etc/cni/net.d/00-multus.conflist": "{}", "etc/cni/net.d/multus.d/multus.kubeconfig": "x", "opt/cni/bin/multus": "x",
			}),
			after: primary,
		},
		{
			name: "renamed by Cilium",
			before: with(map[string]string{
				"etc/cni/net.d/00-multus.conf.cilium_bak": "{}", "etc/cni/net.d/00-multus.conflist.cilium_bak": "{}", "etc/cni/net.d/87-podman.conflist.cilium_bak": conflist,
			}),
			after: with(map[string]string{"etc/cni/net.d/87-podman.conflist.cilium_bak": conflist}),
		},
		{
			name: "files of others",
			before: with(map[string]string{
				"etc/cni/net.d/multus.d/other": "x", "etc/cni/multus/net.d/lan.conf": "x", "run/k8s.cni.cncf.io/devinfo/dp/a": "x", "run/multus/other": "x",
				"etc/cni/net.d/00-multus.conf.bak": "x", "opt/cni/bin/multus-cni": "x",
			}),
			after: with(map[string]string{
				"etc/cni/net.d/multus.d/other": "x", "etc/cni/multus/net.d/lan.conf": "x", "run/k8s.cni.cncf.io/devinfo/dp/a": "x", "run/multus/other": "x",
				"etc/cni/net.d/00-multus.conf.bak": "x", "opt/cni/bin/multus-cni": "x",
			}),
		},
		{
			name:   "Talos up to 1.8",
			before: map[string]string{"etc/cni/net.d/10-flannel.conflist": conflist, "run/netns": "directory", "var/run/netns/cni-1": "x"},
			after:  map[string]string{"etc/cni/net.d/10-flannel.conflist": conflist, "var/run/netns/cni-1": "x"},
		},
		{
			name: "copied plugins",
			before: with(map[string]string{
				"opt/cni/bin/macvlan": macvlan, "opt/cni/bin/.multihome/macvlan": sum(macvlan),
				"opt/cni/bin/vlan": "replaced by somebody", "opt/cni/bin/.multihome/vlan": sum("as it was copied"),
				"opt/cni/bin/.multihome/static": sum("gone"), "opt/cni/bin/.multihome/tap.new": "half",
				"opt/cni/bin/elsewhere": "x", "opt/cni/bin/dummy": "-> elsewhere", "opt/cni/bin/.multihome/dummy": sum("x"),
			}),
			after: with(map[string]string{"opt/cni/bin/vlan": "replaced by somebody", "opt/cni/bin/elsewhere": "x", "opt/cni/bin/dummy": "-> elsewhere"}),
		},
		{
			name: "a copied plugin in use",
			before: with(map[string]string{
				"opt/cni/bin/portmap": "copied", "opt/cni/bin/.multihome/portmap": sum("copied"), "opt/cni/bin/macvlan": macvlan, "opt/cni/bin/.multihome/macvlan": sum(macvlan),
			}),
			after: with(map[string]string{"opt/cni/bin/portmap": "copied", "opt/cni/bin/.multihome/portmap": sum("copied")}),
		},
		{
			name:    "primary renamed by thin Multus",
			before:  map[string]string{"etc/cni/net.d/00-multus.conf": "{}", "etc/cni/net.d/10-calico.conflist.old": conflist, "etc/cni/net.d/README.old": "type"},
			after:   map[string]string{"etc/cni/net.d/10-calico.conflist": conflist, "etc/cni/net.d/README.old": "type"},
			message: "restored $ROOT/etc/cni/net.d/10-calico.conflist\n",
		},
		{
			name:    "primary renamed by a Cilium that has left",
			before:  map[string]string{"etc/cni/net.d/00-multus.conf": "{}", "etc/cni/net.d/10-flannel.conflist.cilium_bak": conflist},
			after:   map[string]string{"etc/cni/net.d/10-flannel.conflist": conflist},
			message: "restored $ROOT/etc/cni/net.d/10-flannel.conflist\n",
		},
		{
			name:    "a Cilium that may be back",
			before:  map[string]string{"etc/cni/net.d/10-flannel.conflist.cilium_bak": conflist, "opt/cni/bin/cilium-cni": "x"},
			after:   map[string]string{"etc/cni/net.d/10-flannel.conflist.cilium_bak": conflist, "opt/cni/bin/cilium-cni": "x"},
			message: "no configuration of a primary CNI in /etc/cni/net.d\n",
		},
		{
			name:    "two that could be the primary",
			before:  map[string]string{"etc/cni/net.d/10-a.conflist.old": conflist, "etc/cni/net.d/20-b.conf.old": `{"type":"bridge"}`, "etc/cni/net.d/30-c.conf.old": "neither"},
			after:   map[string]string{"etc/cni/net.d/10-a.conflist.old": conflist, "etc/cni/net.d/20-b.conf.old": `{"type":"bridge"}`, "etc/cni/net.d/30-c.conf.old": "neither"},
			message: "no configuration of a primary CNI in /etc/cni/net.d\n",
		},
		{name: "an empty node", before: map[string]string{}, after: map[string]string{}, message: "no configuration of a primary CNI in /etc/cni/net.d\n"},
	}
	program := cleanerContainer(t)
	for _, shell := range shells(t) {
		for _, tt := range tests {
			t.Run(shell.name+"/"+tt.name, func(t *testing.T) {
				n := newCleanNode(t, shell, program, tt.before)
				for range 2 {
					n.message = ""
					if output, err := n.clean(); err != nil {
						t.Fatalf("%v: %s", err, output)
					}
					if diff := cmp.Diff(tt.after, n.files()); diff != "" {
						t.Errorf("left (-want +got):\n%s", diff)
					}
					if want := strings.ReplaceAll(tt.message, "$ROOT", n.root); n.message != want {
						t.Errorf("message %q, want %q", n.message, want)
					}
					if strings.HasPrefix(tt.message, "restored") {
						tt.message = "" // once
					}
				}
			})
		}
	}
}

// TestCleanNodeWaits: while a Multus runs, nothing is touched. Its name comes
// out of a pipe, so that the test knows when the program looks: a new one each
// time, put in place before the answer to the last.
func TestCleanNodeWaits(t *testing.T) {
	program := cleanerContainer(t)
	for _, shell := range shells(t) {
		for _, name := range []string{"multus-daemon", "thin_entrypoint"} {
			const conf = "etc/cni/net.d/00-multus.conf"
			n := newCleanNode(t, shell, program, map[string]string{
				conf: "{}", "etc/cni/net.d/10-a.conf": "{}", "proc/1/comm": "init\n", "proc/4711/none": "", "proc/self/comm": "multus-daemon\n",
			})
			comm := filepath.Join(n.root, "proc/4711/comm")
			mustMakePipe(t, comm)
			n.env = []string{"PATH=" + shell.path, "PROC=" + filepath.Join(n.root, "proc"), "PAUSE=0"}
			var ended sync.WaitGroup
			ended.Go(func() {
				if output, err := n.clean(); err != nil {
					t.Errorf("%s: %v: %s", name, err, output)
				}
			})
			for _, answer := range []string{name, name, "sh"} {
				look, err := os.OpenFile(comm, os.O_WRONLY, 0) // returns when the program looks
				if err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(filepath.Join(n.root, conf)); err != nil {
					t.Errorf("%s runs, and %v", name, err)
				}
				if answer == name {
					mustMakePipe(t, comm)
				}
				if _, err := look.WriteString(answer + "\n"); err != nil {
					t.Error(err)
				}
				if err := look.Close(); err != nil {
					t.Error(err)
				}
			}
			ended.Wait()
			if _, err := os.Stat(filepath.Join(n.root, conf)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s has ended, and %s is there: %v", name, conf, err)
			}
		}
	}
}

// mustMakePipe puts a pipe in the place of whatever is there, at once.
func mustMakePipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path+".new", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestCleanNodeFails: what cannot be deleted is named and makes the program
// fail, so that it is run again.
func TestCleanNodeFails(t *testing.T) {
	program := cleanerContainer(t)
	for _, shell := range shells(t) {
		n := newCleanNode(t, shell, program, map[string]string{"etc/cni/net.d/10-a.conf": "{}", "opt/cni/bin/multus-shim": "x", "opt/cni/bin/passthru": "x"})
		if shell.builtin {
			t.Logf("%s has an rm that cannot be replaced", shell.name)
			continue
		}
		broken := filepath.Join(t.TempDir(), "rm")
		if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		n.env = []string{"PATH=" + filepath.Dir(broken) + ":" + shell.path}
		output, err := n.clean()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || n.message != "not removed: /opt/cni/bin/multus-shim /opt/cni/bin/passthru\n" {
			t.Errorf("%s: %v, message %q: %s", shell.name, err, n.message, output)
		}
	}
}

// TestCleanNodeIsNotExpanded: Kubernetes turns $(NAME) of a command into the
// value of that variable, and $$ into $.
func TestCleanNodeIsNotExpanded(t *testing.T) {
	container := cleanerContainer(t)
	for _, argument := range container.Command {
		if strings.Contains(argument, "$$") || strings.Contains(argument, "$(ROOT)") {
			t.Errorf("the kubelet would change it: %q", argument)
		}
	}
	if diff := cmp.Diff([]corev1.EnvVar{{Name: "ROOT", Value: "/host"}}, container.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

// cleanNode is a node's file system.
type cleanNode struct {
	t       *testing.T
	shell   pluginShell
	program corev1.Container
	root    string
	env     []string
	message string // what the program reports
}

func newCleanNode(t *testing.T, shell pluginShell, program corev1.Container, files map[string]string) *cleanNode {
	t.Helper()
	n := &cleanNode{t: t, shell: shell, program: program, root: filepath.Join(t.TempDir(), "a node")}
	n.env = []string{"PATH=" + shell.path, "PROC=/nonexistent"}
	if err := os.MkdirAll(n.root, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(n.root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch target, isLink := strings.CutPrefix(content, "-> "); {
		case err != nil:
		case content == "directory":
			err = os.MkdirAll(path, 0o755)
		case isLink:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// clean runs the program.
func (n *cleanNode) clean() (output string, err error) {
	n.t.Helper()
	message := filepath.Join(n.t.TempDir(), "message")
	command := exec.Command(n.shell.command[0], append(slices.Clone(n.shell.command[1:]), n.program.Command[1:]...)...)
	command.Env = append([]string{"ROOT=" + n.root, "MESSAGE=" + message}, n.env...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err = command.Run()
	said, readErr := os.ReadFile(message)
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		n.t.Fatal(readErr)
	}
	n.message = string(said)
	return out.String(), err
}

// files lists files, links and empty directories that Multus may have made.
func (n *cleanNode) files() map[string]string {
	n.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(n.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(n.root, path)
		switch {
		case entry.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			out[name] = "-> " + target
			return err
		case !entry.IsDir():
			data, err := os.ReadFile(path)
			out[name] = string(data)
			return err
		case slices.Contains([]string{"run/multus", "run/netns", "run/k8s.cni.cncf.io", "etc/cni/multus", "etc/cni/net.d/multus.d", "var/lib/cni/multus", "opt/cni/bin/.multihome"}, name):
			inside, err := os.ReadDir(path)
			if len(inside) == 0 {
				out[name] = "directory"
			}
			return err
		}
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

// cleanerContainer is the container that cleans, as an uninstall applies it.
func cleanerContainer(t *testing.T) corev1.Container {
	t.Helper()
	cluster := simulate(t, multustest.Options{})
	var found corev1.Container
	err := newInstaller(t, cluster.Client(), onFlannel).Uninstall(t.Context(), multus.UninstallOptions{Progress: func(e multus.Event) {
		set := &appsv1.DaemonSet{}
		key := client.ObjectKey{Namespace: "kube-system", Name: "kube-multus-cleaner"}
		if e.Type == multus.EventApplied && cluster.Client().Get(context.Background(), key, set) == nil {
			found = set.Spec.Template.Spec.InitContainers[0]
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Command) != 3 || found.Command[0] != "/bin/sh" {
		t.Fatalf("the cleaner runs %q", found.Command)
	}
	return found
}
