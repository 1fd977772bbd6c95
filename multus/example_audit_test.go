package multus_test

import (
	"context"
	"fmt"
	"log"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// The message of the event with which every pod fails on an old Talos node.
func ExampleExplain() {
	finding, ok := multus.Explain(`Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "3a6a5838": ` +
		`plugin type="multus-shim" name="multus-cni-network" failed (add): CmdAdd (shim): CNI request failed with status 400: 'ERRORED: error configuring pod ` +
		`[default/samplepod] networking: [default/samplepod:cbr0]: error adding container to network "cbr0": DelegateAdd: cannot set "" interface name to "eth0": ` +
		`validateIfName: no net namespace /var/run/netns/cni-1d80 found: failed to Statfs "/var/run/netns/cni-1d80": no such file or directory`)
	fmt.Println(ok, finding.Code)
	fmt.Println(finding.Message)
	fmt.Println(finding.Remedy)
	// Output:
	// true multus/netns
	// the daemon cannot open the pod's network namespace /var/run/netns/cni-1d80, because its volume host-run-netns is not the directory in which the runtime keeps them; no pod can start on such a node
	// Installer.Install with the netns fix, which sets the hostPath of volume host-run-netns to /var/run/netns/; the pods that wait then start by themselves
}

// A pod waits for a network that does not exist yet.
func ExampleInstaller_Audit() {
	ctx := context.Background()
	cluster := newExampleCluster(multustest.Options{})
	mustInstall(cluster, multus.Config{})
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	audit := func() {
		report, err := installer.Audit(ctx, multus.AuditOptions{Namespaces: []string{"default"}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(report)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: "web", Annotations: map[string]string{"k8s.v1.cni.cncf.io/networks": "lan@eth1"},
	}}
	if err := cluster.Client().Create(ctx, pod); err != nil {
		log.Fatal(err)
	}
	audit()

	lan := &netattdefv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "lan"},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: `{"cniVersion":"1.0.0","type":"macvlan","master":"eth0"}`},
	}
	if err := cluster.Client().Create(ctx, lan); err != nil {
		log.Fatal(err)
	}
	audit()
	// Output:
	// 1 of 1 pods ask for networks: 1 lost, 0 starting
	// default/web on node worker-1 waits for default/lan@eth1: error network/nad-missing: Pod default/web: there is no NetworkAttachmentDefinition lan in namespace default; create it, with nad.Macvlan, nad.Bridge and the like, or correct the networks annotation; a name without a namespace is looked for in the pod's, in the default-network annotation in kube-system
	// 1 of 1 pods ask for networks: 0 lost, 0 starting
}

// What to bind to a program that audits one namespace and recreates pods.
func ExampleAuditorRBAC() {
	show := func(object client.Object, rules []rbacv1.PolicyRule) {
		fmt.Printf("%T in %q\n", object, object.GetNamespace())
		for _, rule := range rules {
			fmt.Println(" ", rule.Verbs, rule.Resources)
		}
	}
	config := multus.Config{Platform: multus.Platform{Talos: "v1.13.9", PrimaryCNI: "cilium", Architectures: []string{"amd64"}}}
	for _, object := range multus.AuditorRBAC(config, multus.AuditOptions{Namespaces: []string{"shop"}, Recreate: true}) {
		switch role := object.(type) {
		case *rbacv1.ClusterRole:
			show(role, role.Rules)
		case *rbacv1.Role:
			show(role, role.Rules)
		}
	}
	// Output:
	// *v1.ClusterRole in ""
	//   [list] [daemonsets]
	//   [list] [network-attachment-definitions]
	//   [get] [configmaps]
	//   [list] [ciliumnodeconfigs]
	// *v1.Role in "kube-system"
	//   [list] [pods]
	// *v1.Role in "shop"
	//   [list] [pods]
	//   [list] [events]
	//   [create] [pods/eviction]
}
