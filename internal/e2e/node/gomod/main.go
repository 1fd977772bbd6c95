// Gomod writes the go.mod and go.sum of the node module for one version of Kubernetes.
//
// Run it in internal/e2e/node:
//
//	go run ./gomod v1.37.2
//
// k8s.io/kubernetes cannot simply be required: its go.mod asks for its staging modules (k8s.io/api and thirty
// more) at v0.0.0 and replaces them by directories that the published module does not contain. So the node
// module takes over Kubernetes' requirements line by line, with the staging modules at the version they were
// published under: v0.37.2 for Kubernetes v1.37.2. Everything else is built from the versions, and checked
// against the go.sum, that the Kubernetes release was tested with.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	nodeModule = "github.com/multihome/multihome/internal/e2e/node"
	kubernetes = "k8s.io/kubernetes"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./gomod v1.X.Y")
		os.Exit(2)
	}
	if err := regenerate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gomod:", err)
		os.Exit(1)
	}
}

func regenerate(version string) error {
	staging, ok := strings.CutPrefix(version, "v1.")
	if !ok {
		return fmt.Errorf("version %q: must be v1.X.Y", version)
	}
	staging = "v0." + staging

	var download struct{ Dir, GoMod string }
	if err := goJSON(&download, "mod", "download", "-json", kubernetes+"@"+version); err != nil {
		return err
	}
	var upstream goMod
	if err := goJSON(&upstream, "mod", "edit", "-json", download.GoMod); err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(download.Dir, "go.sum"))
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile("go.mod", upstream.forNode(version, staging), 0o644),
		os.WriteFile("go.sum", sum, 0o644),
	); err != nil {
		return err
	}
	_, err = goCommand("mod", "tidy")
	return err
}

// goMod is the part of `go mod edit -json` that is taken over.
type goMod struct {
	Go      string
	GoDebug []struct{ Key, Value string }
	Require []struct{ Path, Version string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

// forNode returns the node module's go.mod before `go mod tidy`.
func (m goMod) forNode(version, staging string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Written by `go run ./gomod %s`: do not edit.\n\n", version)
	fmt.Fprintf(&b, "module %s\n\ngo %s\n", nodeModule, m.Go)
	for _, d := range m.GoDebug {
		fmt.Fprintf(&b, "godebug %s=%s\n", d.Key, d.Value)
	}
	fmt.Fprintf(&b, "require (\n%s %s\n", kubernetes, version)
	for _, r := range m.Require {
		if r.Version == "v0.0.0" {
			r.Version = staging
		}
		fmt.Fprintf(&b, "%s %s\n", r.Path, r.Version)
	}
	b.WriteString(")\nreplace (\n")
	for _, r := range m.Replace {
		if strings.HasPrefix(r.New.Path, "./staging/") {
			fmt.Fprintf(&b, "%s => %[1]s %s\n", r.Old.Path, staging)
		}
	}
	b.WriteString(")\n")
	return b.Bytes()
}

func goJSON(into any, args ...string) error {
	out, err := goCommand(args...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, into)
}

// goCommand runs the Go command outside any workspace and returns its standard output.
func goCommand(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
