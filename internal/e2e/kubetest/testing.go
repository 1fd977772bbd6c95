package kubetest

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// Main is a TestMain for a package whose tests share one server, which it stores in *server:
//
//	var server *kubetest.Server
//
//	func TestMain(m *testing.M) { kubetest.Main(m, kubetest.Options{Controllers: true}, &server) }
//
// A test that creates anything begins with [Server.ResetAfter]. If a test fails, the programs' logs are printed
// at the end.
func Main(m *testing.M, o Options, server **Server) {
	os.Exit(run(m, o, server))
}

func run(m *testing.M, o Options, server **Server) (code int) {
	s, err := Start(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Stop()
	*server = s
	if code = m.Run(); code != 0 {
		fmt.Fprint(os.Stderr, s.Logs())
	}
	return code
}

// New returns a server of the test's own, for what a shared one cannot be used for, such as
// [Server.StopAPIServer]. It ends with the test; if the test has failed, its logs are printed.
func New(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := Start(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(s.Logs())
		}
		s.Stop()
	})
	return s
}

// ResetAfter calls [Server.Reset] when the test is over. Tests that use it cannot run in parallel.
func (s *Server) ResetAfter(tb testing.TB) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	tb.Cleanup(func() {
		if err := s.Reset(ctx); err != nil {
			tb.Error(err)
		}
	})
}

// Terminal writes to where somebody sees it while a test runs: `go test` holds back a test's standard error
// until its package is done, so to the terminal itself if there is one.
type Terminal struct{}

// Write writes to the terminal, or to standard error without one.
func (Terminal) Write(p []byte) (int, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		return os.Stderr.Write(p)
	}
	defer func() { _ = tty.Close() }()
	return tty.Write(p)
}
