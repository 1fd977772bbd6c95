package gobuild_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/e2e/gobuild"
)

const (
	goodMain = `package main

func main() { println("node") }
`
	badMain = `package main

func main() { undefinedName() }
`
)

// programs writes a module with one program that builds in a second.
func programs(t *testing.T, main string) gobuild.Programs {
	t.Helper()
	module := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  "module example.com/node\n\ngo 1.26.0\n",
		"go.sum":  "",
		"main.go": main,
	} {
		file := filepath.Join(module, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return gobuild.Programs{Name: "node binary", Module: module, Packages: []string{"."}}
}

func TestBinaryIsBuiltOnce(t *testing.T) {
	node, cache := programs(t, goodMain), t.TempDir()
	var progress [3]bytes.Buffer
	var paths [3]string
	var running sync.WaitGroup
	for i := range 3 {
		running.Go(func() {
			path, err := node.BuildIn(t.Context(), cache, &progress[i])
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	running.Wait()

	builds := 0
	for i := range 3 {
		builds += strings.Count(progress[i].String(), "e2e: built the node binary in ")
		if paths[i] != paths[0] {
			t.Errorf("call %d returned %s, call 0 %s", i, paths[i], paths[0])
		}
	}
	if builds != 1 {
		t.Errorf("%d builds, want 1", builds)
	}
	if info, err := os.Stat(filepath.Join(paths[0], "node")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("binary: %v, %v, want an executable file", info, err)
	}
}

func TestBinaryIsBuiltAgainForOtherSource(t *testing.T) {
	cache := t.TempDir()
	before, err := programs(t, goodMain).BuildIn(t.Context(), cache, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	after, err := programs(t, goodMain+"// changed\n").BuildIn(t.Context(), cache, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if before == after {
		t.Errorf("both sources have the binary %s", before)
	}
}

func TestBinaryErrorHoldsCompilerMessages(t *testing.T) {
	cache := t.TempDir()
	path, err := programs(t, badMain).BuildIn(t.Context(), cache, t.Output())
	if err == nil || !strings.Contains(err.Error(), "undefined: undefinedName") {
		t.Errorf("binary %s, error %v, want the compiler's message", path, err)
	}
	left, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		if !strings.HasSuffix(file, ".lock") {
			t.Errorf("%s is left behind", file)
		}
	}
}

func TestBuildOutputTellsProgressFromMessages(t *testing.T) {
	var output gobuild.Output
	for _, part := range []string{
		"go: downloading k8s.io/api v0.37.2\nk8s.io/ap", "i/core/v1\n# k8s.io/kubernetes/cmd\n",
		"cmd/x.go:1:2: undefined: y\nnode\nno newline",
	} {
		if _, err := output.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff("2 packages compiled, now node", output.Progress()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	want := "# k8s.io/kubernetes/cmd\ncmd/x.go:1:2: undefined: y\nno newline"
	if diff := cmp.Diff(want, output.Messages()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// TestDir: a module's files are where the Go command has them, and one that is not required is an error.
func TestDir(t *testing.T) {
	dir, err := gobuild.Dir(t.Context(), ".", "github.com/google/go-cmp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "cmp", "compare.go")); err != nil {
		t.Error(err)
	}
	if dir, err := gobuild.Dir(t.Context(), ".", "example.com/nowhere"); err == nil {
		t.Errorf("a module that is not required is in %q", dir)
	}
}
