package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/upstream"
)

const (
	thickPath = "deployments/multus-daemonset-thick.yml"
	movedPath = "deploy/multus-daemonset-thick.yml"
	apache    = "\n   Apache License\n   Version 2.0, January 2004\n"
)

// fakeModules are releases of upstream's module by version.
type fakeModules map[string]upstream.Module

// add puts a release with these files on disk.
func (f fakeModules) add(t *testing.T, version string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for path, content := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f[version] = upstream.Module{Dir: dir, Sum: "h1:" + version}
}

func (f fakeModules) fetch(ctx context.Context, version string) (upstream.Module, error) {
	if err := ctx.Err(); err != nil {
		return upstream.Module{}, err
	}
	module, found := f[version]
	if !found {
		return upstream.Module{}, fmt.Errorf("module %s: %w", version, upstream.ErrNotCached)
	}
	return module, nil
}

func configMap(name string) string {
	return "kind: ConfigMap\napiVersion: v1\nmetadata: {name: " + name + "}\n"
}

// fakeUpstream has three releases: the first two have the same objects, the
// last one has moved its file.
func fakeUpstream(t *testing.T) fakeModules {
	t.Helper()
	modules := make(fakeModules)
	modules.add(t, "v4.0.0", map[string]string{"LICENSE": apache, thickPath: configMap("a")})
	modules.add(t, "v4.0.10", map[string]string{"LICENSE": apache, thickPath: "# comment\n---\n" + configMap("a")})
	modules.add(t, "v4.1.0", map[string]string{"LICENSE": apache, movedPath: configMap("b")})
	return modules
}

func releases(versions ...string) upstream.Lock {
	var lock upstream.Lock
	for _, version := range versions {
		lock.Releases = append(lock.Releases, upstream.Release{Version: version})
	}
	return lock
}

// written builds the lock's tree, writes it to a new directory and returns both.
func written(t *testing.T, lock upstream.Lock, fetch upstream.Fetch) (upstream.Tree, string) {
	t.Helper()
	tree, err := upstream.Build(t.Context(), lock, fetch)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "manifests")
	if err := tree.Write(dir); err != nil {
		t.Fatal(err)
	}
	return tree, dir
}

func TestBuild(t *testing.T) {
	lock := releases("v4.1.0", "v4.0.10", "v4.0.0")
	lock.Releases = append(lock.Releases, upstream.Unverified("v4.0.2", []byte(configMap("a"))))
	tree, err := upstream.Build(t.Context(), lock, fakeUpstream(t).fetch)
	if err != nil {
		t.Fatal(err)
	}

	const canonicalA = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
	const canonicalB = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n"
	wantFiles := map[string][]byte{"v4.0.0.yaml": []byte(canonicalA), "v4.1.0.yaml": []byte(canonicalB)}
	if diff := cmp.Diff(wantFiles, tree.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}

	for i := range tree.Lock.Releases {
		if len(tree.Lock.Releases[i].UpstreamSHA256) != 64 {
			t.Errorf("release %d has no upstream sha256", i)
		}
		tree.Lock.Releases[i].UpstreamSHA256 = ""
	}
	verified := func(version, manifest, path string) upstream.Release {
		return upstream.Release{
			Version: version, Manifest: manifest, Module: upstream.ModulePath + "@" + version,
			ModuleSum: "h1:" + version, UpstreamPath: path, Licence: "Apache-2.0",
		}
	}
	want := []upstream.Release{
		verified("v4.0.0", "v4.0.0.yaml", thickPath),
		{
			Version: "v4.0.2", Manifest: "v4.0.0.yaml", GitTag: "v4.0.2", SameAs: "v4.0.0",
			UpstreamPath: thickPath, Licence: "Apache-2.0",
		},
		verified("v4.0.10", "v4.0.0.yaml", thickPath),
		verified("v4.1.0", "v4.1.0.yaml", movedPath),
	}
	if diff := cmp.Diff(want, tree.Lock.Releases); diff != "" {
		t.Errorf("releases (-want +got):\n%s", diff)
	}
}

func TestBuildErrors(t *testing.T) {
	modules := fakeUpstream(t)
	modules.add(t, "v4.9.0", map[string]string{"LICENSE": apache})
	modules.add(t, "v4.9.1", map[string]string{"LICENSE": "All rights reserved\n", thickPath: configMap("a")})
	modules.add(t, "v4.9.2", map[string]string{"LICENSE": apache, thickPath: "a: b\n"})
	modules.add(t, "v4.9.3", map[string]string{"LICENSE": apache, thickPath: "# nothing\n"})
	modules.add(t, "v4.9.4", map[string]string{thickPath: configMap("a")})
	unverified := releases("v4.0.0")
	unverified.Releases = append(unverified.Releases, upstream.Unverified("v4.0.1", []byte("other")))
	tests := []struct {
		name string
		lock upstream.Lock
		want []string
	}{
		{"no version", releases("4.1.0"), []string{`release "4.1.0": not a version`}},
		{"not canonical", releases("v4.01.0"), []string{`release "v4.01.0": not a version`}},
		{"twice", releases("v4.0.0", "v4.0.0"), []string{"release v4.0.0: listed twice"}},
		{"not served", releases("v4.7.0"), []string{"release v4.7.0: module v4.7.0: not in the module cache"}},
		{"file not found", releases("v4.9.0"), []string{"release v4.9.0: has no " + thickPath + " and no " + movedPath}},
		{"another licence", releases("v4.9.1"), []string{"release v4.9.1: LICENSE is not Apache-2.0"}},
		{"not a manifest", releases("v4.9.2"), []string{"release v4.9.2: " + thickPath + ": document 1: object: apiVersion is missing"}},
		{"no objects", releases("v4.9.3"), []string{"release v4.9.3: " + thickPath + ": holds no objects"}},
		{"no licence", releases("v4.9.4"), []string{"release v4.9.4: open ", "LICENSE"}},
		{"all at once", releases("v4.9.3", "v4.9.0"), []string{"release v4.9.0: ", "release v4.9.3: "}},
		{"nothing to compare with", unverified, []string{"release v4.0.1: no verified release has a file with sha256 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := upstream.Build(t.Context(), tt.lock, modules.fetch)
			wantError(t, err, tt.want...)
		})
	}
}

func TestBuildEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	modules := fakeUpstream(t)
	var fetched int
	_, err := upstream.Build(ctx, releases("v4.0.0", "v4.0.10", "v4.1.0"),
		func(ctx context.Context, version string) (upstream.Module, error) {
			fetched++
			cancel()
			return modules.fetch(ctx, version)
		})
	if !errors.Is(err, context.Canceled) || fetched != 1 {
		t.Errorf("got error %v after %d releases, want %v after 1", err, fetched, context.Canceled)
	}
}

func TestWriteRemovesWhatIsGone(t *testing.T) {
	modules := fakeUpstream(t)
	_, dir := written(t, releases("v4.0.10", "v4.1.0"), modules.fetch)
	tree, err := upstream.Build(t.Context(), releases("v4.0.0", "v4.0.10"), modules.fetch)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Write(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if diff := cmp.Diff([]string{upstream.LockFile, "v4.0.0.yaml"}, got); diff != "" {
		t.Errorf("directory (-want +got):\n%s", diff)
	}
	lock, err := upstream.ReadLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree.Lock, lock); diff != "" {
		t.Errorf("lock (-want +got):\n%s", diff)
	}
}

func TestReadLock(t *testing.T) {
	dir := t.TempDir()
	lock, err := upstream.ReadLock(dir)
	if err != nil || len(lock.Releases) != 0 {
		t.Errorf("no lock: got %v and error %v, want an empty lock", lock, err)
	}
	if err := os.WriteFile(filepath.Join(dir, upstream.LockFile), []byte("unknown: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = upstream.ReadLock(dir)
	wantError(t, err, upstream.LockFile, `unknown field "unknown"`)
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
