package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/multihome/multihome/multus/image"
)

const refName = "org.opencontainers.image.ref.name"

// layoutDir writes an OCI layout with indexes by name.
func layoutDir(t *testing.T, indexes map[string]v1.ImageIndex) string {
	t.Helper()
	dir := t.TempDir()
	at, err := layout.Write(dir, indexOf(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, index := range indexes {
		if err := at.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: name})); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tarDir writes a directory as a tarball and returns its path.
func tarDir(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerifyLayout(t *testing.T) {
	hole := indexOf(t, labelled{"linux/amd64", multusImage(t, "amd64")})
	one, two := layoutDir(t, map[string]v1.ImageIndex{"v4.3.0": rightIndex(t)}), layoutDir(t, map[string]v1.ImageIndex{"right": rightIndex(t), "hole": hole})
	flat := t.TempDir()
	if _, err := layout.Write(flat, rightIndex(t)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, ref string
		want      []string
		says      string // of an error
	}{
		{"one index", "oci:" + one, nil, ""},
		{"by name", "oci:" + two + "#right", nil, ""},
		{"by another name", "oci:" + two + "#hole", []string{"error image/no-platform linux/arm64"}, ""},
		{"images without an index", "oci:" + flat, nil, ""},
		{"several and no name", "oci:" + two, nil, "holds 2 images; name one behind a #"},
		{"no such name", "oci:" + two + "#blue", nil, `is named "blue"`},
		{"no layout", "oci:" + t.TempDir(), nil, "index.json"},
		{"tarball of a layout", "tar:" + tarDir(t, one), nil, ""},
		{"tarball of a layout by name", "tar:" + tarDir(t, two) + "#hole", []string{"error image/no-platform linux/arm64"}, ""},
		{"a file that is no tarball", "tar:" + filepath.Join(one, "index.json"), nil, "is not a tar archive"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			report, err := image.Verify(t.Context(), test.ref, image.VerifyOptions{Whole: true})
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %v, want %q", err, test.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, codes(report)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestVerifyLayoutDamaged: a file that was changed, or is not there.
func TestVerifyLayoutDamaged(t *testing.T) {
	tests := []struct {
		name   string
		damage func(path string) error
		want   func(error) bool
	}{
		{"changed", func(path string) error {
			body, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, append(body, ' '), 0o600))
		}, func(err error) bool { _, ok := errors.AsType[*image.DigestError](err); return ok }},
		{"gone", os.Remove, func(err error) bool { return errors.Is(err, fs.ErrNotExist) }},
		{"a directory in its place", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, func(err error) bool { return strings.Contains(err.Error(), "is not a regular file") }},
	}
	for _, test := range tests {
		count := 0
		for n := 0; n == 0 || n < count; n++ {
			dir := layoutDir(t, map[string]v1.ImageIndex{"v4.3.0": rightIndex(t)})
			blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
			if err != nil {
				t.Fatal(err)
			}
			count = len(blobs)
			if err := test.damage(blobs[n]); err != nil {
				t.Fatal(err)
			}
			if _, err := image.Verify(t.Context(), "oci:"+dir, image.VerifyOptions{Whole: true}); err == nil || !test.want(err) {
				t.Errorf("%s: %s: error %v", test.name, filepath.Base(blobs[n]), err)
			}
		}
		if count != 7 { // an index, and two manifests, configurations and layers
			t.Errorf("%s: %d blobs", test.name, count)
		}
	}
}

// TestVerifyDocker reads what docker save writes.
func TestVerifyDocker(t *testing.T) {
	path := filepath.Join(t.TempDir(), "save.tar")
	refs := map[name.Reference]v1.Image{}
	for tag, img := range map[string]v1.Image{"amd64": multusImage(t, "amd64"), "arm64": multusImage(t, "arm64")} {
		refs[mustParse(t, "registry.example.com/multus:"+tag)] = img
	}
	if err := tarball.MultiRefWriteToFile(path, refs); err != nil {
		t.Fatal(err)
	}
	report, err := image.Verify(t.Context(), "tar:"+path, image.VerifyOptions{})
	if err != nil || report.Err() != nil || report.Digest != "" {
		t.Errorf("%v, %v", err, report)
	}
	report, err = image.Verify(t.Context(), "tar:"+path+"#registry.example.com/multus:amd64", image.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"error image/no-platform linux/arm64"}, codes(report)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if _, err := image.Verify(t.Context(), "tar:"+path+"#other", image.VerifyOptions{}); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("no such name: %v", err)
	}

	write := func(files ...file) string {
		at := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(at, tarOf(t, files...), 0o600); err != nil {
			t.Fatal(err)
		}
		return "tar:" + at
	}
	config := file{name: "config.json", body: []byte(`{"os":"linux","architecture":"arm64"}`)}
	manifest := file{name: "manifest.json", body: []byte(`[{"Config":"config.json","Layers":["a/layer.tar"]}]`)}
	layer := file{name: "b/layer.tar", body: tarOf(t, multusFiles("arm64")...)}
	for _, test := range []struct {
		name, ref, says string
	}{
		{"a layer by a link", write(config, manifest, layer, file{name: "a/layer.tar", link: "../b/layer.tar"}), ""},
		{"no layer", write(config, manifest), "a/layer.tar"},
		{"no configuration", write(manifest), "config.json"},
		{"nothing", write(layer), "neither index.json nor manifest.json"},
		{"no JSON", write(file{name: "manifest.json", body: []byte("{")}), "manifest.json"},
		{"an index that is none", write(file{name: "index.json", body: []byte(`{"layers":[]}`)}), "is not an index"},
		{"cut", write(config, manifest) + "#a", "is named"},
	} {
		report, err := image.Verify(t.Context(), test.ref, image.VerifyOptions{Platforms: []string{"linux/arm64"}})
		if test.says == "" && (err != nil || report.Err() != nil) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v, error %v", test.name, report, err)
		}
	}
	if _, err := image.Verify(t.Context(), write(config, manifest, layer), image.VerifyOptions{Limits: image.Limits{Entries: 2}}); err == nil || !strings.Contains(err.Error(), "number of files in the tarball") {
		t.Errorf("many files: %v", err)
	}
}
