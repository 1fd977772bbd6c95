package kubetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"github.com/multihome/multihome/internal/e2e/gobuild"
)

// Binary returns the path of the node binary for this machine: see the node module for what is in it. It is
// built the first time it is asked for, which takes minutes, and kept: see [gobuild.Programs.Build].
func Binary(ctx context.Context, progress io.Writer) (string, error) {
	e2e, err := gobuild.ModuleDir(ctx)
	if err != nil {
		return "", fmt.Errorf("node binary: %w", err)
	}
	programs, err := nodeBinary(filepath.Join(e2e, "node"))
	if err != nil {
		return "", fmt.Errorf("node binary: %w", err)
	}
	dir, err := programs.Build(ctx, progress)
	return filepath.Join(dir, "node"), err
}

// nodeBinary is how the binary is built from the node module in source.
func nodeBinary(source string) (gobuild.Programs, error) {
	gomod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return gobuild.Programs{}, err
	}
	version, err := kubernetesVersion(gomod)
	if err != nil {
		return gobuild.Programs{}, err
	}
	return gobuild.Programs{
		Name:     "node binary", // etcd, kube-apiserver and the rest of a Kubernetes node
		Module:   source,
		Packages: []string{"."},
		Flags:    buildFlags(version),
		Cost:     "about 10 minutes on 2 cores",
	}, nil
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
	return []string{"-ldflags=" + strings.Join(ldflags, " ")}
}
