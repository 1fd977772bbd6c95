package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/multihome/multihome/multus"
)

// MirrorOptions change one call of [Mirror].
type MirrorOptions struct {
	// Registry says how registries are reached, those that are read and the
	// one that is written. Its Mirrors are for reading.
	Registry RegistryOptions
	// Limits bound what manifests can cost. Layers are copied as they are.
	Limits Limits
	// Progress is called for every blob and manifest, in order, from this
	// goroutine. The copying waits for it. Nil: no events.
	Progress func(MirrorEvent)
}

// MirrorEvent is one blob or manifest that is in its place.
type MirrorEvent struct {
	// Image is the reference that is copied, Target where to.
	Image  string `json:"image"`
	Target string `json:"target"`
	// Digest of the blob or manifest, and its bytes.
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	// Skipped: it was there already.
	Skipped bool `json:"skipped,omitempty"`
}

// String is the event on one line.
func (e MirrorEvent) String() string {
	what := "copied"
	if e.Skipped {
		what = "was there already"
	}
	return fmt.Sprintf("%s to %s: %s (%d bytes) %s", e.Image, e.Target, e.Digest, e.Size, what)
}

// Mirror copies every image of a Bundle, for all its platforms, to a registry
// and returns the Config of the Bundle with these images in place of the ones
// it had, by tag and digest. registry may have a path: with
// "registry.lan/mirror" ghcr.io/a/b:c becomes registry.lan/mirror/a/b:c.
//
// What is there already is not copied again, blob by blob, so that a call that
// was cut is finished by the next. A manifest is written once all that it names
// is there. Layers that a registry must not keep (non-distributable) are left
// out.
//
// Images that a [multus.Patch] brought are copied too; the Config then has one
// Patch more, which cannot be written in JSON.
//
// Errors to test for are those of [Verify].
func Mirror(ctx context.Context, bundle *multus.Bundle, registry string, options MirrorOptions) (multus.Config, error) {
	pusher, err := remote.NewPusher(options.Registry.remote()...)
	if err != nil {
		return multus.Config{}, err
	}
	there, err := remote.NewPuller(options.Registry.remote()...)
	if err != nil {
		return multus.Config{}, err
	}
	copied := map[string]string{}
	for _, image := range bundle.Images() {
		m := &mirror{options: options, image: image, pusher: pusher, there: there}
		if copied[image], err = m.run(ctx, registry); err != nil {
			return multus.Config{}, fmt.Errorf("mirror %s: %w", image, err)
		}
	}
	return mirroredConfig(bundle, copied), nil
}

// mirror is one image under way.
type mirror struct {
	options MirrorOptions
	image   string
	source  *remoteSource
	pusher  *remote.Pusher
	there   *remote.Puller // looks at the target

	repository name.Repository
	manifests  int
}

// run copies the image and returns what it is called now.
func (m *mirror) run(ctx context.Context, registry string) (string, error) {
	var err error
	if m.source, err = newRemote(m.image, m.options.Registry, m.options.Limits.orDefault()); err != nil {
		return "", err
	}
	target, tag, err := m.target(registry)
	if err != nil {
		return "", err
	}
	m.repository = target
	root, err := m.source.root(ctx)
	if err != nil {
		return "", err
	}
	if err := m.copyDocument(ctx, root, 0); err != nil {
		return "", err
	}
	called := target.Name()
	if tag != "" {
		called += ":" + tag
		if err := m.tag(ctx, target.Tag(tag), root); err != nil {
			return "", err
		}
	}
	return called + "@" + root.Digest.String(), nil
}

// tag gives the copy its name. A tag that is right already stays.
func (m *mirror) tag(ctx context.Context, tag name.Tag, root document) error {
	if now, err := m.there.Head(ctx, tag); err == nil && now.Digest == root.Digest {
		return nil
	}
	if err := m.pusher.Put(ctx, tag, rawManifest{root}); err != nil {
		return explainRemote(ctx, tag.Name(), err)
	}
	return nil
}

// rawManifest is written as it was read.
type rawManifest struct{ document document }

func (r rawManifest) RawManifest() ([]byte, error)        { return r.document.raw, nil }
func (r rawManifest) MediaType() (types.MediaType, error) { return r.document.MediaType, nil }

// copyDocument copies what a manifest or index names, then itself.
func (m *mirror) copyDocument(ctx context.Context, doc document, depth int) error {
	if depth > mostNested {
		return &LimitError{What: "number of indexes within one another", Limit: mostNested}
	}
	ref := m.repository.Digest(doc.Digest.String())
	if now, err := m.there.Head(ctx, ref); err == nil && now.Digest == doc.Digest {
		m.emit(doc.Descriptor, true)
		return nil
	} else if ctx.Err() != nil {
		return explainRemote(ctx, ref.Name(), err)
	}
	if doc.image != nil {
		for _, blob := range append([]v1.Descriptor{doc.image.Config}, doc.image.Layers...) {
			if err := m.copyBlob(ctx, blob); err != nil {
				return err
			}
		}
	} else if err := m.copyEntries(ctx, doc, depth); err != nil {
		return err
	}
	if err := m.pusher.Put(ctx, ref, rawManifest{doc}); err != nil {
		return explainRemote(ctx, ref.Name(), err)
	}
	m.emit(doc.Descriptor, false)
	return nil
}

func (m *mirror) copyEntries(ctx context.Context, doc document, depth int) error {
	limit := m.options.Limits.orDefault().Manifests
	for _, entry := range doc.index.Manifests {
		if m.manifests++; m.manifests > limit {
			return &LimitError{What: "number of images in the index", Limit: int64(limit)}
		}
		child, err := m.source.get(ctx, entry)
		if err != nil {
			return err
		}
		if err := m.copyDocument(ctx, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (m *mirror) copyBlob(ctx context.Context, blob v1.Descriptor) error {
	if !blob.MediaType.IsDistributable() {
		return nil
	}
	target := m.repository.Digest(blob.Digest.String())
	present, err := m.has(ctx, target)
	if err != nil {
		return explainRemote(ctx, target.Name(), err)
	}
	if present {
		m.emit(blob, true)
		return nil
	}
	from := m.source.repository.Digest(blob.Digest.String())
	layer, err := m.source.puller.Layer(ctx, from)
	if err != nil {
		return explainRemote(ctx, from.Name(), err)
	}
	if err := m.pusher.Upload(ctx, m.repository, layer); err != nil {
		return explainRemote(ctx, from.Name()+" to "+target.Name(), err)
	}
	m.emit(blob, false)
	return nil
}

// has reports whether the target has a blob. One that may not be asked for is
// not known to be there: the upload tells.
func (m *mirror) has(ctx context.Context, ref name.Digest) (bool, error) {
	layer, err := m.there.Layer(ctx, ref)
	if err == nil {
		var present bool
		if present, err = partial.Exists(layer); err == nil {
			return present, nil
		}
	}
	if errors.Is(explainRemote(ctx, "", err), ErrDenied) {
		return false, nil
	}
	return false, err
}

func (m *mirror) emit(desc v1.Descriptor, skipped bool) {
	if m.options.Progress != nil {
		m.options.Progress(MirrorEvent{Image: m.image, Target: m.repository.Name(), Digest: desc.Digest.String(), Size: desc.Size, Skipped: skipped})
	}
}
