// Package image tells whether an image of Multus runs on every node's
// architecture before a node pulls it, copies images to a registry of the
// user's own, and builds an image where there is none.
//
//	report, err := image.Verify(ctx, "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", image.VerifyOptions{
//		Platforms: []string{"linux/amd64", "linux/arm64"},
//	})
//	if err == nil {
//		err = report.Err() // nil: it runs on both
//	}
//
// [Verify] looks up the image for each platform and reads the ELF header of
// every program that the DaemonSet runs. [Verifier] lets an Installer of package
// multus do so before it changes anything. [Resolve] turns a tag into a digest,
// [Mirror] copies the images of a Bundle, and Build makes an image with the Go
// toolchain alone.
//
// # What is trusted
//
// Nothing that a registry, a layout or a tarball holds. Layers are streamed and
// never written to disk, names that climb out of the image stay in it, links
// that go round end, and [Limits] bound all that is read. Manifests and
// configurations are compared with their digests; a layer is if it is read to
// its end, which Verify does with Whole only, because the container runtime
// compares what it pulls.
//
// Requests that read are tried four times where the registry is busy or the
// connection breaks, after as long as Retry-After says or else after 0.5, 1 and
// 2 s. All pauses end with the context. No environment is read, but for the
// proxy that a nil RegistryOptions.Transport takes from it, and no file but
// those that a reference names.
//
// # Errors
//
// What is wrong with an image is a Finding in the [Report]. An error says that
// it could not be judged: [ErrNotFound], [ErrDenied], a *[LimitError], a
// *[DigestError], the context's error, or the wrapped answer of the registry.
//
// # Cost
//
// This package alone links go-containerregistry. A program that installs Multus
// is 26.7 MB, stripped, for linux/amd64; one whose Installer uses a [Verifier]
// 28.3 MB, with seven modules more (5.8 %).
//
// # Not here
//
// Signatures and attestations, shared libraries, running what was built, and
// garbage collection of registries.
package image
