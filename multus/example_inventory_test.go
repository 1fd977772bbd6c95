package multus_test

import (
	"context"
	"fmt"
	"log"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
	"github.com/multihome/multihome/nad"
)

// A network in the range of the cluster's own pods, for a plugin that Talos
// does not have.
func ExampleInventory() {
	ctx := context.Background()
	cluster := newExampleCluster(multustest.Options{})
	mustInstall(cluster, multus.Config{ReferencePlugins: multus.ReferencePlugins{Plugins: []string{"static"}}})
	lan, err := nad.Macvlan("lan", nad.MacvlanConfig{Master: "eth1", IPAM: nad.Static{Addresses: []nad.StaticAddress{{Address: "10.244.0.5/16"}}}})
	if err != nil {
		log.Fatal(err)
	}
	lan.Namespace = "default"
	if err := cluster.Client().Create(ctx, lan); err != nil {
		log.Fatal(err)
	}

	inventory, err := multus.Inventory(ctx, cluster.Client())
	if err != nil {
		log.Fatal(err)
	}
	for _, finding := range nad.LintCluster(inventory) {
		fmt.Println(finding.Severity, finding.Code, finding.Message)
	}
	// Output:
	// error nad/plugin-missing the nodes do not have the plugin macvlan
	// warning nad/overlap 10.244.0.0/16 overlaps with 10.244.0.0/24, the network of pods of node cp-1: pods reach only one of the two
}

// What to bind to a program that calls Inventory.
func ExampleInventoryRBAC() {
	for _, rule := range multus.InventoryRBAC()[0].(*rbacv1.ClusterRole).Rules {
		fmt.Println(rule.Verbs, rule.Resources)
	}
	// Output:
	// [list] [network-attachment-definitions]
	// [list] [nodes]
	// [list] [servicecidrs]
	// [list] [ciliumnodes]
	// [list] [daemonsets]
}
