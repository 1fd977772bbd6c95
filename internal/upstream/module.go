package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ModulePath is the Go module that ships upstream's manifests.
const ModulePath = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"

// ErrNotCached is returned by [Cached] for a module that was never downloaded
// on this machine.
var ErrNotCached = errors.New("not in the module cache")

// manifestPaths are where releases keep the thick manifest: upstream is moving
// deployments/ to deploy/.
var manifestPaths = []string{
	"deployments/multus-daemonset-thick.yml",
	"deploy/multus-daemonset-thick.yml",
}

// licence is what every release is checked to be under.
const licence = "Apache-2.0"

// Module is one release of upstream's Go module on disk.
type Module struct {
	Dir string // root of the unpacked module
	Sum string // hash of the module, "h1:..."
}

// Fetch returns the module of a release, "v4.3.0".
type Fetch func(ctx context.Context, version string) (Module, error)

// Download fetches a release with the go command and verifies it against the
// checksum database, also when it is in the module cache already.
func Download(ctx context.Context, version string) (Module, error) {
	database, err := exec.CommandContext(ctx, "go", "env", "GOSUMDB").Output()
	if err != nil {
		return Module{}, fmt.Errorf("module %s@%s: go env: %w", ModulePath, version, errors.Join(ctx.Err(), err))
	}
	if strings.TrimSpace(string(database)) == "off" {
		return Module{}, fmt.Errorf("module %s@%s: cannot be verified with GOSUMDB=off; unset it", ModulePath, version)
	}
	// A pattern that matches no module, so that the user's GONOSUMDB and
	// GOPRIVATE do not exclude this one from verification.
	return download(ctx, version, "GONOSUMDB=none", "GOFLAGS=")
}

// Cached returns a release from the module cache without any network. Nothing
// is verified: compare Sum. The error is [ErrNotCached] if it is not there.
func Cached(ctx context.Context, version string) (Module, error) {
	return download(ctx, version, "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=")
}

func download(ctx context.Context, version string, env ...string) (Module, error) {
	name := ModulePath + "@" + version
	// In a module of its own, so that no go.mod and go.sum around has a say.
	dir, err := os.MkdirTemp("", "genmanifests-*")
	if err != nil {
		return Module{}, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module genmanifests\n"), 0o600); err != nil {
		return Module{}, err
	}

	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", name)
	command.Dir = dir
	command.Env = append(append(os.Environ(), "GOWORK=off"), env...)
	command.WaitDelay = 5 * time.Second // children of go may hold the pipes
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	runErr := command.Run()
	if err := ctx.Err(); err != nil {
		return Module{}, fmt.Errorf("module %s: %w", name, err)
	}

	var answer struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		return Module{}, fmt.Errorf("module %s: go mod download: %w", name,
			errors.Join(runErr, errors.New(strings.TrimSpace(stderr.String()))))
	}
	switch {
	case strings.Contains(answer.Error, "GOPROXY=off"):
		return Module{}, fmt.Errorf("module %s: %w", name, ErrNotCached)
	case answer.Error != "":
		return Module{}, fmt.Errorf("module %s: %s", name, answer.Error)
	case runErr != nil:
		return Module{}, fmt.Errorf("module %s: go mod download: %w", name, runErr)
	}
	return Module{Dir: answer.Dir, Sum: answer.Sum}, nil
}

// Manifest reads the thick manifest of the release and returns its path inside
// the module and its bytes.
func (m Module) Manifest() (path string, data []byte, err error) {
	for _, path := range manifestPaths {
		data, err := os.ReadFile(filepath.Join(m.Dir, filepath.FromSlash(path)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return path, data, err
	}
	return "", nil, fmt.Errorf("has no %s; if upstream moved it, add its new place to manifestPaths",
		strings.Join(manifestPaths, " and no "))
}

// checkLicence returns an error unless the module's licence is the expected one.
func (m Module) checkLicence() error {
	data, err := os.ReadFile(filepath.Join(m.Dir, "LICENSE"))
	if err != nil {
		return err
	}
	text := strings.Join(strings.Fields(string(data)), " ")
	if !strings.HasPrefix(text, "Apache License Version 2.0, January 2004") {
		return fmt.Errorf("LICENSE is not %s; read it before embedding this release", licence)
	}
	return nil
}
