// Package e2e proves the library against a real Kubernetes API server. It is a module of its own:
//
//	cd internal/e2e && go test ./...
//
// The first run builds Kubernetes from Go modules, which takes about 10 minutes on 2 cores and is told on the
// terminal; see package kubetest. Where there is no terminal, as in CI, build first to see the progress and to
// stay clear of go test's -timeout:
//
//	cd internal/e2e && go run ./buildnode && go test ./...
//
// Package kubetest runs a control plane, for which nodes are only objects. Package lab runs nodes too, as root. Package
// vm runs tests on another kernel; make vm does that with those for which the kernel matters.
package e2e
