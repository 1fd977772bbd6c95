package kubetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
	"golang.org/x/sys/unix"
)

// e2eModule is the module that holds this package and, in its directory node, the node module.
const e2eModule = "github.com/multihome/multihome/internal/e2e"

// Binary returns the path of the node binary for this machine: see the node module for what is in it. It is
// built with the Go command the first time it is asked for, which takes minutes, and again when the node
// module, the Go version or the platform has changed. Results are kept in the user's cache directory, under
// multihome/e2e; what is there can be removed at any time. Processes that ask at the same time wait for one
// build. What is being done is told on progress while it is done.
//
// The error of a build that did not succeed holds what the compiler said.
func Binary(ctx context.Context, progress io.Writer) (string, error) {
	e2e, err := goCommand(ctx, ".", "list", "-m", "-f", "{{.Dir}}", e2eModule)
	if err != nil {
		return "", fmt.Errorf("node binary: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("node binary: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(e2e)), "node")
	return binary(ctx, source, filepath.Join(cache, "multihome", "e2e"), progress)
}

// binary returns the path of the binary of the node module in source. It is kept below cache.
func binary(ctx context.Context, source, cache string, progress io.Writer) (string, error) {
	b, err := newBuild(ctx, source, cache)
	if err != nil {
		return "", fmt.Errorf("node binary: %w", err)
	}
	if err := b.ensure(ctx, progress); err != nil {
		return "", fmt.Errorf("node binary %s: %w", b.binary, err)
	}
	return b.binary, nil
}

// build is one way to build the node binary and the place of its result.
type build struct {
	source string   // directory of the node module
	flags  []string // of go build
	binary string   // where it is kept
}

func newBuild(ctx context.Context, source, cache string) (*build, error) {
	gomod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return nil, err
	}
	version, err := kubernetesVersion(gomod)
	if err != nil {
		return nil, err
	}
	b := &build{source: source, flags: buildFlags(version)}
	key, err := b.key(ctx)
	if err != nil {
		return nil, err
	}
	b.binary = filepath.Join(cache, key, "node")
	return b, nil
}

func kubernetesVersion(gomod []byte) (string, error) {
	mod, err := modfile.ParseLax("node/go.mod", gomod, nil)
	if err != nil {
		return "", err
	}
	for _, r := range mod.Require {
		if r.Mod.Path == "k8s.io/kubernetes" {
			return r.Mod.Version, nil
		}
	}
	return "", errors.New("node/go.mod: does not require k8s.io/kubernetes")
}

// buildFlags sets the variables that Kubernetes' own build sets: without them every program says that it is
// v0.0.0-master, and clients that look at the server's version see that.
func buildFlags(version string) []string {
	major, minor, _ := strings.Cut(semver.MajorMinor(version), ".")
	ldflags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		ldflags = append(ldflags,
			"-X", pkg+".gitVersion="+version, "-X", pkg+".gitMajor="+strings.TrimPrefix(major, "v"), "-X", pkg+".gitMinor="+minor,
			"-X", pkg+".gitTreeState=clean")
	}
	return []string{"-buildvcs=false", "-ldflags=" + strings.Join(ldflags, " ")}
}

// key names everything that the binary depends on.
func (b *build) key(ctx context.Context) (string, error) {
	out, err := goCommand(ctx, b.source, "env", "-json", "GOVERSION", "GOOS", "GOARCH", "GOFLAGS", "GOEXPERIMENT")
	if err != nil {
		return "", err
	}
	var env map[string]string // for a canonical order
	if err := json.Unmarshal(out, &env); err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", env, b.flags)
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		content, err := os.ReadFile(filepath.Join(b.source, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(content))
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// ensure builds the binary unless it is there.
func (b *build) ensure(ctx context.Context, progress io.Writer) error {
	if _, err := os.Stat(b.binary); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(b.binary), 0o755); err != nil {
		return err
	}
	unlock, err := lock(ctx, b.binary+".lock", func() {
		fmt.Fprintln(progress, "e2e: another process is building the node binary: waiting for it")
	})
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(b.binary); err == nil {
		return nil // built while we waited
	}
	fmt.Fprintf(progress, "e2e: building etcd, kube-apiserver and the rest of a Kubernetes node from Go modules, once: "+
		"about 10 minutes on 2 cores, into %s\n", b.binary)
	fmt.Fprintln(progress, "e2e: if go test's -timeout ends this first, run it again: it goes on where it was")
	start := time.Now()
	if err := b.run(ctx, progress); err != nil {
		return err
	}
	fmt.Fprintf(progress, "e2e: built the node binary in %s\n", time.Since(start).Round(time.Second))
	return nil
}

// run builds into a file beside the binary and renames it, so that the binary is whole or not there.
func (b *build) run(ctx context.Context, progress io.Writer) error {
	unfinished := b.binary + ".unfinished"
	defer os.RemoveAll(unfinished)

	var output buildOutput
	args := append([]string{"build", "-v", "-o", unfinished}, b.flags...)
	cmd := goCmd(ctx, b.source, append(args, ".")...)
	cmd.Stdout, cmd.Stderr = &output, &output
	ended, err := startBound(cmd)
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
				return fmt.Errorf("go build in %s: %s\n%s", b.source, cmd.ProcessState, output.Messages())
			}
			return os.Rename(unfinished, b.binary)
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

func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := goCmd(ctx, dir, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// lock waits until this process alone holds the lock file, and calls waiting once if it has to wait.
func lock(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
