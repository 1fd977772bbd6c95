package image

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// source is where an image is read from.
type source interface {
	// root returns what the reference names.
	root(ctx context.Context) (document, error)
	// get returns an entry of an index.
	get(ctx context.Context, entry v1.Descriptor) (document, error)
	// blob opens a layer or a configuration as it is stored. Whether it is
	// what its digest says is for the reader to see.
	blob(ctx context.Context, blob v1.Descriptor) (io.ReadCloser, error)
	// read is how many bytes of manifests came so far.
	read() int64
	close() error
}

// document is a manifest or an index: one of the two is set.
type document struct {
	v1.Descriptor
	raw   []byte
	image *v1.Manifest
	index *v1.IndexManifest
}

// parseDocument reads a manifest or an index. What it is says the document
// itself: what was said elsewhere may only agree.
func parseDocument(desc v1.Descriptor, raw []byte) (document, error) {
	doc := document{Descriptor: desc, raw: raw}
	var shape struct {
		MediaType types.MediaType   `json:"mediaType"`
		Schema    int               `json:"schemaVersion"`
		Manifests []json.RawMessage `json:"manifests"`
		Layers    []json.RawMessage `json:"layers"`
		Config    json.RawMessage   `json:"config"`
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		return doc, fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	isIndex, isImage := shape.Manifests != nil, shape.Layers != nil || shape.Config != nil
	mediaType := cmp.Or(shape.MediaType, desc.MediaType)
	doc.MediaType = mediaType
	switch {
	case shape.Schema == 1:
		return doc, fmt.Errorf("manifest %s: has schema 1, which container runtimes no longer take; push the image anew", desc.Digest)
	case isIndex && isImage:
		return doc, fmt.Errorf("manifest %s: is index and image in one, so that two readers see two things (CVE-2021-41190)", desc.Digest)
	case isIndex && mediaType.IsImage(), isImage && mediaType.IsIndex():
		return doc, fmt.Errorf("manifest %s: says that it is %s, and is not", desc.Digest, mediaType)
	case isIndex:
		var err error
		doc.index, err = v1.ParseIndexManifest(bytes.NewReader(raw))
		if err != nil {
			return doc, fmt.Errorf("index %s: %w", desc.Digest, err)
		}
	case isImage:
		var err error
		doc.image, err = v1.ParseManifest(bytes.NewReader(raw))
		if err != nil {
			return doc, fmt.Errorf("manifest %s: %w", desc.Digest, err)
		}
	default:
		return doc, fmt.Errorf("manifest %s: is neither an image nor an index, but %q", desc.Digest, mediaType)
	}
	return doc, nil
}

// readAll reads a small blob and compares its digest.
func readAll(ctx context.Context, from io.Reader, what string, desc v1.Descriptor, limit int64) ([]byte, error) {
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(newBlobReader(ctx, from, what, desc.Digest), limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, desc.Digest, err)
	}
	if n > limit {
		return nil, &LimitError{What: what + " " + desc.Digest.String() + " in bytes", Limit: limit}
	}
	return out.Bytes(), nil
}

// Prefixes of references that are files.
const (
	layoutPrefix  = "oci:"
	tarballPrefix = "tar:"
)

// open finds the source of a reference.
func open(ctx context.Context, ref string, options VerifyOptions) (source, error) {
	if at, ok := strings.CutPrefix(ref, layoutPrefix); ok {
		return openLayout(at, options.Limits.orDefault())
	}
	if at, ok := strings.CutPrefix(ref, tarballPrefix); ok {
		return openTarball(ctx, at, options.Limits.orDefault())
	}
	return newRemote(ref, options.Registry, options.Limits.orDefault())
}
