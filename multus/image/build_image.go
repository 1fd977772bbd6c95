package image

import (
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// labels are what an image says of itself.
type labels map[string]string

// goAnnotation says which Go release compiled an image.
const goAnnotation = "github.com/multihome/multihome/go"

func (b *builder) labels() labels {
	l := labels{
		"org.opencontainers.image.title":       "multus-cni",
		"org.opencontainers.image.description": "Multus " + b.options.Version + " (thick), built from its Go module by multihome",
		"org.opencontainers.image.version":     b.options.Version,
		"org.opencontainers.image.source":      "https://github.com/k8snetworkplumbingwg/multus-cni",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		goAnnotation:                           b.toolchain.Version,
	}
	maps.Copy(l, b.options.Annotations)
	return l
}

// namedLayer is a layer and what it is called in the image's history.
type namedLayer struct {
	name  string
	layer v1.Layer
}

// platformImage is an image and what it is for.
type platformImage struct {
	platform platform
	image    v1.Image
}

// image puts layers together.
func (l labels) image(p platform, layers []namedLayer) (v1.Image, error) {
	var parts []mutate.Addendum
	for _, part := range layers {
		parts = append(parts, mutate.Addendum{
			Layer:     part.layer,
			MediaType: types.OCILayer,
			History:   v1.History{Created: v1.Time{Time: built}, CreatedBy: "multihome: " + part.name},
		})
	}
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), parts...)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.os, p.arch, p.variant
	config.Created = v1.Time{Time: built}
	config.Config = v1.Config{
		Entrypoint: []string{"/" + multusBin + "multus-daemon"},
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels:     l,
	}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, err
	}
	return annotate(image, l), nil
}

// index puts the platforms' images together.
func (l labels) index(images []platformImage) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        i.image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: i.platform.os, Architecture: i.platform.arch, Variant: i.platform.variant}},
		})
	}
	return annotate(index, l)
}

// annotate returns an image or an index with annotations.
func annotate[T partial.WithRawManifest](what T, annotations map[string]string) T {
	annotated, ok := mutate.Annotations(what, annotations).(T)
	if !ok { // cannot be: an image comes back as an image
		return what
	}
	return annotated
}
