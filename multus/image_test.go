package multus_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/multus"
)

func TestRegistryRewrite(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("ab", 32)
	tests := []struct {
		name, image, registry, want string
	}{
		{"the official image", "", "registry.example.com", "registry.example.com/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"},
		{"a path on the mirror", "ghcr.io/a/b:c", "registry.example.com/mirror", "registry.example.com/mirror/a/b:c"},
		{"a slash at the end", "ghcr.io/a/b:c", "registry.example.com/mirror/", "registry.example.com/mirror/a/b:c"},
		{"a port on both", "localhost:5000/a:c", "registry.example.com:5001", "registry.example.com:5001/a:c"},
		{"no tag", "ghcr.io/a/b", "registry.example.com", "registry.example.com/a/b"},
		{"a digest", "ghcr.io/a/b" + digest, "registry.example.com", "registry.example.com/a/b" + digest},
		{"a tag and a digest", "ghcr.io/a/b:c" + digest, "registry.example.com", "registry.example.com/a/b:c" + digest},
		{"Docker Hub in short", "multus:c", "registry.example.com", "registry.example.com/library/multus:c"},
		{"Docker Hub by user", "me/multus:c", "registry.example.com", "registry.example.com/me/multus:c"},
		{"Docker Hub in full", "docker.io/me/multus:c", "registry.example.com", "registry.example.com/me/multus:c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bundle := render(t, multus.Config{Image: tt.image, Registry: tt.registry})
			if diff := cmp.Diff([]string{tt.want}, bundle.Images()); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRegistryRewritesAll: no image keeps its registry.
func TestRegistryRewritesAll(t *testing.T) {
	config := readConfig(t, "testdata/render/everything.txtar")
	before := render(t, config).Images()
	config.Registry = "mirror.example.org"
	after := render(t, config).Images()
	if len(after) != len(before) || len(after) != 4 {
		t.Errorf("before %q, after %q", before, after)
	}
	for _, image := range after {
		if !strings.HasPrefix(image, "mirror.example.org/") {
			t.Errorf("%s was not rewritten", image)
		}
	}
}

// TestPinDigest: every digest on record ends up in the image, which parses.
func TestPinDigest(t *testing.T) {
	pinned := 0
	for _, version := range multus.Versions() {
		bundle, err := multus.Render(multus.Config{Version: version, PinDigest: true})
		if err != nil {
			if !strings.Contains(err.Error(), "no digest is on record for "+version) {
				t.Error(err)
			}
			continue
		}
		pinned++
		image, digest, found := strings.Cut(bundle.Images()[0], "@sha256:")
		if want := "ghcr.io/k8snetworkplumbingwg/multus-cni:" + version + "-thick"; image != want || !found || len(digest) != 64 {
			t.Errorf("got %s", bundle.Images()[0])
		}
	}
	if pinned != 10 {
		t.Errorf("%d releases have a digest on record, want 10", pinned)
	}
}

// TestImageDecidesAboutRBAC: what matters is the release of the image, as far
// as its tag tells.
func TestImageDecidesAboutRBAC(t *testing.T) {
	tests := []struct {
		name   string
		config multus.Config
		want   bool
	}{
		{"the official image", multus.Config{Version: "v4.0.2"}, false},
		{"the official image, newer manifest", multus.Config{Version: "v4.1.0", Image: "registry.example.com/multus"}, false},
		{"an older image", multus.Config{Version: "v4.0.2", Image: "registry.example.com/multus:v4.0.1-thick"}, false},
		{"a newer image", multus.Config{Version: "v4.0.2", Image: "registry.example.com/multus:v4.1.0-thick"}, true},
		{"a newer image by digest too", multus.Config{Version: "v4.0.2", Image: "registry.example.com/multus:v4.3.0-thick@sha256:" + strings.Repeat("a", 64)}, true},
		{"a newer image by a port", multus.Config{Version: "v4.0.2", Image: "localhost:5000/multus:v4.3.0-thick"}, true},
		{"a tag that does not tell", multus.Config{Version: "v4.0.2", Image: "registry.example.com/multus:v4.0.2-thick-amd64"}, true},
		{"no tag", multus.Config{Version: "v4.0.2", Image: "registry.example.com/multus"}, true},
		{"a digest alone", multus.Config{Version: "v4.0.2", Image: "registry.example.com/multus@sha256:" + strings.Repeat("a", 64)}, true},
		{"upstream's moving image", multus.Config{Version: "v4.0.2", Skip: []string{"image-pin"}}, true},
		{"one architecture that does not tell", multus.Config{Version: "v4.0.2", ArchImages: map[string]string{"arm64": "multus:arm64"}}, true},
		{"one architecture that does", multus.Config{Version: "v4.0.2", ArchImages: map[string]string{"arm64": "multus:v4.0.2-thick"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := slices.ContainsFunc(render(t, tt.config).Fixes, func(f multus.Fix) bool { return f.Name == "rbac" })
			if got != tt.want {
				t.Errorf("rbac applied: %t, want %t", got, tt.want)
			}
		})
	}
}
