package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/multihome/multihome"
)

// platform looks into the image that a node of p takes.
func (v *verification) platform(ctx context.Context, p platform, entries []entry) (Platform, error) {
	out := Platform{Platform: p.String()}
	chosen, ok := choose(entries, p)
	if !ok {
		v.missingPlatform(p, entries)
		return out, nil
	}
	out.Entry, out.Present = chosen.platform.String(), chosen.platform == p
	if chosen.Digest.Algorithm != byFile {
		out.Digest = chosen.Digest.String()
	}
	doc := chosen.document
	if doc == nil {
		got, err := v.source.get(ctx, chosen.Descriptor)
		if err != nil {
			return out, err
		}
		doc = &got
	}
	if doc.image == nil {
		return out, fmt.Errorf("manifest %s: is an index and was said to be an image", digestName(chosen.Digest))
	}
	for _, layer := range doc.image.Layers {
		out.Size += max(layer.Size, 0)
	}
	config, err := v.config(ctx, *doc)
	if err != nil {
		return out, err
	}
	if said := config.platform(); said != chosen.platform {
		v.add(multihome.SeverityWarning, "image/label", chosen.platform,
			fmt.Sprintf("its configuration says %s, and the index %s", said, chosen.platform), "build it anew with one platform said in both", "OCI image specification, image index: platform")
	}
	s := newSearch(v.programs, v.optional, config.path())
	if err := v.readLayers(ctx, p, doc.image.Layers, s); err != nil {
		return out, err
	}
	out.Programs = s.programs(doc.image.Layers)
	if !out.Present {
		v.fallback(p, chosen.platform, out.Programs)
		return out, nil
	}
	v.judge(p, s, doc.image.Layers)
	return out, nil
}

// readLayers reads layers from the top until every program is found.
func (v *verification) readLayers(ctx context.Context, p platform, layers []v1.Descriptor, s *search) error {
	if len(layers) > v.limits.Layers {
		return &LimitError{What: "number of layers", Limit: int64(v.limits.Layers)}
	}
	var unpackedTotal int64
	for i := len(layers) - 1; i >= 0; i-- {
		if s.done() && !v.options.Whole {
			return nil
		}
		layer := layers[i]
		if !layer.MediaType.IsDistributable() {
			s.unread++
			v.add(multihome.SeverityWarning, "image/foreign-layer", p,
				fmt.Sprintf("layer %s is kept outside of the registry and was not read", digestName(layer.Digest)), "push it with the image", "OCI image specification, layer: non-distributable layers")
			continue
		}
		if !isLayer(layer.MediaType) {
			s.unread++
			v.add(multihome.SeverityError, "image/layer-type", p,
				fmt.Sprintf("layer %s is of type %q, which containerd does not unpack", digestName(layer.Digest), layer.MediaType), "build it with layers of type "+string(types.OCILayer), "OCI image specification, layer")
			continue
		}
		if err := v.readOne(ctx, p, layer, i, s, &unpackedTotal); err != nil {
			return err
		}
	}
	s.again()
	return nil
}

func (v *verification) readOne(ctx context.Context, p platform, layer v1.Descriptor, number int, s *search, total *int64) error {
	body, err := v.source.blob(ctx, layer)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // it was only read
	blob := newBlobReader(ctx, body, "layer", layer.Digest)
	err = s.tree.readLayer(blob, number, v.limits, total, func(at string) error {
		if s.update(at); s.done() && !v.options.Whole {
			return errEnough
		}
		return nil
	})
	s.updateAll()
	v.fetched += blob.read
	broken, isBroken := errors.AsType[*layerError](err)
	switch {
	case err == nil, errors.Is(err, errEnough):
		return nil
	case isBroken:
		s.unread++
		v.add(multihome.SeverityError, "image/layer-broken", p,
			fmt.Sprintf("%s cannot be unpacked: %v", blob, broken), "push the image anew", "")
		return nil
	default:
		return fmt.Errorf("%s, after %d bytes: %w", blob, blob.read, err)
	}
}

// isLayer reports whether containerd unpacks the type. What is inside it looks
// for itself. Types that are not said count as layers: docker save says none.
func isLayer(mediaType types.MediaType) bool {
	for _, base := range []string{string(types.OCIUncompressedLayer), string(types.DockerUncompressedLayer)} {
		rest, ok := strings.CutPrefix(string(mediaType), base)
		switch rest {
		case "", "+gzip", "+zstd", ".gzip", ".zstd":
			if ok {
				return true
			}
		}
	}
	return false
}
