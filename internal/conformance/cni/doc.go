// Package cni holds what package nad says of networks against the code that
// runs them, in containernetworking/plugins v1.9.1, containernetworking/cni
// v1.3.1 and Multus v4.3.0.
//
// A table of keys and values, right and wrong, in schemas_test.go makes some
// thousand configurations. Each goes the way of a NAD: Multus reads it, libcni
// runs the plugins' own binaries as root, ADD and DEL, each time on a node and
// in a pod that are two new network namespaces with a mount namespace around
// them, so that nothing of the host is touched. What they refuse, nad.Lint must
// call an error, and nothing else; where that cannot be, exceptions_test.go says
// why. The importable parts judge the same texts: the validator of host-local,
// libcni's and Multus' parsers.
//
// The binaries are built from the versions in go.mod into the user's cache. A
// machine without root skips what it cannot do and says so; with CI=true that is
// a failure. On a kernel that lacks a link type, configurations that need it are
// counted as not decided; make vm runs all of those on a kernel that has them,
// and there none may be left.
package cni
