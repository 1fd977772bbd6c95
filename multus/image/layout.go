package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// containerdName is the annotation with an image's name in a layout that
// containerd takes as it is; to refName, OCI's, ctr adds a prefix.
const containerdName = "io.containerd.image.name"

// entryOf is the index as an entry of a layout under the name ref.
func entryOf(index v1.ImageIndex, ref string) (v1.Descriptor, error) {
	parsed, err := RegistryOptions{}.parse(ref)
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := index.Size()
	if err != nil {
		return v1.Descriptor{}, err
	}
	mediaType, err := index.MediaType()
	return v1.Descriptor{
		MediaType: mediaType, Size: size, Digest: digest,
		Annotations: map[string]string{refName: parsed.Name(), containerdName: parsed.Name()},
	}, err
}

// WriteLayout writes an index to dir as an OCI image layout, under the name
// ref: "registry.example.com/multus-cni:v4.3.0-thick". A layout that is there
// keeps its other images; one of the same name is replaced, and its blobs stay.
func WriteLayout(index v1.ImageIndex, dir, ref string) error {
	entry, err := entryOf(index, ref)
	if err == nil {
		err = writeLayout(index, entry, dir)
	}
	if err != nil {
		return fmt.Errorf("write %s to the layout %s: %w", ref, dir, err)
	}
	return nil
}

func writeLayout(index v1.ImageIndex, entry v1.Descriptor, dir string) error {
	l, err := layout.FromPath(dir)
	if errors.Is(err, fs.ErrNotExist) {
		l, err = layout.Write(dir, empty.Index)
	}
	if err != nil {
		return err
	}
	return l.ReplaceIndex(index, match.Name(entry.Annotations[refName]), layout.WithAnnotations(entry.Annotations))
}

// WriteTarball writes an index to w as a tarball of an OCI image layout, under
// the name ref: "registry.example.com/multus-cni:v4.3.0-thick". It is what "ctr
// images import" takes, under that name. The same index and name give the same
// bytes.
func WriteTarball(index v1.ImageIndex, w io.Writer, ref string) error {
	if err := writeTarball(index, w, ref); err != nil {
		return fmt.Errorf("write %s as a tarball: %w", ref, err)
	}
	return nil
}

func writeTarball(index v1.ImageIndex, w io.Writer, ref string) error {
	entry, err := entryOf(index, ref)
	if err != nil {
		return err
	}
	top, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{entry}})
	if err != nil {
		return err
	}
	blobs := blobs{}
	if err := blobs.addIndex(index); err != nil {
		return err
	}
	out := layerWriter{tar: tar.NewWriter(w), directories: map[string]bool{".": true}}
	files := []layerFile{
		{path: "oci-layout", mode: 0o644, data: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{path: "index.json", mode: 0o644, data: top},
	}
	for _, file := range files {
		if err := out.add(file); err != nil {
			return err
		}
	}
	for _, b := range blobs.sorted() {
		if err := out.blob(b); err != nil {
			return fmt.Errorf("blob %s: %w", b.digest, err)
		}
	}
	return out.tar.Close()
}

// blob is a file of a layout.
type blob struct {
	digest v1.Hash
	size   int64
	open   func() (io.ReadCloser, error)
}

// blobs by digest: images may share them.
type blobs map[v1.Hash]blob

func (b blobs) sorted() []blob {
	var out []blob
	for _, one := range b {
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b blob) int { return cmp.Compare(a.digest.String(), b.digest.String()) })
	return out
}

// add adds what is in memory.
func (b blobs) add(raw []byte, err error) error {
	if err != nil {
		return err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	b[digest] = blob{digest, size, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }}
	return err
}

func (b blobs) addIndex(index v1.ImageIndex) error {
	if err := b.add(index.RawManifest()); err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, entry := range manifest.Manifests {
		switch {
		case entry.MediaType.IsIndex():
			nested, err := index.ImageIndex(entry.Digest)
			if err == nil {
				err = b.addIndex(nested)
			}
			if err != nil {
				return err
			}
		case entry.MediaType.IsImage():
			image, err := index.Image(entry.Digest)
			if err == nil {
				err = b.addImage(image)
			}
			if err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s: is a %s, neither image nor index", entry.Digest, entry.MediaType)
		}
	}
	return nil
}

func (b blobs) addImage(image v1.Image) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		size, err := layer.Size()
		if err != nil {
			return err
		}
		b[digest] = blob{digest, size, layer.Compressed}
	}
	if err := b.add(image.RawConfigFile()); err != nil {
		return err
	}
	return b.add(image.RawManifest())
}

// blob writes a blob as a file of a layout.
func (w *layerWriter) blob(b blob) error {
	content, err := b.open()
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // it was only read
	at := "blobs/" + b.digest.Algorithm
	if err := w.directory(at, 0o755); err != nil {
		return err
	}
	if err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: at + "/" + b.digest.Hex, Mode: 0o644, Size: b.size, ModTime: built}); err != nil {
		return err
	}
	_, err = io.Copy(w.tar, content)
	return err
}
