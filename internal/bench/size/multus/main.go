// Command multus calls everything that package multus has, beside what command
// bare does: see package size.
package main

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods); err != nil {
		return err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		pod.Labels = map[string]string{"seen": "true"}
		if err := c.Update(ctx, pod); err != nil {
			return err
		}
	}
	if err := render(); err != nil {
		return err
	}
	return live(ctx, c)
}

func render() error {
	bundle, err := multus.Render(multus.Config{})
	if err != nil {
		return err
	}
	yaml, err := bundle.YAML()
	if err != nil {
		return err
	}
	finding, known := multus.Explain("netns")
	fmt.Println(string(yaml), bundle.Images(), bundle.Objects(), bundle.Fixes, multus.Fixes(), multus.Versions(), finding, known)
	fmt.Println(multus.InstallerRBAC(multus.Config{}), multus.UninstallerRBAC(multus.Config{}), multus.AuditorRBAC(multus.Config{}, multus.AuditOptions{}), multus.InventoryRBAC())
	return nil
}

func live(ctx context.Context, c client.Client) error {
	detection, err := multus.Detect(ctx, c)
	if err != nil {
		return err
	}
	inventory, err := multus.Inventory(ctx, c)
	if err != nil {
		return err
	}
	installer, err := multus.NewInstaller(c, multus.Config{Platform: detection.Platform})
	if err != nil {
		return err
	}
	plan, err := installer.Plan(ctx)
	if err != nil {
		return err
	}
	result, err := installer.Install(ctx, multus.InstallOptions{Progress: func(e multus.Event) { fmt.Println(e) }})
	if err != nil {
		return err
	}
	status, err := installer.Status(ctx)
	if err != nil {
		return err
	}
	lost, err := installer.Audit(ctx, multus.AuditOptions{Recreate: true})
	if err != nil {
		return err
	}
	fmt.Println(inventory, plan, result, status, lost)
	return installer.Uninstall(ctx, multus.UninstallOptions{})
}
