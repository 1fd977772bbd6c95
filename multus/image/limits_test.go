package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/multihome/multihome/multus/image"
)

// bomb is a layer with one file of zeros.
func bomb(t testing.TB, size int64) v1.Layer {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Mode: 0o644, Size: size, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(out.Bytes(), types.OCILayer)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLimits: whatever an image does, it costs no more than allowed, and the
// error says what was too much.
func TestLimits(t *testing.T) {
	many := make([]file, 40)
	for i := range many {
		many[i] = file{name: fmt.Sprint("file-", i)}
	}
	long := file{name: strings.Repeat("x/", 100_000), link: strings.Repeat("y/", 100_000)}
	manyNames := make([]file, 180)
	for i := range manyNames {
		manyNames[i] = long
	}
	globals := make([]file, 40)
	for i := range globals {
		globals[i] = file{name: "pax", kind: tar.TypeXGlobalHeader}
	}
	nested := rightIndex(t)
	for range 6 {
		nested = indexOf(t, labelled{"", nested})
	}
	of := func(layers ...v1.Layer) v1.ImageIndex {
		return indexOf(t, labelled{"linux/arm64", imageOf(t, "linux/arm64", layers...)})
	}
	tests := []struct {
		name   string
		index  v1.ImageIndex
		limits image.Limits
		want   string
	}{
		{"a bomb", of(bomb(t, 70<<20)), image.Limits{}, "unpacked, in multiples of its size is more than the limit of 200"},
		{"a bomb that is allowed", of(bomb(t, 70<<20)), image.Limits{Ratio: 2000}, ""},
		{"a large layer", of(bomb(t, 1<<20)), image.Limits{Unpacked: 1 << 19}, "unpacked, in bytes"},
		{"large layers", of(bomb(t, 1<<20), bomb(t, 1<<20-1)), image.Limits{Unpacked: 3 << 19}, "unpacked, in bytes"},
		{"many files", of(layerOf(t, many...)), image.Limits{Entries: 39}, "number of files in the image"},
		{"as many files as allowed", of(layerOf(t, many...)), image.Limits{Entries: 40}, ""},
		{"many headers for no file", of(layerOf(t, globals...)), image.Limits{Entries: 39}, "number of files in the image"},
		{"long names", of(layerOf(t, manyNames...)), image.Limits{Ratio: 10_000}, "names of the files in the image"},
		{"many layers", of(layerOf(t, many[:1]...), layerOf(t, many[1:2]...), layerOf(t, many[2:3]...)), image.Limits{Layers: 2}, "number of layers"},
		{"many images", rightIndex(t), image.Limits{Manifests: 1}, "number of images in the index"},
		{"indexes without end", nested, image.Limits{}, "indexes within one another"},
		{"many empty indexes", indexOf(t, labelled{"", indexOf(t)}, labelled{"", indexOf(t, labelled{"linux/s390x", multusImage(t, "s390x")})}, labelled{"", rightIndex(t)}), image.Limits{Manifests: 3}, "number of images in the index"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := image.VerifyIndex(t.Context(), multusName, test.index, image.VerifyOptions{Platforms: []string{"linux/arm64"}, Limits: test.limits})
			limit, isLimit := errors.AsType[*image.LimitError](err)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case test.want != "" && (!isLimit || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want a LimitError about %s", err, test.want)
			case isLimit && limit.Limit == 0:
				t.Error("the limit is not told")
			}
		})
	}
}

// TestDocuments: manifests that are not what they say are refused.
func TestDocuments(t *testing.T) {
	s := serve(t, nil)
	const digest = "sha256:" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	layer := `{"mediaType":"` + string(types.OCILayer) + `","size":1,"digest":"` + digest + `"}`
	tests := []struct{ name, mediaType, body, want string }{
		{"index and image in one", string(types.OCIImageIndex), `{"schemaVersion":2,"manifests":[],"layers":[]}`, "CVE-2021-41190"},
		{"image that says it is an index", string(types.OCIManifestSchema1), `{"schemaVersion":2,"mediaType":"` + string(types.OCIImageIndex) + `","config":` + layer + `,"layers":[]}`, "and is not"},
		{"index that says it is an image", string(types.OCIImageIndex), `{"schemaVersion":2,"mediaType":"` + string(types.OCIManifestSchema1) + `","manifests":[]}`, "and is not"},
		{"schema 1", string(types.DockerManifestSchema1), `{"schemaVersion":1}`, "has schema 1"},
		{"neither", string(types.OCIManifestSchema1), `{"schemaVersion":2}`, "neither an image nor an index"},
		{"image with a bad digest", string(types.OCIManifestSchema1), `{"schemaVersion":2,"config":{"digest":"x"},"layers":[]}`, "cannot parse hash"},
		{"image whose configuration is not there", string(types.OCIManifestSchema1), `{"schemaVersion":2,"config":` + layer + `,"layers":[]}`, "image not found"},
	}
	for n, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ref := push(t, s, fmt.Sprint("a/b:", n), raw{test.body, types.MediaType(test.mediaType)})
			_, err := image.Verify(t.Context(), ref, image.VerifyOptions{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// raw is a manifest as it is pushed.
type raw struct {
	body      string
	mediaType types.MediaType
}

func (r raw) RawManifest() ([]byte, error)        { return []byte(r.body), nil }
func (r raw) MediaType() (types.MediaType, error) { return r.mediaType, nil }
