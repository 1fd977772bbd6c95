package lab

import (
	"context"
	"os"
	"testing"
)

// NeedRoot skips the test without root, except where the environment says CI=true: there it fails.
func NeedRoot(tb testing.TB) {
	tb.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		tb.Fatal(ErrNotRoot)
	default:
		tb.Skip("not run:", ErrNotRoot)
	}
}

// New returns a cluster of the test's own, which ends with the test; if the test has failed, its logs are
// printed. It begins with [NeedRoot].
func New(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	NeedRoot(tb)
	c, err := Start(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(c.Logs())
		}
		if err := c.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Context returns a context for the test that ends before go test's -timeout would take the logs with it.
func Context(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2*patience())
	tb.Cleanup(cancel)
	return ctx
}
