package multus_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome/multus"
)

// pluginShell is a way to run the program.
type pluginShell struct {
	name    string
	command []string
	path    string
	// builtin: it has the tools in itself, and looks for none in PATH.
	builtin bool
}

func shells(t *testing.T) []pluginShell {
	t.Helper()
	out := []pluginShell{
		{name: "sh", command: []string{"/bin/sh"}, path: os.Getenv("PATH")},
		// What images have that multus/image builds: no tool is looked for in PATH.
		{name: "toolbox", command: []string{toolbox(t), "sh"}, path: "/nonexistent", builtin: true},
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Log("no busybox here: the program is tested with sh and toolbox")
		return out
	}
	tools := t.TempDir()
	for _, tool := range []string{"cat", "chmod", "cp", "grep", "kill", "mkdir", "mv", "rm", "rmdir", "sha256sum", "sh", "sleep", "sync"} {
		if err := os.Symlink(busybox, filepath.Join(tools, tool)); err != nil {
			t.Fatal(err)
		}
	}
	// Builds of busybox differ in whether PATH comes first.
	command := exec.Command(busybox, "sh", "-c", "rm -f")
	command.Env = []string{"PATH=/nonexistent"}
	return append(out, pluginShell{"busybox", []string{busybox, "sh"}, tools, command.Run() == nil})
}

// toolbox compiles the program once for all tests, and returns where it is.
func toolbox(t *testing.T) string {
	t.Helper()
	path, err := builtToolbox()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// toolboxDir is where the program is, "" if no test has asked for it.
var toolboxDir string

// removeToolbox is called when no test runs any more.
func removeToolbox() { os.RemoveAll(toolboxDir) }

var builtToolbox = sync.OnceValues(func() (path string, err error) {
	toolboxDir, err = os.MkdirTemp("", "toolbox-*")
	if err != nil {
		return "", err
	}
	path = filepath.Join(toolboxDir, "toolbox")
	out, err := exec.Command("go", "build", "-o", path, "./image/internal/toolbox").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
})

// pluginNode is a node's plugin directory and an image's.
type pluginNode struct {
	t                       *testing.T
	shell                   pluginShell
	source, target, message string
}

func newPluginNode(t *testing.T, shell pluginShell) *pluginNode {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a node") // a space, for the quotes
	n := &pluginNode{t, shell, filepath.Join(dir, "plugins"), filepath.Join(dir, "bin"), filepath.Join(dir, "message")}
	for _, name := range []string{n.source, n.target} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// ship puts a plugin into the image.
func (n *pluginNode) ship(name, content string) { n.write(filepath.Join(n.source, name), content) }

// put puts a file onto the node, as somebody else would.
func (n *pluginNode) put(name, content string) { n.write(filepath.Join(n.target, name), content) }

func (n *pluginNode) write(name, content string) {
	n.t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
		n.t.Fatal(err)
	}
}

func (n *pluginNode) link(to, name string) {
	n.t.Helper()
	if err := os.Symlink(to, filepath.Join(n.target, name)); err != nil {
		n.t.Fatal(err)
	}
}

func (n *pluginNode) mkdir(name string) {
	n.t.Helper()
	if err := os.Mkdir(filepath.Join(n.target, name), 0o755); err != nil {
		n.t.Fatal(err)
	}
}

func (n *pluginNode) stat(name string) os.FileInfo {
	n.t.Helper()
	info, err := os.Stat(filepath.Join(n.target, name))
	if err != nil {
		n.t.Fatal(err)
	}
	return info
}

// pathWith returns a PATH on which one tool is another program.
func (n *pluginNode) pathWith(tool, program string) string {
	n.t.Helper()
	dir := n.t.TempDir()
	n.write(filepath.Join(dir, tool), program)
	return "PATH=" + dir + ":" + n.shell.path
}

// install runs the program, which must succeed whatever happens.
func (n *pluginNode) install(env ...string) string {
	n.t.Helper()
	if err := os.Remove(n.message); err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.t.Fatal(err)
	}
	output, err := n.run(env...)
	if err != nil {
		n.t.Fatalf("%v: %s", err, output)
	}
	if leftovers := n.leftovers(); len(leftovers) > 0 {
		n.t.Errorf("leftovers: %q", leftovers)
	}
	return output
}

func (n *pluginNode) leftovers() []string {
	n.t.Helper()
	out, err := filepath.Glob(filepath.Join(n.target, ".multihome", "*.new"))
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

func (n *pluginNode) run(env ...string) (string, error) {
	n.t.Helper()
	container := pluginContainer(n.t)
	if container.Command[0] != "/bin/sh" {
		n.t.Fatalf("the container runs %s", container.Command[0])
	}
	command := exec.Command(n.shell.command[0], append(slices.Clone(n.shell.command[1:]), container.Command[1:]...)...)
	for _, e := range container.Env {
		command.Env = append(command.Env, e.Name+"="+e.Value)
	}
	command.Env = append(command.Env, "PATH="+n.shell.path, "SOURCE="+n.source, "TARGET="+n.target, "MESSAGE="+n.message)
	command.Env = append(command.Env, env...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	return output.String(), err
}

// wants compares the node's directory, all but the records.
func (n *pluginNode) wants(want map[string]string) {
	n.t.Helper()
	entries, err := os.ReadDir(n.target)
	if err != nil {
		n.t.Fatal(err)
	}
	got := map[string]string{}
	for _, entry := range entries {
		name := filepath.Join(n.target, entry.Name())
		switch {
		case entry.Name() == ".multihome":
		case entry.Type() == fs.ModeSymlink:
			to, _ := os.Readlink(name)
			got[entry.Name()] = "-> " + to
		case entry.IsDir():
			got[entry.Name()] = "directory"
			if inside, err := os.ReadDir(name); err != nil || len(inside) > 0 {
				n.t.Errorf("%s holds %v, error %v", name, inside, err)
			}
		default:
			data, err := os.ReadFile(name)
			if err != nil {
				n.t.Fatal(err)
			}
			got[entry.Name()] = string(data)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		n.t.Errorf("on the node (-want +got):\n%s", diff)
	}
}

// wantsMessage compares the termination message, "" for none.
func (n *pluginNode) wantsMessage(want string) {
	n.t.Helper()
	got, err := os.ReadFile(n.message)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.t.Fatal(err)
	}
	if want != string(got) {
		n.t.Errorf("termination message: got %q, want %q", got, want)
	}
}

// pluginContainer is the init container as rendered.
func pluginContainer(t *testing.T) corev1.Container {
	t.Helper()
	bundle := render(t, multus.Config{Platform: multus.Platform{Talos: "v1.13.9"}})
	containers := bundle.DaemonSets[0].Spec.Template.Spec.InitContainers
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == "install-reference-plugins" })
	if i < 0 || len(containers[i].Command) != 3 {
		t.Fatal("no container install-reference-plugins with a shell command")
	}
	return containers[i]
}
