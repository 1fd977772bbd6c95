package image

import (
	"bytes"
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// indexSource reads an index that is in memory, or wherever its owner keeps it.
type indexSource struct {
	indexes []v1.ImageIndex // it, and those in it that were asked for
	images  []v1.Image      // in it that were asked for
	bytes   int64
}

func (s *indexSource) root(context.Context) (document, error) {
	digest, err := s.indexes[0].Digest()
	if err != nil {
		return document{}, fmt.Errorf("index: %w", err)
	}
	return s.parse(v1.Descriptor{Digest: digest}, s.indexes[0].RawManifest)
}

func (s *indexSource) parse(desc v1.Descriptor, manifest func() ([]byte, error)) (document, error) {
	raw, err := manifest()
	if err != nil {
		return document{}, fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	s.bytes += int64(len(raw))
	return parseDocument(desc, raw)
}

// get looks in the index, and in those that were in it.
func (s *indexSource) get(_ context.Context, entry v1.Descriptor) (document, error) {
	var last error
	for _, parent := range s.indexes {
		if entry.MediaType.IsIndex() {
			child, err := parent.ImageIndex(entry.Digest)
			if last = err; err == nil {
				s.indexes = append(s.indexes, child)
				return s.parse(entry, child.RawManifest)
			}
			continue
		}
		child, err := parent.Image(entry.Digest)
		if last = err; err == nil {
			s.images = append(s.images, child)
			return s.parse(entry, child.RawManifest)
		}
	}
	return document{}, fmt.Errorf("manifest %s: %w", entry.Digest, last)
}

// blob looks in the images seen, the latest first.
func (s *indexSource) blob(_ context.Context, blob v1.Descriptor) (io.ReadCloser, error) {
	err := fmt.Errorf("blob %s: %w", blob.Digest, ErrNotFound)
	for i := len(s.images) - 1; i >= 0; i-- {
		if name, nameErr := s.images[i].ConfigName(); nameErr == nil && name == blob.Digest {
			raw, err := s.images[i].RawConfigFile()
			return io.NopCloser(bytes.NewReader(raw)), err
		}
		layer, layerErr := s.images[i].LayerByDigest(blob.Digest)
		if layerErr != nil {
			err = fmt.Errorf("blob %s: %w", blob.Digest, layerErr)
			continue
		}
		return layer.Compressed()
	}
	return nil, err
}

func (s *indexSource) read() int64 { return s.bytes }

func (s *indexSource) close() error { return nil }
