package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// PushOptions change one call of [Push].
type PushOptions struct {
	// Registry says how the registry is reached. Its mirrors are not used.
	Registry RegistryOptions
}

// Push writes an index and all that is in it to a registry, ref being its name
// there: "registry.example.com/multus-cni:v4.3.0-thick". It returns the name by
// digest, which multus.Config.Image takes. What the registry has already is not
// sent again, so a push that was cut goes on where it was.
func Push(ctx context.Context, index v1.ImageIndex, ref string, options PushOptions) (byDigest string, err error) {
	parsed, err := options.Registry.parse(ref)
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	tag, ok := parsed.(name.Tag)
	if !ok {
		return "", fmt.Errorf("push %s: is a digest; name a tag, the digest follows from the image", ref)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	if err := remote.WriteIndex(tag, index, append(options.Registry.remote(), remote.WithContext(ctx))...); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	return tag.Digest(digest.String()).Name(), nil
}
