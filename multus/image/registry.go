package image

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// RegistryOptions say how registries are reached. The zero value asks without
// credentials, by HTTPS, through the proxy that the environment names.
type RegistryOptions struct {
	// Keychain finds credentials for a registry. Nil: none are sent.
	// authn.DefaultKeychain takes those of docker login.
	Keychain authn.Keychain
	// Mirrors are asked before a registry itself, by its host ("ghcr.io", or
	// "*" for every one that has none of its own): "registry.lan/mirror" is
	// asked for registry.lan/mirror/a/b in place of ghcr.io/a/b. What no
	// mirror has is asked of the registry. They are for reading only.
	Mirrors map[string][]string
	// Insecure names registries ("registry.lan:5000") that may be asked over
	// plain HTTP if they do not answer HTTPS. Hosts of this machine and in
	// private address ranges may always.
	Insecure []string
	// Transport carries the requests: proxies, certificates, TLS versions. It
	// is not closed. Nil: one like http.DefaultTransport.
	Transport http.RoundTripper
}

// userAgent is told to registries.
const userAgent = "multihome"

// remote returns what the client of registries takes. It is told not to retry:
// the transport below does, because it listens to the context while it waits.
func (o RegistryOptions) remote() []remote.Option {
	keychain := o.Keychain
	if keychain == nil {
		keychain = anonymous{}
	}
	base := o.Transport
	if base == nil {
		base = remote.DefaultTransport
	}
	return []remote.Option{
		remote.WithAuthFromKeychain(keychain),
		remote.WithTransport(&retrier{base: base}),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithUserAgent(userAgent),
	}
}

// anonymous is a keychain without keys. The default one would read files of
// the user's.
type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// parse reads a reference. A name without a registry is of Docker Hub, one
// without a tag is "latest", as the container runtime reads them. With tag and
// digest the digest counts.
func (o RegistryOptions) parse(ref string) (name.Reference, error) {
	if ref == "" {
		return nil, fmt.Errorf("image reference is empty; write one such as ghcr.io/a/b:v1")
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, fmt.Errorf("image reference %q: %w", ref, err)
	}
	if !slices.Contains(o.Insecure, parsed.Context().RegistryStr()) {
		return parsed, nil
	}
	return name.ParseReference(ref, name.Insecure)
}

// candidates returns where to look for ref, in order: mirrors, then the
// registry itself.
func (o RegistryOptions) candidates(ref name.Reference) ([]name.Reference, error) {
	mirrors, ok := o.Mirrors[ref.Context().RegistryStr()]
	if !ok {
		mirrors = o.Mirrors["*"]
	}
	var out []name.Reference
	for _, mirror := range mirrors {
		there, err := o.moved(ref, mirror)
		if err != nil {
			return nil, fmt.Errorf("mirror %q of %s: %w", mirror, ref.Context().RegistryStr(), err)
		}
		out = append(out, there)
	}
	return append(out, ref), nil
}

// moved is ref on another registry, below a path of it if registry has one.
func (o RegistryOptions) moved(ref name.Reference, registry string) (name.Reference, error) {
	separator := ":"
	if _, ok := ref.(name.Digest); ok {
		separator = "@"
	}
	return o.parse(strings.TrimSuffix(registry, "/") + "/" + ref.Context().RepositoryStr() + separator + ref.Identifier())
}
