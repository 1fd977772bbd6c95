package image

import (
	"bytes"
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ReadBinary reads the header of a program.
func ReadBinary(body []byte) Binary { return readBinary(body[:min(len(body), headBytes)]) }

// FindInLayers looks for a program in layers, bottom first, as Verify does, and
// returns its path and how many bytes the layers unpacked to.
func FindInLayers(ctx context.Context, name string, limits Limits, layers ...[]byte) (at string, unpacked int64, err error) {
	s := newSearch([]string{name}, nil, nil)
	for i, layer := range slices.Backward(layers) {
		blob := newBlobReader(ctx, bytes.NewReader(layer), "layer", v1.Hash{})
		err := s.tree.readLayer(blob, i, limits.orDefault(), &unpacked, func(at string) error {
			s.update(at)
			return nil
		})
		if err != nil {
			return "", unpacked, err
		}
	}
	s.again()
	return s.wants[0].at, unpacked, nil
}
