// Lab starts a cluster of package lab for a developer, prints how to reach it, and ends it on an interrupt:
//
//	sudo go run ./cmd/lab -layout talos-1.8.0 -nodes 2
//
// With -build it builds all programs and images, and starts nothing.
//
// With the kubeconfig that it names, kubectl and other clients on this machine reach the API server. A program
// is run on a node with `nsenter --target PID --all`, where PID is the node's process 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/multihome/multihome/internal/e2e/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	options := lab.Options{Progress: os.Stderr}
	flag.Func("layout", "of the nodes: talos-1.8.0, talos-1.13.9 (default), talos-1.14.1 or debian", func(s string) error {
		options.Layout = lab.Layout(s)
		return nil
	})
	flag.Func("cni", "primary CNI: bridge (default) or flannel", func(s string) error {
		options.PrimaryCNI = lab.PrimaryCNI(s)
		return nil
	})
	flag.IntVar(&options.Nodes, "nodes", 1, "number of nodes")
	flag.Func("multus", "releases whose images the nodes have, separated by commas (default v4.3.0)", func(s string) error {
		options.Multus = strings.Split(s, ",")
		return nil
	})
	buildOnly := flag.Bool("build", false, "build what the cluster needs, without starting it")
	flag.Parse()
	if *buildOnly {
		return lab.Build(ctx, options)
	}

	cluster, err := lab.Start(ctx, options)
	if err != nil {
		return err
	}
	if err := show(cluster); err != nil {
		return fmt.Errorf("%w\n%w", err, cluster.Stop())
	}
	<-ctx.Done()
	return cluster.Stop()
}

// show writes the kubeconfig, which goes with the cluster, and says where everything is.
func show(cluster *lab.Cluster) error {
	kubeconfig, err := cluster.Kubeconfig()
	if err != nil {
		return err
	}
	file := filepath.Join(cluster.Dir(), "kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\n", file)
	for _, n := range cluster.Nodes() {
		fmt.Printf("# %s: %s, process 1 is %d, logs are in %s\n", n.Name(), n.Address(), n.PID(), n.LogDir())
	}
	fmt.Println("# Ctrl-C ends it all")
	return nil
}
