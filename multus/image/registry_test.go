package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/multihome/multihome/multus/image"
)

// keychain is the same for every registry.
type keychain struct{ user, password string }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: k.user, Password: k.password}), nil
}

// verifyRemote verifies an index that the server has.
func verifyRemote(ctx context.Context, ref string, options image.VerifyOptions) (image.Report, error) {
	options.Programs = []string{"/usr/src/multus-cni/bin/multus-daemon"}
	return image.Verify(ctx, ref, options)
}

func TestVerifyRemote(t *testing.T) {
	s := serve(t, nil)
	index := rightIndex(t)
	ref := push(t, s, "a/multus-cni:v4.3.0-thick", index)
	report, err := image.Verify(t.Context(), ref, image.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if report.Digest != digest.String() || report.Ref != ref || report.Fetched == 0 {
		t.Errorf("report %+v", report)
	}
	again, err := image.Verify(t.Context(), s.host+"/a/multus-cni@"+report.Digest, image.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report.Platforms, again.Platforms); diff != "" {
		t.Errorf("by digest (-by tag +by digest):\n%s", diff)
	}
}

// TestVerifyOneImage: a reference without an index is one image, for what its
// configuration says.
func TestVerifyOneImage(t *testing.T) {
	s := serve(t, nil)
	report, err := image.Verify(t.Context(), push(t, s, "a/one", multusImage(t, "amd64")), image.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"error image/no-platform linux/arm64"}, codes(report)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if p, ok := report.Platform("linux/amd64"); !ok || !p.Present {
		t.Errorf("linux/amd64: %+v, %t", p, ok)
	}
	if p, ok := report.Platform("linux/s390x"); ok {
		t.Errorf("linux/s390x was not asked for: %+v", p)
	}
}

// answers wraps a registry whose answers to reading requests are changed.
type answers func(w http.ResponseWriter, r *http.Request, next http.Handler)

// afterPush lets a test push first.
func afterPush(change answers) (wrap answers, on *atomic.Bool) {
	on = &atomic.Bool{}
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if on.Load() {
			change(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}, on
}

func isManifest(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }

func isGzip(body []byte) bool { return bytes.HasPrefix(body, []byte("\x1f\x8b")) }

// isLayer: or a configuration.
func isLayer(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/") }

// recorded is what the registry would answer.
func recorded(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	return answer
}

func replay(w http.ResponseWriter, answer *httptest.ResponseRecorder, body []byte) {
	for key, values := range answer.Header() {
		if key != "Content-Length" {
			w.Header()[key] = values
		}
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body) // the client may be gone
}

func TestRegistryAnswers(t *testing.T) {
	status := func(code int) func(error) bool {
		return func(err error) bool {
			answer, ok := errors.AsType[*transport.Error](err)
			return ok && answer.StatusCode == code
		}
	}
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	limit := func(err error) bool { _, ok := errors.AsType[*image.LimitError](err); return ok }
	digest := func(err error) bool { _, ok := errors.AsType[*image.DigestError](err); return ok }
	refuse := func(times int32, code int, only func(*http.Request) bool) answers {
		var count atomic.Int32
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if only(r) && count.Add(1) <= times {
				w.Header().Set("Retry-After", "0")
				http.Error(w, "{}", code)
				return
			}
			next.ServeHTTP(w, r)
		}
	}
	whole := image.VerifyOptions{Whole: true}
	tests := []struct {
		name    string
		change  answers
		options image.VerifyOptions
		want    func(error) bool // nil: it works
		says    string
	}{
		{"429 twice", refuse(2, http.StatusTooManyRequests, isManifest), image.VerifyOptions{}, nil, ""},
		{"429 for a layer", refuse(3, http.StatusTooManyRequests, isLayer), image.VerifyOptions{}, nil, ""},
		{"429 without end", refuse(1000, http.StatusTooManyRequests, isManifest), image.VerifyOptions{}, status(http.StatusTooManyRequests), "a/multus"},
		{"500 once", refuse(1, http.StatusInternalServerError, isManifest), image.VerifyOptions{}, nil, ""},
		{"500 without end", refuse(1000, http.StatusInternalServerError, isLayer), image.VerifyOptions{}, status(http.StatusInternalServerError), "a/multus"},
		{"404", refuse(1000, http.StatusNotFound, isManifest), image.VerifyOptions{}, is(image.ErrNotFound), "image not found"},
		{"404 for a layer", refuse(1000, http.StatusNotFound, isLayer), image.VerifyOptions{}, is(image.ErrNotFound), "sha256:"},
		{"401", refuse(1000, http.StatusUnauthorized, func(*http.Request) bool { return true }), image.VerifyOptions{}, is(image.ErrDenied), "RegistryOptions.Keychain"},
		{"403", refuse(1000, http.StatusForbidden, isManifest), image.VerifyOptions{}, is(image.ErrDenied), ""},
		{"cut in a layer", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			answer := recorded(next, r)
			if isGzip(answer.Body.Bytes()) {
				w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
				replay(w, answer, answer.Body.Bytes()[:100])
				return
			}
			replay(w, answer, answer.Body.Bytes())
		}, image.VerifyOptions{}, is(io.ErrUnexpectedEOF), "layer sha256:"},
		{"another manifest than its digest says", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			answer := recorded(next, r)
			body := answer.Body.Bytes()
			if isManifest(r) && strings.Contains(r.URL.Path, "sha256:") {
				body = append(body, ' ')
			}
			replay(w, answer, body)
		}, image.VerifyOptions{}, digest, "manifest sha256:"},
		{"another layer than its digest says", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			answer := recorded(next, r)
			body := answer.Body.Bytes()
			if isGzip(body) {
				body = append(bytes.Clone(body), gzipped(t, nil)...)
			}
			replay(w, answer, body)
		}, whole, digest, "layer sha256:"},
		{"a manifest without end", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !isManifest(r) {
				next.ServeHTTP(w, r)
				return
			}
			for range 20 {
				_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20)) // the client leaves
			}
		}, image.VerifyOptions{}, limit, "in bytes"},
		{"a large manifest", func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) },
			image.VerifyOptions{Limits: image.Limits{Manifest: 100}}, limit, "more than the limit of 100"},
		{"no JSON", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if isManifest(r) {
				_, _ = io.WriteString(w, "<html>")
				return
			}
			next.ServeHTTP(w, r)
		}, image.VerifyOptions{}, func(err error) bool { return err != nil }, "invalid character"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wrap, on := afterPush(test.change)
			s := serve(t, wrap)
			ref := push(t, s, "a/multus:v4.3.0-thick", rightIndex(t))
			on.Store(true)
			_, err := verifyRemote(t.Context(), ref, test.options)
			switch {
			case test.want == nil && err != nil:
				t.Errorf("error %v, want none", err)
			case test.want != nil && (err == nil || !test.want(err)):
				t.Errorf("error %v is not the one", err)
			case err != nil && !strings.Contains(err.Error(), test.says):
				t.Errorf("error %v does not say %q", err, test.says)
			}
		})
	}
}

// TestRegistryHangs: a registry that does not go on ends with the context.
func TestRegistryHangs(t *testing.T) {
	for what, hangs := range map[string]func(*http.Request) bool{"manifest": isManifest, "layer": isLayer} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			wrap, on := afterPush(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !hangs(r) {
					next.ServeHTTP(w, r)
					return
				}
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				cancel()
				<-r.Context().Done()
			})
			s := serve(t, wrap)
			ref := push(t, s, "a/multus:v4.3.0-thick", rightIndex(t))
			on.Store(true)
			if _, err := verifyRemote(ctx, ref, image.VerifyOptions{}); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that of the context", err)
			}
		})
	}
}

// inProcess carries requests to a handler without a network, so that time can
// be simulated.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	asked := r.Clone(r.Context())
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	response := recorded(p.handler, asked).Result()
	response.Request = r
	return response, nil
}

// TestRetryAfter: the pause is the one that the registry asks for, within
// reason, and the context ends it.
func TestRetryAfter(t *testing.T) {
	tests := []struct {
		header  string
		refused int32
		within  time.Duration // zero: no limit
		want    time.Duration
		fails   bool
	}{
		{"", 1, 0, 500 * time.Millisecond, false},
		{"", 3, 0, 3500 * time.Millisecond, false},
		{"7", 2, 0, 14 * time.Second, false},
		{"86400", 1, 0, 30 * time.Second, false},
		{"Wed, 21 Oct 2026 07:28:00 GMT", 1, 0, 500 * time.Millisecond, false},
		{"20", 1, 5 * time.Second, 5 * time.Second, true},
		{"", 4, 0, 3500 * time.Millisecond, true},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.header, test.refused, test.within), func(t *testing.T) {
			handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
			ref := mustParse(t, "registry.example.com/a/multus:v4.3.0-thick")
			if err := remote.WriteIndex(ref, rightIndex(t), remote.WithTransport(inProcess{handler})); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				var count int32
				busy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if isManifest(r) && count < test.refused {
						count++
						w.Header().Set("Retry-After", test.header)
						http.Error(w, "{}", http.StatusTooManyRequests)
						return
					}
					handler.ServeHTTP(w, r)
				})
				ctx := t.Context()
				if test.within > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.within)
					defer cancel()
				}
				start := time.Now() // of the simulated clock
				_, err := image.Resolve(ctx, ref.Name(), image.ResolveOptions{Registry: image.RegistryOptions{Transport: inProcess{busy}}})
				if got := time.Since(start); got != test.want || (err != nil) != test.fails {
					t.Errorf("after %s: %v, want after %s, failure %t", got, err, test.want, test.fails)
				}
			})
		})
	}
}

func mustParse(t testing.TB, ref string) name.Reference {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestRegistryCredentials(t *testing.T) {
	right := keychain{"user", "secret"}
	basic := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if user, password, _ := r.BasicAuth(); user != right.user || password != right.password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "{}", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}
	token := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/token" && user == right.user && password == right.password:
			_, _ = io.WriteString(w, `{"token":"sesame"}`)
		case r.URL.Path == "/token":
			http.Error(w, "{}", http.StatusUnauthorized)
		case r.Header.Get("Authorization") != "Bearer sesame":
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host))
			http.Error(w, "{}", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	}
	for kind, change := range map[string]answers{"basic": basic, "token": token} {
		for _, keys := range []authn.Keychain{right, keychain{"user", "wrong"}, nil} {
			t.Run(fmt.Sprint(kind, keys), func(t *testing.T) {
				wrap, on := afterPush(change)
				s := serve(t, wrap)
				ref := push(t, s, "a/multus:v4.3.0-thick", rightIndex(t))
				on.Store(true)
				_, err := verifyRemote(t.Context(), ref, image.VerifyOptions{Registry: image.RegistryOptions{Keychain: keys}})
				if keys == right && err != nil || keys != right && !errors.Is(err, image.ErrDenied) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func TestMirrorsAreAskedFirst(t *testing.T) {
	origin, empty, full := serve(t, nil), serve(t, nil), serve(t, nil)
	ref := push(t, origin, "a/multus:v4.3.0-thick", rightIndex(t))
	push(t, full, "mirror/a/multus:v4.3.0-thick", rightIndex(t))
	gone := serve(t, nil)
	gone.Close()
	tests := []struct {
		name    string
		ref     string
		mirrors map[string][]string
		ok      bool
		asked   string
	}{
		{"none", ref, nil, true, ""},
		{"one that has it", "ghcr.io/a/multus:v4.3.0-thick", map[string][]string{"ghcr.io": {full.host + "/mirror/"}}, true, ""},
		{"one that has it, for every registry", "quay.io/a/multus:v4.3.0-thick", map[string][]string{"*": {full.host + "/mirror"}}, true, ""},
		{"one that has not, then one that has", "ghcr.io/a/multus:v4.3.0-thick", map[string][]string{"ghcr.io": {empty.host, full.host + "/mirror"}}, true, ""},
		{"one that has not, then the registry itself", ref, map[string][]string{origin.host: {empty.host}}, true, ""},
		{"one that is down, then the registry itself", ref, map[string][]string{origin.host: {gone.host}}, true, ""},
		{"nobody", origin.host + "/a/nothing", map[string][]string{origin.host: {empty.host}}, false, ""},
		{"a mirror that is no registry", ref, map[string][]string{origin.host: {"not a registry"}}, false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			options := image.ResolveOptions{Registry: image.RegistryOptions{Mirrors: test.mirrors}}
			got, err := image.Resolve(t.Context(), test.ref, options)
			if (err == nil) != test.ok {
				t.Fatalf("resolve: %q, %v", got, err)
			}
			if test.ok && !strings.HasPrefix(got, test.ref+"@sha256:") {
				t.Errorf("resolved to %q", got)
			}
			if test.ok {
				if again, err := image.Resolve(t.Context(), got, options); err != nil || again != got {
					t.Errorf("resolved again: %q, %v", again, err)
				}
			}
		})
	}
}

func TestBadReferences(t *testing.T) {
	for _, ref := range []string{"", "a b", "UPPER/x", "a@sha256:1", "oci:/does/not/exist", "tar:/does/not/exist"} {
		if report, err := image.Verify(t.Context(), ref, image.VerifyOptions{}); err == nil {
			t.Errorf("%q: %+v, want an error", ref, report)
		}
	}
	for _, platform := range []string{"", "arm64", "linux/", "linux/arm64/v8/x", "linux/arm65"} {
		if _, err := image.VerifyIndex(t.Context(), multusName, rightIndex(t), image.VerifyOptions{Platforms: []string{platform}}); err == nil || !strings.Contains(err.Error(), "platform ") {
			t.Errorf("platform %q: error %v", platform, err)
		}
	}
	insecure := image.RegistryOptions{Insecure: []string{"registry.example.com"}, Transport: inProcess{registry.New(registry.Logger(log.New(io.Discard, "", 0)))}}
	if _, err := image.Resolve(t.Context(), "registry.example.com/a/b", image.ResolveOptions{Registry: insecure}); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("insecure: %v", err)
	}
}
