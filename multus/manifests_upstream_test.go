package multus_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/multihome/multihome/internal/upstream"
)

const manifestsDir = "manifests"

// TestManifestsEqualUpstream compares every embedded manifest with upstream's
// file of every release it stands for, object by object, with a parser that is
// not the generator's. It needs upstream's modules from the network or the
// module cache; each is compared with the verified hash in the lock.
func TestManifestsEqualUpstream(t *testing.T) {
	for _, release := range readManifestsLock(t).Releases {
		if !release.Verified() {
			continue // TestUnverifiedReleasesShareASHA256
		}
		t.Run(release.Version, func(t *testing.T) {
			module, err := fetchUpstream(t.Context(), release.Version)
			if err != nil {
				t.Fatal(err)
			}
			if module.Sum != release.ModuleSum {
				t.Fatalf("module sum: got %s, the lock says %s", module.Sum, release.ModuleSum)
			}
			want, err := os.ReadFile(filepath.Join(module.Dir, filepath.FromSlash(release.UpstreamPath)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(manifestsDir, release.Manifest))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decodeManifest(t, want), decodeManifest(t, got)); diff != "" {
				t.Errorf("%s against %s (-upstream +embedded):\n%s", release.Manifest, release.Module, diff)
			}
		})
	}
}

// TestUnverifiedReleasesShareASHA256 covers the releases whose module cannot
// be verified. It proves less than TestManifestsEqualUpstream: that the sha256
// recorded from the git tag is that of a verified release, not where it is from.
func TestUnverifiedReleasesShareASHA256(t *testing.T) {
	lock := readManifestsLock(t)
	for _, release := range lock.Releases {
		if release.Verified() {
			continue
		}
		t.Run(release.Version, func(t *testing.T) {
			same, found := lock.Find(release.SameAs)
			if !found || !same.Verified() {
				t.Fatalf("sameAs %q is not a verified release", release.SameAs)
			}
			if release.UpstreamSHA256 != same.UpstreamSHA256 || release.Manifest != same.Manifest {
				t.Errorf("got sha256 %s and manifest %s, %s has %s and %s", release.UpstreamSHA256, release.Manifest,
					same.Version, same.UpstreamSHA256, same.Manifest)
			}
			t.Logf("%s has no verifiable module: compared its recorded sha256 with that of %s", release.Version, same.Version)
		})
	}
}

// TestManifestsLock proves that the directory is what the generator writes.
func TestManifestsLock(t *testing.T) {
	report, err := upstream.Check(t.Context(), manifestsDir, fetchUpstream)
	if err != nil {
		t.Errorf("%v\nwrite it again with go run ./internal/cmd/genmanifests", err)
	}
	if len(report.LockOnly) > 0 {
		t.Errorf("not compared with upstream: %v", report.LockOnly)
	}
}

// fetchUpstream prefers the module cache, so that the tests run offline once they ran.
func fetchUpstream(ctx context.Context, version string) (upstream.Module, error) {
	module, err := upstream.Cached(ctx, version)
	if errors.Is(err, upstream.ErrNotCached) {
		return upstream.Download(ctx, version)
	}
	return module, err
}

func readManifestsLock(t *testing.T) upstream.Lock {
	t.Helper()
	lock, err := upstream.ReadLock(manifestsDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(lock.Releases) == 0 {
		t.Fatal("the lock names no release")
	}
	return lock
}

// decodeManifest reads a manifest as kubectl does.
func decodeManifest(t *testing.T, data []byte) []map[string]any {
	t.Helper()
	var objects []map[string]any
	decoder := yaml.NewYAMLToJSONDecoder(bufio.NewReader(bytes.NewReader(data)))
	for {
		var object map[string]any
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if object != nil {
			objects = append(objects, object)
		}
	}
}
