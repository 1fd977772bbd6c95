package multus_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

func ExampleInstaller_Uninstall() {
	ctx := context.Background()
	cluster := newExampleCluster(multustest.Options{})
	mustInstall(cluster, multus.Config{})
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	cluster.SetFault("worker-1", multustest.FaultNodeDown)
	err = installer.Uninstall(ctx, multus.UninstallOptions{
		Progress: func(e multus.Event) { fmt.Println(e) },
	})
	fmt.Println("only nodes that are down are left:", errors.Is(err, multus.ErrNodesDown))

	cluster.SetFault("worker-1", multustest.FaultNone)
	fmt.Println("the second call:", installer.Uninstall(ctx, multus.UninstallOptions{}))
	// Output:
	// DaemonSet kube-system/kube-multus-ds removed
	// DaemonSet kube-system/kube-multus-cleaner created
	// node cp-1 clean (1 of 2)
	// only nodes that are down are left: true
	// the second call: <nil>
}

func ExampleUninstallerRBAC() {
	for _, object := range multus.UninstallerRBAC(multus.Config{}) {
		switch role := object.(type) {
		case *rbacv1.ClusterRole:
			fmt.Println("ClusterRole", role.Name, "with", len(role.Rules), "rules")
		case *rbacv1.Role:
			fmt.Println("Role", role.Namespace+"/"+role.Name, "with", len(role.Rules), "rules")
		}
	}
	// Output:
	// ClusterRole multihome-uninstaller with 7 rules
	// Role kube-system/multihome-uninstaller with 5 rules
}
