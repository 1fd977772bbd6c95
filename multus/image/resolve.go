package image

import (
	"context"
	"fmt"
	"strings"
)

// ResolveOptions change one call of [Resolve].
type ResolveOptions struct {
	// Registry says how registries are reached.
	Registry RegistryOptions
	// Limits bound what the answer can cost.
	Limits Limits
}

// Resolve returns ref with the digest that it stands for now, which
// multus.Config takes as an image: "ghcr.io/a/b:v1@sha256:...". The tag stays,
// because it tells people and this library the release; container runtimes
// go by the digest. A mirror that is asked is not in the result. A reference
// with a digest is looked for and returned as it is.
//
// Errors to test for are those of [Verify].
func Resolve(ctx context.Context, ref string, options ResolveOptions) (string, error) {
	source, err := newRemote(ref, options.Registry, options.Limits.orDefault())
	if err != nil {
		return "", err
	}
	root, err := source.root(ctx)
	if err != nil {
		return "", fmt.Errorf("resolve image: %w", err)
	}
	name, _, _ := strings.Cut(ref, "@")
	return name + "@" + root.Digest.String(), nil
}
