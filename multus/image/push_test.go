package image_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/multihome/multihome/multus/image"
)

// someIndex is an index of two images without a meaning.
func someIndex(tb testing.TB) v1.ImageIndex {
	tb.Helper()
	index, err := random.Index(1000, 2, 2)
	if err != nil {
		tb.Fatal(err)
	}
	return index
}

// newRegistry starts a registry and returns its host.
func serveRegistry(tb testing.TB, before func(http.ResponseWriter, *http.Request) (handled bool)) string {
	tb.Helper()
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !before(w, r) {
			images.ServeHTTP(w, r)
		}
	}))
	tb.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestPush(t *testing.T) {
	uploads := 0
	host := serveRegistry(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			uploads++
		}
		return false
	})
	index := someIndex(t)
	for range 2 {
		got, err := image.Push(t.Context(), index, host+"/a/multus-cni:v4.3.0-thick", image.PushOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := host + "/a/multus-cni@" + digestOf(t, index); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if uploads != 6 { // two layers and a configuration of each image
		t.Errorf("%d blobs were sent, want 6", uploads)
	}
}

func TestPushErrors(t *testing.T) {
	denied := serveRegistry(t, func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"not yours"}]}`)
		return true
	})
	tests := []struct{ name, ref, want string }{
		{"no reference", "", "push: image reference is empty"},
		{"not a reference", "A B", `push: image reference "A B"`},
		{"a digest", "example.com/a@sha256:" + strings.Repeat("0", 64), "is a digest; name a tag"},
		{"denied", denied + "/a:b", "push " + denied + "/a:b: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := image.Push(t.Context(), someIndex(t), tt.ref, image.PushOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPushEndsWithContext(t *testing.T) {
	calledOff := errors.New("called off")
	ctx, cancel := context.WithCancelCause(t.Context())
	host := serveRegistry(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			cancel(calledOff)
		}
		return false
	})
	if _, err := image.Push(ctx, someIndex(t), host+"/a:b", image.PushOptions{}); !errors.Is(err, calledOff) {
		t.Errorf("error %v, want the cause", err)
	}
}
