package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Errors to branch on with errors.Is. The registry's own answer, a
// *transport.Error of go-containerregistry, is wrapped too.
var (
	// ErrNotFound: no registry that was asked has the image.
	ErrNotFound = errors.New("image not found")
	// ErrDenied: the registry wants other credentials than it got.
	ErrDenied = errors.New("access to the image denied")
)

// remoteSource reads from a registry, or a mirror of it.
type remoteSource struct {
	puller     *remote.Puller
	candidates []name.Reference
	limit      int64

	repository name.Repository // of the one that answered
	bytes      int64
}

func newRemote(ref string, options RegistryOptions, limits Limits) (*remoteSource, error) {
	parsed, err := options.parse(ref)
	if err != nil {
		return nil, err
	}
	candidates, err := options.candidates(parsed)
	if err != nil {
		return nil, err
	}
	puller, err := remote.NewPuller(options.remote()...)
	if err != nil {
		return nil, err
	}
	return &remoteSource{puller: puller, candidates: candidates, limit: limits.Manifest}, nil
}

// root asks the mirrors first. It remembers who answered.
func (s *remoteSource) root(ctx context.Context) (document, error) {
	var failed []error
	for _, ref := range s.candidates {
		doc, err := s.fetch(ctx, ref)
		if err == nil {
			s.repository = ref.Context()
			return doc, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return document{}, errors.Join(failed...)
}

func (s *remoteSource) get(ctx context.Context, entry v1.Descriptor) (document, error) {
	return s.fetch(ctx, s.repository.Digest(entry.Digest.String()))
}

func (s *remoteSource) fetch(ctx context.Context, ref name.Reference) (document, error) {
	got, err := s.puller.Get(ctx, ref)
	if err != nil {
		return document{}, explainRemote(ctx, ref.Name(), err)
	}
	s.bytes += int64(len(got.Manifest))
	if int64(len(got.Manifest)) > s.limit {
		return document{}, &LimitError{What: "manifest of " + ref.Name() + " in bytes", Limit: s.limit}
	}
	doc, err := parseDocument(got.Descriptor, got.Manifest)
	if err != nil {
		return doc, fmt.Errorf("%s: %w", ref, err)
	}
	return doc, nil
}

func (s *remoteSource) blob(ctx context.Context, blob v1.Descriptor) (io.ReadCloser, error) {
	ref := s.repository.Digest(blob.Digest.String())
	layer, err := s.puller.Layer(ctx, ref)
	if err == nil {
		var body io.ReadCloser
		if body, err = layer.Compressed(); err == nil {
			return body, nil
		}
	}
	return nil, explainRemote(ctx, ref.Name(), err)
}

func (s *remoteSource) read() int64 { return s.bytes }

func (s *remoteSource) close() error { return nil }

// explainRemote names the reference and what kind of answer it was.
func explainRemote(ctx context.Context, ref string, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%s: %w: %w", ref, cause, err)
	}
	answer, ok := errors.AsType[*transport.Error](err)
	switch {
	case !ok && strings.Contains(err.Error(), "does not match requested digest"):
		// The registry's client has no type for it.
		return fmt.Errorf("%s: %w", ref, errors.Join(&DigestError{What: "manifest", Want: ref[strings.LastIndex(ref, "@")+1:], Got: "another one"}, err))
	case !ok:
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %w: %w", ref, ErrNotFound, err)
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: %w; give credentials in RegistryOptions.Keychain: %w", ref, ErrDenied, err)
	}
	return fmt.Errorf("%s: %w", ref, err)
}
