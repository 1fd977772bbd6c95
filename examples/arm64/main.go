// Command arm64 shows what multihome does about an image of Multus that does
// not run on arm64 nodes: it finds out before a node pulls the image, refuses
// the install, and runs another image on these nodes.
//
//	go run ./examples/arm64         with a stand-in for the other image
//	go run ./examples/arm64 -build  builds it, which takes minutes the first time
//
// It runs without a cluster or a registry: one in this process stands for ghcr.io
// and has an image whose arm64 entry holds amd64 programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/image"
	"github.com/multihome/multihome/multus/multustest"
)

const (
	official = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"
	own      = "registry.example.com/multus-cni:v4.3.0-thick"
)

func main() {
	build := flag.Bool("build", false, "build the image for arm64 from Multus' Go module")
	flag.Parse()
	if err := run(context.Background(), *build, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "arm64:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, build bool, out io.Writer) error {
	host, stop, err := startRegistry(ctx)
	if err != nil {
		return err
	}
	defer stop()
	registries := image.RegistryOptions{Mirrors: map[string][]string{"*": {host}}}

	fmt.Fprintln(out, "== Verify")
	report, err := image.Verify(ctx, official, image.VerifyOptions{
		Platforms: []string{"linux/amd64", "linux/arm64"},
		Registry:  registries,
	})
	if err != nil {
		return err
	}
	for _, p := range report.Platforms {
		fmt.Fprintf(out, "%s: an image is there: %t\n", p.Platform, p.Present)
	}
	for _, f := range report.Findings {
		fmt.Fprintln(out, f)
	}

	fmt.Fprintln(out, "\n== Install on a cluster with an arm64 node")
	cluster, err := multustest.NewCluster(multustest.Options{
		Nodes: []multustest.Node{{Name: "worker-1"}, {Name: "worker-2", Architecture: "arm64"}},
	})
	if err != nil {
		return err
	}
	config := multus.Config{Version: "v4.3.0", Skip: []string{"reference-plugins"}} // one image is enough to show
	err = install(ctx, cluster, config, registries)
	var refused *multus.PreflightError
	if !errors.As(err, &refused) {
		return fmt.Errorf("the install was not refused: %w", err)
	}
	fmt.Fprintln(out, "refused, and nothing was changed:", refused.Findings[0].Code)

	fmt.Fprintln(out, "\n== Another image for arm64")
	if build {
		index, err := image.Build(ctx, image.BuildOptions{Version: "v4.3.0", Platforms: []string{"linux/arm64"}})
		if err != nil {
			return err
		}
		if _, err := image.Push(ctx, index, host+"/multus-cni:v4.3.0-thick", image.PushOptions{}); err != nil {
			return err
		}
	}
	pinned, err := image.Resolve(ctx, own, image.ResolveOptions{Registry: registries})
	if err != nil {
		return err
	}
	config.ArchImages = map[string]string{"arm64": pinned}
	if err := install(ctx, cluster, config, registries); err != nil {
		return err
	}
	bundle, err := multus.Render(config)
	if err != nil {
		return err
	}
	for _, use := range bundle.ImageUses() {
		fmt.Fprintln(out, use.Image, "on", use.Architectures)
	}
	return status(ctx, cluster, config, out)
}

// install looks into the images first.
func install(ctx context.Context, cluster *multustest.Cluster, config multus.Config, registries image.RegistryOptions) error {
	installer, err := multus.NewInstaller(cluster.Client(), config)
	if err != nil {
		return err
	}
	_, err = installer.VerifyingImages(image.Verifier{Registry: registries}).Install(ctx, multus.InstallOptions{})
	return err
}

func status(ctx context.Context, cluster *multustest.Cluster, config multus.Config, out io.Writer) error {
	installer, err := multus.NewInstaller(cluster.Client(), config)
	if err != nil {
		return err
	}
	status, err := installer.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d of %d nodes ready\n", status.Rollout.Ready, status.Rollout.Desired)
	return nil
}
