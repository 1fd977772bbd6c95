package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// layoutSource reads an OCI layout: a directory, or a tarball that holds one.
type layoutSource struct {
	files  files
	name   string // which image of the layout, "" if it has one only
	limits Limits
	bytes  int64
}

// files opens files by their slash-separated path. A path cannot lead out of
// where they lie.
type files interface {
	open(name string) (io.ReadCloser, error)
	close() error
}

// splitName takes a name off a path: "dir#v4.3.0".
func splitName(ref string) (at, name string) {
	if i := strings.LastIndex(ref, "#"); i >= 0 {
		return ref[:i], ref[i+1:]
	}
	return ref, ""
}

// rootFiles are the files of a directory.
type rootFiles struct{ root *os.Root }

func (f rootFiles) open(name string) (io.ReadCloser, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s: is not a regular file", name), err, file.Close())
	}
	return file, nil
}

func (f rootFiles) close() error { return f.root.Close() }

func openLayout(ref string, limits Limits) (source, error) {
	dir, name := splitName(ref)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("OCI layout: %w", err)
	}
	return &layoutSource{files: rootFiles{root}, name: name, limits: limits}, nil
}

// root is the index of the layout, or the one entry of it that is asked for.
func (s *layoutSource) root(ctx context.Context) (document, error) {
	raw, err := s.readFile(ctx, "index.json", v1.Descriptor{})
	if err != nil {
		return document{}, fmt.Errorf("OCI layout: %w", err)
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return document{}, err
	}
	doc, err := parseDocument(v1.Descriptor{Digest: digest, Size: size}, raw)
	if err != nil {
		return doc, fmt.Errorf("OCI layout: index.json: %w", err)
	}
	if doc.index == nil {
		return doc, errors.New("OCI layout: index.json is not an index")
	}
	var named []v1.Descriptor
	var names []string
	for _, entry := range doc.index.Manifests {
		name := entry.Annotations[refName]
		names = append(names, name)
		if s.name == "" || s.name == name || s.name == entry.Digest.String() {
			named = append(named, entry)
		}
	}
	switch {
	case len(named) == 1:
		return s.get(ctx, named[0])
	case s.name == "" && allImages(named):
		return doc, nil // one image, without an index of its own
	case len(named) == 0:
		return doc, fmt.Errorf("OCI layout: %w: none of %q is named %q", ErrNotFound, names, s.name)
	default:
		return doc, fmt.Errorf("OCI layout: holds %d images; name one behind a #, as in oci:dir#name: %q", len(named), names)
	}
}

// refName is the annotation with an image's name in a layout.
const refName = "org.opencontainers.image.ref.name"

func allImages(entries []v1.Descriptor) bool {
	for _, entry := range entries {
		if entry.MediaType.IsIndex() || entry.Platform == nil {
			return false
		}
	}
	return len(entries) > 0
}

func (s *layoutSource) get(ctx context.Context, entry v1.Descriptor) (document, error) {
	raw, err := s.readFile(ctx, blobPath(entry), entry)
	if err != nil {
		return document{}, fmt.Errorf("OCI layout: %w", err)
	}
	return parseDocument(entry, raw)
}

func (s *layoutSource) readFile(ctx context.Context, name string, desc v1.Descriptor) ([]byte, error) {
	file, err := s.files.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	raw, err := readAll(ctx, file, "manifest", desc, s.limits.Manifest)
	s.bytes += int64(len(raw))
	return raw, err
}

func (s *layoutSource) blob(_ context.Context, blob v1.Descriptor) (io.ReadCloser, error) {
	file, err := s.files.open(blobPath(blob))
	if err != nil {
		return nil, fmt.Errorf("OCI layout: blob %s: %w", blob.Digest, err)
	}
	return file, nil
}

func blobPath(desc v1.Descriptor) string {
	return path.Join("blobs", desc.Digest.Algorithm, desc.Digest.Hex)
}

func (s *layoutSource) read() int64 { return s.bytes }

func (s *layoutSource) close() error { return s.files.close() }

// dockerSource reads what docker save writes: it names files where OCI has
// digests.
type dockerSource struct {
	layoutSource
	images []dockerImage
}

// dockerImage is an entry of manifest.json.
type dockerImage struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// byFile is the algorithm of digests that are file names.
const byFile = "file"

func openDocker(ctx context.Context, s layoutSource) (source, error) {
	raw, err := s.readFile(ctx, "manifest.json", v1.Descriptor{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("tarball: holds neither index.json nor manifest.json, so it is no image")
	}
	if err != nil {
		return nil, fmt.Errorf("tarball: %w", err)
	}
	out := &dockerSource{layoutSource: s}
	if err := json.Unmarshal(raw, &out.images); err != nil {
		return nil, fmt.Errorf("tarball: manifest.json: %w", err)
	}
	return out, nil
}

// root is an index of the images in the tarball, or of those with the name
// asked for: docker save writes an image for each platform.
func (s *dockerSource) root(context.Context) (document, error) {
	index := &v1.IndexManifest{}
	var names []string
	for _, image := range s.images {
		names = append(names, image.RepoTags...)
		if s.name == "" || strings.Contains("\n"+strings.Join(image.RepoTags, "\n")+"\n", "\n"+s.name+"\n") {
			index.Manifests = append(index.Manifests, v1.Descriptor{Digest: v1.Hash{Algorithm: byFile, Hex: image.Config}})
		}
	}
	if len(index.Manifests) == 0 {
		return document{}, fmt.Errorf("tarball: %w: none of %q is named %q", ErrNotFound, names, s.name)
	}
	return document{index: index}, nil
}

func (s *dockerSource) get(_ context.Context, entry v1.Descriptor) (document, error) {
	for _, image := range s.images {
		if image.Config != entry.Digest.Hex {
			continue
		}
		manifest := &v1.Manifest{Config: entry}
		for _, layer := range image.Layers {
			manifest.Layers = append(manifest.Layers, v1.Descriptor{MediaType: "application/vnd.docker.image.rootfs.diff.tar", Digest: v1.Hash{Algorithm: byFile, Hex: layer}})
		}
		return document{Descriptor: entry, image: manifest}, nil
	}
	return document{}, fmt.Errorf("tarball: %w: %s", ErrNotFound, entry.Digest.Hex)
}

func (s *dockerSource) blob(_ context.Context, blob v1.Descriptor) (io.ReadCloser, error) {
	file, err := s.files.open(blob.Digest.Hex)
	if err != nil {
		return nil, fmt.Errorf("tarball: %w", err)
	}
	return file, nil
}
