// Command quickstart shows the main job of multihome: look at a cluster, plan,
// install Multus, watch it roll out, and give a pod a second interface.
//
//	go run ./examples/quickstart                   on a simulated cluster
//	go run ./examples/quickstart -kubeconfig FILE  on a real one
//	go run ./examples/quickstart -render           prints the YAML, no cluster at all
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "use the cluster of this kubeconfig instead of a simulated one")
	render := flags.Bool("render", false, "print the YAML for a Talos cluster with Cilium and stop")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *render {
		return printYAML(out)
	}
	if *kubeconfig != "" {
		c, err := connect(*kubeconfig)
		if err != nil {
			return err
		}
		return install(ctx, c, out)
	}
	cluster, err := simulate(ctx)
	if err != nil {
		return err
	}
	if err := warnAboutCilium(ctx, cluster, out); err != nil {
		return err
	}
	return install(ctx, cluster.Client(), out)
}

// printYAML renders without any cluster.
func printYAML(out io.Writer) error {
	bundle, err := multus.Render(multus.Config{Platform: multus.Platform{
		Talos: "v1.13.9", PrimaryCNI: "cilium", Architectures: []string{"amd64", "arm64"},
	}})
	if err != nil {
		return err
	}
	yaml, err := bundle.YAML()
	if err != nil {
		return err
	}
	_, err = out.Write(yaml)
	return err
}

// install is the whole of it: plan, install, status, attach.
func install(ctx context.Context, c client.Client, out io.Writer) error {
	installer, err := multus.NewInstaller(c, multus.Config{})
	if err != nil {
		return err
	}

	plan, err := installer.Plan(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== Plan\n%s", plan)
	for _, fix := range plan.Fixes {
		fmt.Fprintf(out, "fix %s: %s\n", fix.Name, fix.Reason)
	}

	fmt.Fprintln(out, "\n== Install")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	_, err = installer.Install(ctx, multus.InstallOptions{
		Progress: func(e multus.Event) { fmt.Fprintln(out, e) },
	})
	if err != nil {
		return err
	}

	status, err := installer.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== Status\n%s", status)

	return attach(ctx, c, out)
}
