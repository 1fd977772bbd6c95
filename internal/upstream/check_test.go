package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/upstream"
)

func TestCheck(t *testing.T) {
	modules := fakeUpstream(t)
	lock := releases("v4.0.0", "v4.0.10", "v4.1.0")
	lock.Releases = append(lock.Releases, upstream.Unverified("v4.0.2", []byte(configMap("a"))))
	_, dir := written(t, lock, modules.fetch)

	delete(modules, "v4.1.0")
	got, err := upstream.Check(t.Context(), dir, modules.fetch)
	if err != nil {
		t.Fatal(err)
	}
	want := upstream.Report{
		Upstream:   []string{"v4.0.0", "v4.0.10"},
		LockOnly:   []string{"v4.1.0"},
		Unverified: []string{"v4.0.2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestCheckFindsEveryDifference(t *testing.T) {
	rewrite := func(file, old, text string) func(*testing.T, string, fakeModules) {
		return func(t *testing.T, dir string, _ fakeModules) {
			t.Helper()
			path := filepath.Join(dir, file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(data, []byte(old)) {
				t.Fatalf("%s has no %q", file, old)
			}
			if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(text), 1), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		change func(t *testing.T, dir string, modules fakeModules)
		want   []string
	}{
		{
			"manifest edited", rewrite("v4.0.0.yaml", "name: a", "name: x"),
			[]string{"v4.0.0.yaml: sha256 is ", "release v4.0.0: v4.0.0.yaml: differs from upstream's " + thickPath},
		},
		{"manifest missing", func(t *testing.T, dir string, _ fakeModules) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, "v4.1.0.yaml")); err != nil {
				t.Fatal(err)
			}
		}, []string{"v4.1.0.yaml: no such file"}},
		{"manifest too many", func(t *testing.T, dir string, _ fakeModules) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, "v9.yaml"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"v9.yaml: not in the lock"}},
		{"upstream changed", func(t *testing.T, _ string, modules fakeModules) {
			t.Helper()
			modules.add(t, "v4.1.0", map[string]string{"LICENSE": apache, thickPath: configMap("c")})
		}, []string{"release v4.1.0: upstream is "}},
		{
			"module sum edited", rewrite(upstream.LockFile, "h1:v4.0.0", "h1:other"),
			[]string{"release v4.0.0: upstream is ", "ModuleSum:h1:v4.0.0", "ModuleSum:h1:other"},
		},
		{
			"lock reformatted", rewrite(upstream.LockFile, "manifests:", "manifests:  "),
			[]string{"manifests.lock: not as the generator writes it"},
		},
		{
			"manifest of another release", rewrite(upstream.LockFile, "manifest: v4.0.0.yaml", "manifest: v4.7.0.yaml"),
			[]string{`manifest "v4.7.0.yaml" is not in the lock`},
		},
		{
			"sameAs a release with another file", rewrite(upstream.LockFile, "sameAs: v4.0.0", "sameAs: v4.1.0"),
			[]string{`release v4.0.2: sameAs "v4.1.0" is not a verified release with the same file`},
		},
		{
			"sameAs an unverified release", rewrite(upstream.LockFile, "sameAs: v4.0.0", "sameAs: v4.0.2"),
			[]string{`release v4.0.2: sameAs "v4.0.2" is not a verified release`},
		},
		{
			"neither module nor tag", rewrite(upstream.LockFile, "gitTag: v4.0.2", "gitTag: \"\""),
			[]string{"release v4.0.2: needs either a module or a gitTag"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			modules := fakeUpstream(t)
			lock := releases("v4.0.0", "v4.0.10", "v4.1.0")
			lock.Releases = append(lock.Releases, upstream.Unverified("v4.0.2", []byte(configMap("a"))))
			_, dir := written(t, lock, modules.fetch)
			tt.change(t, dir, modules)
			_, err := upstream.Check(t.Context(), dir, modules.fetch)
			wantError(t, err, tt.want...)
		})
	}
}

func TestCheckNeedsReleases(t *testing.T) {
	_, err := upstream.Check(t.Context(), t.TempDir(), fakeUpstream(t).fetch)
	wantError(t, err, "names no release")
}

func TestCheckEndsWithContext(t *testing.T) {
	modules := fakeUpstream(t)
	_, dir := written(t, releases("v4.0.0"), modules.fetch)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := upstream.Check(ctx, dir, modules.fetch); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}
