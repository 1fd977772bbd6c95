package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/multihome/multihome/multus/image"
)

// named returns the indexes of a layout by name, once each blob has been read.
func named(t *testing.T, dir string) map[string]string {
	t.Helper()
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(top); err != nil {
		t.Error(err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, entry := range manifest.Manifests {
		name := entry.Annotations["org.opencontainers.image.ref.name"]
		if containerd := entry.Annotations["io.containerd.image.name"]; containerd != name {
			t.Errorf("containerd's name is %q, the other %q", containerd, name)
		}
		out[name] = entry.Digest.String()
	}
	return out
}

func TestWriteLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "images")
	first, second, third := someIndex(t), someIndex(t), someIndex(t)
	for _, write := range []struct {
		index v1.ImageIndex
		ref   string
	}{{first, "example.com/a:1"}, {second, "example.com/a:2"}, {third, "example.com/a:1"}, {third, "example.com/a:1"}} {
		if err := image.WriteLayout(write.index, dir, write.ref); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"example.com/a:1": digestOf(t, third), "example.com/a:2": digestOf(t, second)}
	if diff := cmp.Diff(want, named(t, dir)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

// TestWriteTarball: what is in it is a layout, and the same each time.
func TestWriteTarball(t *testing.T) {
	inner := someIndex(t)
	index := mutate.AppendManifests(inner, mutate.IndexAddendum{Add: someIndex(t)})
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := image.WriteTarball(index, out, "example.com/multus-cni:v4.3.0-thick"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the second tarball is another")
	}
	dir := t.TempDir()
	for archive := tar.NewReader(&first); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dir, filepath.FromSlash(header.Name))
		if header.Typeflag == tar.TypeDir {
			err = os.Mkdir(at, 0o755) // each once, before what is in it
		} else {
			var data []byte
			if data, err = io.ReadAll(archive); err == nil {
				err = os.WriteFile(at, data, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{"example.com/multus-cni:v4.3.0-thick": digestOf(t, index)}, named(t, dir)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

var errDisk = errors.New("the disk is full")

// fullAfter takes so many bytes.
type fullAfter int

func (f *fullAfter) Write(p []byte) (int, error) {
	*f -= fullAfter(len(p))
	if *f < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	index := someIndex(t)
	for _, err := range []error{image.WriteLayout(index, t.TempDir(), "A B"), image.WriteTarball(index, io.Discard, "A B")} {
		if err == nil || !strings.Contains(err.Error(), `image reference "A B"`) {
			t.Errorf("error %v, want the reference", err)
		}
	}
	notDir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := image.WriteLayout(index, notDir, "a:b"); err == nil || !strings.Contains(err.Error(), notDir) {
		t.Errorf("error %v, want the directory", err)
	}
	// Wherever it stops.
	for size := fullAfter(0); size < 10_000; size += 500 {
		left := size
		if err := image.WriteTarball(index, &left, "a:b"); !errors.Is(err, errDisk) {
			t.Errorf("after %d bytes: error %v", size, err)
		}
	}
	other := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: static.NewLayer([]byte("x"), types.OCILayer)})
	if err := image.WriteTarball(other, io.Discard, "a:b"); err == nil || !strings.Contains(err.Error(), "neither image nor index") {
		t.Errorf("error %v, want that a layer is no image", err)
	}
}
