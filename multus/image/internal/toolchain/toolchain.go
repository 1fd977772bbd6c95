// Package toolchain compiles the commands of a Go module, which may be for
// another machine than this one, with the Go command of this machine. It is the
// part of package image that runs programs, and writes files of its own: all of
// them in one temporary directory, which Close removes.
//
// What comes out depends on the module, the flags and the Go release alone:
// settings that change what is compiled are not taken from the environment, and
// no path of this machine gets into a program. Where modules come from is: a
// site's proxy and cache are used. Each module must have the hash that the
// module above it recorded.
package toolchain

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrToolchain says that there is no Go command, it cannot be run, or it is too old for
// what it is to compile.
var ErrToolchain = errors.New("no usable Go toolchain")

// settings of the Go command that say where modules come from and where they
// are kept. They are taken from the user's; all others are not.
var settings = []string{
	"GOAUTH", "GOCACHE", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOPATH", "GOPRIVATE", "GOPROXY", "GOROOT", "GOSUMDB", "GOVCS",
}

// fixed are settings that a program depends on.
var fixed = map[string]string{
	"CGO_ENABLED": "0", "GO111MODULE": "on", "GOENV": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOOS": "linux",
	"GOAMD64": "v1", "GOARM64": "v8.0", "GOPPC64": "power8", "GORISCV64": "rva20u64",
}

// Toolchain is a Go command and a temporary directory. It is safe for
// concurrent use until it is closed.
type Toolchain struct {
	command string
	dir     string
	env     []string
	// unverified: the user has switched the checksum database off.
	unverified bool
	// Version is the Go release, "go1.26.8".
	Version string
	// Root holds the Go distribution.
	Root fs.FS
}

// Open looks for the Go command, "" for the one in PATH, and asks it what it
// is. The error is ErrToolchain where that fails. Close it when done.
func Open(ctx context.Context, command string) (*Toolchain, error) {
	command = cmp.Or(command, "go")
	path, err := exec.LookPath(command)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w; install Go from go.dev/dl, or say where it is", ErrToolchain, err)
	}
	dir, err := os.MkdirTemp("", "multihome-image-*")
	if err != nil {
		return nil, err
	}
	t := &Toolchain{command: path, dir: dir}
	if err := t.ask(ctx); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Close removes everything that was made.
func (t *Toolchain) Close() error {
	err := os.RemoveAll(t.dir)
	if err != nil { // a process that was killed may have written meanwhile
		err = os.RemoveAll(t.dir)
	}
	return err
}

// ask fills in what depends on the Go command.
func (t *Toolchain) ask(ctx context.Context) error {
	if err := os.Mkdir(filepath.Join(t.dir, "tmp"), 0o700); err != nil {
		return err
	}
	others := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		isSetting := name == "GOENV" || slices.Contains(settings, name)
		return strings.HasPrefix(name, "CGO_") || name == "PWD" || strings.HasPrefix(name, "GO") && !isSetting
	})
	t.env = append(slices.Clone(others), "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=")
	out, err := t.run(ctx, call{dir: t.dir}, append([]string{"env", "-json", "GOVERSION"}, settings...)...)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%w: %s: %w", ErrToolchain, t.command, err)
	}
	var answer map[string]string
	if err := json.Unmarshal(out, &answer); err != nil || answer["GOVERSION"] == "" || answer["GOROOT"] == "" {
		return fmt.Errorf("%w: %s: is not the Go command: it answers %.100q", ErrToolchain, t.command, out)
	}
	t.Version, _, _ = strings.Cut(answer["GOVERSION"], " ")
	t.Root = os.DirFS(answer["GOROOT"])
	t.unverified = answer["GOSUMDB"] == "off"

	t.env = slices.DeleteFunc(others, func(variable string) bool { return strings.HasPrefix(variable, "GO") })
	for _, name := range settings {
		if value := answer[name]; value != "" {
			t.env = append(t.env, name+"="+value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fixed)) {
		t.env = append(t.env, name+"="+fixed[name])
	}
	t.env = append(t.env, "GOTMPDIR="+filepath.Join(t.dir, "tmp"))
	return nil
}

// call says how the Go command is run.
type call struct {
	dir    string
	env    []string
	stderr io.Writer // besides what errors say
}

// messageBytes is the most of the Go command's last words that an error holds.
const messageBytes = 8 << 10

// run runs the Go command and returns what it prints. Its error holds what it
// says. When ctx ends, the command and all that it has started are killed, and
// the error is the cause.
func (t *Toolchain) run(ctx context.Context, c call, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, t.command, args...)
	command.Dir = c.dir
	command.Env = append(slices.Clone(t.env), c.env...)
	var stdout bytes.Buffer
	stderr := &tail{most: messageBytes}
	command.Stdout, command.Stderr = &stdout, stderr
	if c.stderr != nil {
		command.Stderr = c.stderr
	}
	killGroup(command)
	command.WaitDelay = 10 * time.Second // for who holds the pipes and is not killed
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return stdout.Bytes(), fmt.Errorf("go %s: %w%s", args[0], err, stderr.message())
	}
	return stdout.Bytes(), nil
}

// tail keeps the end of what is written.
type tail struct {
	most int
	cut  bool
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - t.most; extra > 0 {
		t.kept, t.cut = append([]byte(nil), t.kept[extra:]...), true
	}
	return len(p), nil
}

// message is what an error adds, "" for nothing.
func (t *tail) message() string {
	text := strings.TrimSpace(string(t.kept))
	switch {
	case text == "":
		return ""
	case t.cut:
		return ": ..." + text
	}
	return ": " + text
}
