package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/upstream"
)

const thick = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n"

// fakeSources have every release but v4.2.1, all with the same manifest.
func fakeSources(t *testing.T) sources {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "LICENSE"), "Apache License Version 2.0, January 2004")
	writeFile(t, filepath.Join(dir, "deployments", "multus-daemonset-thick.yml"), thick)
	fetch := func(ctx context.Context, version string) (upstream.Module, error) {
		if version == "v4.2.1" {
			return upstream.Module{}, errors.New("404 Not Found")
		}
		return upstream.Module{Dir: dir, Sum: "h1:" + version}, ctx.Err()
	}
	return sources{verified: fetch, cached: fetch}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command returns a function that runs the command on one directory, and the
// directory.
func command(t *testing.T) (func(args ...string) (string, error), string) {
	t.Helper()
	dir, from := filepath.Join(t.TempDir(), "manifests"), fakeSources(t)
	return func(args ...string) (string, error) {
		var out strings.Builder
		err := run(t.Context(), append([]string{"-dir", dir}, args...), &out, from)
		return strings.ReplaceAll(out.String(), dir, "DIR"), err
	}, dir
}

func TestRun(t *testing.T) {
	genmanifests, dir := command(t)
	tagFile := filepath.Join(t.TempDir(), "thick.yml")
	writeFile(t, tagFile, thick)
	const reading = "reading " + upstream.ModulePath + "@"
	steps := []struct {
		args []string
		want string
	}{
		{[]string{"-add", "v4.3.0"}, reading + "v4.3.0\nwrote 1 manifests of 1 releases to DIR\n"},
		{
			[]string{"-add", "v4.2.1", "-tag-file", tagFile},
			reading + "v4.3.0\nwrote 1 manifests of 2 releases to DIR\n",
		},
		{[]string{"-add", "v4.2.2"}, reading + "v4.2.2\n" + reading + "v4.3.0\nwrote 1 manifests of 3 releases to DIR\n"},
		{[]string{"-add", "v4.2.2"}, reading + "v4.2.2\n" + reading + "v4.3.0\nwrote 1 manifests of 3 releases to DIR\n"},
		{nil, reading + "v4.2.2\n" + reading + "v4.3.0\nwrote 1 manifests of 3 releases to DIR\n"},
		{[]string{"-check"}, "equal to upstream's module: v4.2.2 v4.3.0\n" +
			"same recorded sha256 as a verified release (module cannot be verified): v4.2.1\n"},
	}
	for _, step := range steps {
		got, err := genmanifests(step.args...)
		if err != nil {
			t.Fatalf("%q: %v", step.args, err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", step.args, diff)
		}
	}

	writeFile(t, filepath.Join(dir, "v4.2.1.yaml"), "edited")
	_, err := genmanifests("-check")
	wantError(t, err, "v4.2.1.yaml: sha256 is ", "write it again with go run ./internal/cmd/genmanifests")
}

func TestRunErrors(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"-remove", "v4.0.0"}, "flag provided but not defined: -remove"},
		{"argument", []string{"v4.3.1"}, `unexpected argument "v4.3.1"; to add a release write -add v4.3.1`},
		{"check and add", []string{"-check", "-add", "v4.3.1"}, "-check and -add exclude each other"},
		{"tag file alone", []string{"-tag-file", "x"}, "-tag-file needs -add"},
		{"tag file missing", []string{"-add", "v4.2.1", "-tag-file", "/does/not/exist"}, "/does/not/exist: no such file"},
		{"nothing to write", nil, "names no release; add the first with -add"},
		{"nothing to check", []string{"-check"}, "names no release"},
		{"no such release", []string{"-add", "v4.2.1"}, "release v4.2.1: 404 Not Found"},
		{"no version", []string{"-add", "latest"}, `release "latest": not a version`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			genmanifests, dir := command(t)
			_, err := genmanifests(tt.args...)
			wantError(t, err, tt.want)
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a run that fails wrote %s", dir)
			}
		})
	}
}

func TestRunOutsideOfAModule(t *testing.T) {
	t.Chdir(t.TempDir())
	err := run(t.Context(), []string{"-check"}, io.Discard, fakeSources(t))
	wantError(t, err, "not inside a Go module; name the directory with -dir")
}

// The directory is found from wherever in the module the command runs. The
// fake sources have not what the embedded manifests come from.
func TestRunFindsTheDirectory(t *testing.T) {
	err := run(t.Context(), []string{"-check"}, io.Discard, fakeSources(t))
	wantError(t, err, filepath.Join("multus", "manifests")+":\nrelease v4.0.2: upstream is ")
}

func TestRunEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "manifests")
	err := run(ctx, []string{"-dir", dir, "-add", "v4.3.0"}, io.Discard, fakeSources(t))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}
