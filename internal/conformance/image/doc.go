// Package image builds real images with package multus/image and holds them
// against what they are for: Verify must find every program that a DaemonSet
// runs, built for its platform; the programs must start, those for arm64 under
// qemu-user; in a root file system made of the image must run what a DaemonSet
// runs; a second build must give the same bytes.
//
// The modules come from where the Go command gets them, and all that they need
// is compiled: some minutes of processor time for each release and platform the
// first time, seconds once the build cache has it. One release is built; "go
// test -all" builds a second one. Without qemu-aarch64 nothing is said of
// whether the programs for arm64 start; with CI=true that is a failure.
package image
