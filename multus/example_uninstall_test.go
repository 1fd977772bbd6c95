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
	err = installer.Uninstall(ctx, multus.UninstallOptions{
		Progress: func(e multus.Event) { fmt.Println(e) },
	})
	if errors.Is(err, multus.ErrNodesDown) {
		fmt.Println("call it again once they are back")
	}
	// Output:
	// DaemonSet kube-system/kube-multus-ds removed
	// DaemonSet kube-system/kube-multus-cleaner created
	// node cp-1 clean (1 of 2)
	// node worker-1 clean (2 of 2)
	// DaemonSet kube-system/kube-multus-cleaner removed
	// ConfigMap kube-system/multus-daemon-config removed
	// ClusterRoleBinding multus removed
	// ClusterRole multus removed
	// ServiceAccount kube-system/multus removed
	// done: Multus is removed
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
