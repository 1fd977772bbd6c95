package image_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/image"
)

// exampleRegistry stands for ghcr.io in the examples. It has a Multus image for
// amd64 alone, which is empty.
func exampleRegistry() (registryURL string, stop func()) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(discard{}, "", 0))))
	host := strings.TrimPrefix(server.URL, "http://")
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add: empty.Image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}},
	})
	ref, err := name.ParseReference(host + "/k8snetworkplumbingwg/multus-cni:v4.3.0-thick")
	if err == nil {
		err = remote.WriteIndex(ref, index)
	}
	if err != nil {
		fmt.Println(err)
	}
	return host, server.Close
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func ExampleVerify() {
	host, stop := exampleRegistry()
	defer stop()
	report, err := image.Verify(context.Background(), "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", image.VerifyOptions{
		Platforms: []string{"linux/amd64", "linux/arm64"},
		Programs:  []string{}, // the platforms alone
		Registry:  image.RegistryOptions{Mirrors: map[string][]string{"ghcr.io": {host}}},
	})
	if err != nil {
		fmt.Println(err) // the image could not be judged
		return
	}
	for _, p := range report.Platforms {
		fmt.Println(p.Platform, p.Present)
	}
	if report.Err() != nil { // it does not run everywhere
		for _, f := range report.Findings {
			fmt.Println(f.Code, f.Path, "-", f.Remedy)
		}
	}
	// Output:
	// linux/amd64 true
	// linux/arm64 false
	// image/label linux/amd64 - build it anew with one platform said in both
	// image/no-platform linux/arm64 - name an image that is built for it in Config.ArchImages["arm64"], or build one with image.Build
}

// An index that was just built is verified before it is pushed.
func ExampleVerifyIndex() {
	report, err := image.VerifyIndex(context.Background(), "my-multus:v4.3.0", empty.Index, image.VerifyOptions{Platforms: []string{"linux/arm64"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Findings[0].Message)
	// Output: there is no image for linux/arm64; it holds no image at all, so that a pull fails on such a node
}

func ExampleResolve() {
	host, stop := exampleRegistry()
	defer stop()
	pinned, err := image.Resolve(context.Background(), "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", image.ResolveOptions{
		Registry: image.RegistryOptions{Mirrors: map[string][]string{"ghcr.io": {host}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	config := multus.Config{Image: pinned}
	fmt.Println(config.Validate())
	fmt.Println(strings.Cut(pinned, "@sha256:"))
	// Output:
	// <nil>
	// ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick 1e8bb1c7e0ee5dc4e9e8ac0dc5bd3d31c1ccd5b1b7d4e4ccebd7b6ea1bf8ff37 true
}

func ExampleMirror() {
	host, stop := exampleRegistry()
	defer stop()
	bundle, err := multus.Render(multus.Config{Version: "v4.3.0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := image.Mirror(context.Background(), bundle, host+"/mirror", image.MirrorOptions{
		Registry: image.RegistryOptions{Mirrors: map[string][]string{"ghcr.io": {host}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	repository, _, _ := strings.Cut(strings.TrimPrefix(config.Image, host), "@")
	fmt.Println(repository)
	// Output: /mirror/k8snetworkplumbingwg/multus-cni:v4.3.0-thick
}
