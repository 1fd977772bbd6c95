// Package gobuild builds programs from Go modules, once: they are kept in the user's cache directory, under
// multihome/e2e, until what they are built from changes. What is there can be removed at any time.
//
//	dir, err := gobuild.Programs{
//		Name: "runc", Module: labnode, Packages: []string{"github.com/opencontainers/runc"}, CGO: true,
//	}.Build(ctx, os.Stderr)
//	// dir holds runc
package gobuild

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/multihome/multihome/internal/e2e/bound"
)

// e2eModule is the module of the packages around this one.
const e2eModule = "github.com/multihome/multihome/internal/e2e"

// Programs says what to build and how.
type Programs struct {
	// Name is what progress and errors call them: "node binary".
	Name string
	// Module is the directory of the module whose go.mod and go.sum decide the versions.
	Module string
	// Packages are the main packages, as the Go command takes them. A program has its package's name.
	Packages []string
	// Sources are the directories below Module whose Go files are compiled in. Empty: those in Module itself.
	Sources []string
	// Flags of go build. With the flags of another build, packages that both need are compiled once.
	Flags []string
	// CGO: the programs need a C compiler.
	CGO bool
	// Cost says how long a first build takes: "about 10 minutes on 2 cores". Empty: it is not worth telling.
	Cost string
}

// Build returns the directory with the programs. They are built with the Go command the first time they are
// asked for, and again when their sources, the Go version or the platform have changed. Processes that ask at
// the same time wait for one build. What is being done is told on progress while it is done.
//
// The error of a build that did not succeed holds what the compiler said.
func (p Programs) Build(ctx context.Context, progress io.Writer) (dir string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.Name, err)
	}
	return p.BuildIn(ctx, filepath.Join(cache, "multihome", "e2e"), progress)
}

// BuildIn is Build with another directory than the user's cache.
func (p Programs) BuildIn(ctx context.Context, cache string, progress io.Writer) (dir string, err error) {
	key, err := p.key(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.Name, err)
	}
	dir = filepath.Join(cache, key)
	if err := p.ensure(ctx, dir, progress); err != nil {
		return "", fmt.Errorf("%s %s: %w", p.Name, dir, err)
	}
	return dir, nil
}

// ModuleDir returns the directory of the module internal/e2e, below which the modules to build from are.
func ModuleDir(ctx context.Context) (string, error) { return Dir(ctx, ".", e2eModule) }

// Dir returns the directory with the files of a module, at the version that the module in directory in requires.
func Dir(ctx context.Context, in, module string) (string, error) {
	dir, err := goOutput(ctx, in, "list", "-m", "-f", "{{.Dir}}", module)
	return strings.TrimSpace(string(dir)), err
}

// key names everything that the programs depend on.
func (p Programs) key(ctx context.Context) (string, error) {
	out, err := goOutput(ctx, p.Module, "env", "-json", "GOVERSION", "GOOS", "GOARCH", "GOFLAGS", "GOEXPERIMENT")
	if err != nil {
		return "", err
	}
	var env map[string]string // for a canonical order
	if err := json.Unmarshal(out, &env); err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %t\n", env, p.Packages, p.Flags, p.CGO)
	files, err := p.sourceFiles()
	if err != nil {
		return "", err
	}
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(p.Module, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(content))
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// sourceFiles returns the names, below Module, of the files that the programs are made from.
func (p Programs) sourceFiles() ([]string, error) {
	files := []string{"go.mod"}
	patterns := []string{"*.go"}
	if len(p.Sources) > 0 {
		patterns = nil
	}
	for _, dir := range p.Sources {
		patterns = append(patterns, filepath.ToSlash(dir)+"/*.go")
	}
	module := os.DirFS(p.Module)
	for _, pattern := range append([]string{"go.sum"}, patterns...) {
		found, err := fs.Glob(module, pattern)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// ensure builds the programs into dir unless they are there.
func (p Programs) ensure(ctx context.Context, dir string, progress io.Writer) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	unlock, err := lock(ctx, dir+".lock", func() {
		fmt.Fprintf(progress, "e2e: another process is building the %s: waiting for it\n", p.Name)
	})
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return nil // built while we waited
	}
	if p.Cost != "" {
		fmt.Fprintf(progress, "e2e: building the %s from Go modules, once: %s, into %s\n", p.Name, p.Cost, dir)
		fmt.Fprintln(progress, "e2e: if go test's -timeout ends this first, run it again: it goes on where it was")
	}
	start := time.Now()
	if err := p.run(ctx, dir, progress); err != nil {
		return err
	}
	fmt.Fprintf(progress, "e2e: built the %s in %s\n", p.Name, time.Since(start).Round(time.Second))
	return nil
}

// run builds into a directory beside dir and renames it, so that dir is whole or not there.
func (p Programs) run(ctx context.Context, dir string, progress io.Writer) error {
	unfinished := dir + ".unfinished"
	if err := errors.Join(os.RemoveAll(unfinished), os.Mkdir(unfinished, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)

	var output Output
	args := append([]string{"build", "-v", "-buildvcs=false", "-o", unfinished + string(filepath.Separator)}, p.Flags...)
	cmd := goCmd(ctx, p.Module, append(args, p.Packages...)...)
	if p.CGO {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	cmd.Stdout, cmd.Stderr = &output, &output
	ended, err := bound.Start(cmd, nil)
	if err != nil {
		return err
	}
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for start := time.Now(); ; {
		select {
		case <-tick.C:
			fmt.Fprintf(progress, "e2e: %4s: %s\n", time.Since(start).Round(time.Second), output.Progress())
		case <-ended:
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case !cmd.ProcessState.Success():
				return fmt.Errorf("go build in %s: %s\n%s", p.Module, cmd.ProcessState, output.Messages())
			}
			return os.Rename(unfinished, dir)
		}
	}
}

// goCmd is a call of the Go command that depends on dir's module only.
func goCmd(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	return cmd
}

func goOutput(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := goCmd(ctx, dir, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}
