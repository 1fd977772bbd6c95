package upstream_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/multihome/multihome/internal/upstream"
)

func TestDownloadVerifies(t *testing.T) {
	// The user's settings may not switch verification off.
	t.Setenv("GONOSUMDB", upstream.ModulePath)
	t.Setenv("GOFLAGS", "-mod=mod")
	module, err := upstream.Download(t.Context(), "v4.3.0")
	if err != nil {
		t.Fatalf("needs the Go module %s@v4.3.0, from the network or the module cache: %v", upstream.ModulePath, err)
	}
	if want := "h1:kPiUUo48VIwd2oIHydo2kkvHkrnJ+E6Pz+KWziqkpFg="; module.Sum != want {
		t.Errorf("sum: got %s, want %s", module.Sum, want)
	}
	path, data, err := module.Manifest()
	if err != nil || path != thickPath || !strings.Contains(string(data), "kube-multus-ds") {
		t.Errorf("got manifest %q (%d bytes) and error %v", path, len(data), err)
	}
	cached, err := upstream.Cached(t.Context(), "v4.3.0")
	if err != nil || cached != module {
		t.Errorf("in the cache: got %v and error %v, want %v", cached, err, module)
	}
}

func TestCachedWithoutModule(t *testing.T) {
	_, err := upstream.Cached(t.Context(), "v4.999.0")
	if !errors.Is(err, upstream.ErrNotCached) {
		t.Errorf("got error %v, want %v", err, upstream.ErrNotCached)
	}
	wantError(t, err, "module "+upstream.ModulePath+"@v4.999.0: ")
}

func TestDownloadErrors(t *testing.T) {
	t.Run("no such release", func(t *testing.T) {
		t.Setenv("GOPROXY", "file://"+t.TempDir())
		_, err := upstream.Download(t.Context(), "v4.999.0")
		wantError(t, err, "module "+upstream.ModulePath+"@v4.999.0: ")
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := upstream.Download(ctx, "v4.3.0")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	})
	t.Run("verification switched off", func(t *testing.T) {
		t.Setenv("GOSUMDB", "off")
		_, err := upstream.Download(t.Context(), "v4.3.0")
		wantError(t, err, "cannot be verified with GOSUMDB=off")
	})
	t.Run("no go command", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := upstream.Download(t.Context(), "v4.3.0")
		wantError(t, err, "go env", "executable file not found")
	})
}
