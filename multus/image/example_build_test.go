package image_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/multihome/multihome/multus/image"
)

// What is wrong is said before anything is compiled.
func ExampleBuild() {
	index, err := image.Build(context.Background(), image.BuildOptions{
		Version:   "v4.3.0",
		Platforms: []string{"linux/amd64", "linux/arm64"},
		Plugins:   true,
		Go:        "/opt/no-go-here/bin/go",
		Progress:  func(e image.BuildEvent) { fmt.Println(e) },
	})
	fmt.Println(index != nil, errors.Is(err, image.ErrToolchain))
	// Output:
	// false true
}

// builtIndex stands for what Build returns.
func builtIndex() v1.ImageIndex {
	return mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: empty.Image})
}

// An image goes to a registry of the cluster's own, and by digest into Config.
func ExamplePush() {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	index := builtIndex()
	byDigest, err := image.Push(context.Background(), index, host+"/multus-cni:v4.3.0-thick", image.PushOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.TrimPrefix(byDigest, host))
	// Output:
	// /multus-cni@sha256:0f5c551cfa1ede3a006e847afd6fcb69641dca252d032555486a0ceda6b7ab73
}

func ExampleWriteLayout() {
	dir, err := os.MkdirTemp("", "layout-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	index := builtIndex()
	if err := image.WriteLayout(index, dir, "registry.example.com/multus-cni:v4.3.0-thick"); err != nil {
		fmt.Println(err)
		return
	}
	entries, err := os.ReadDir(dir)
	fmt.Println(entries, err)
	// Output:
	// [d blobs/ - index.json - oci-layout] <nil>
}

// On a node: ctr --namespace k8s.io images import --all-platforms FILE
func ExampleWriteTarball() {
	var file strings.Builder
	index := builtIndex()
	if err := image.WriteTarball(index, &file, "registry.example.com/multus-cni:v4.3.0-thick"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Count(file.String(), "registry.example.com/multus-cni:v4.3.0-thick"))
	// Output:
	// 2
}
