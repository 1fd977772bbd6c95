package cilium_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
	"github.com/multihome/multihome/nad"
)

// exampleCluster is a simulated cluster with Cilium as its chart installs it.
func exampleCluster(exclusive bool, objects ...client.Object) *multustest.Cluster {
	cluster, err := multustest.NewCluster(multustest.Options{
		PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: exclusive}, Objects: objects,
	})
	if err != nil {
		log.Fatal(err)
	}
	return cluster
}

// What Cilium on a cluster does to secondary networks, in one call.
func ExampleDetect() {
	cluster := exampleCluster(true)
	config, err := cilium.Detect(context.Background(), cluster.Client())
	if errors.Is(err, cilium.ErrNotFound) {
		return // another CNI
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.Version, config.Exclusive)
	for _, finding := range config.Findings() {
		fmt.Println(finding.Severity, finding.Code)
	}
	// Output:
	// v1.20.2 true
	// error cilium/exclusive
	// info cilium/socket-lb
	// info cilium/devices
}

// A caller who knows where Cilium is saves the lists that find it.
func ExampleRead() {
	config, err := cilium.Read(context.Background(), exampleCluster(true).Client(), "kube-system")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.Known, config.Exclusive, config.Conflist)
	// Output: true true 05-cilium.conflist
}

// Settings can be judged without a cluster, from what helm template prints.
func ExampleParse() {
	settings, err := cilium.Parse(map[string]string{
		"cni-exclusive": "true", "write-cni-conf-when-ready": "/host/etc/cni/net.d/05-cilium.conflist",
		"cluster-pool-ipv4-cidr": "10.0.0.0/8", "devices": "br0 eth+",
	})
	fmt.Println(settings.Exclusive, settings.PodCIDRs, settings.Devices, err)
	_, err = cilium.Parse(map[string]string{"cni-exclusive": "yes"})
	fmt.Println(err)
	// Output:
	// true [10.0.0.0/8] [br0 eth+] <nil>
	// data[cni-exclusive]: Invalid value: "yes": must be true or false
}

// What a node's /etc/cni/net.d holds once the agent has started.
func ExampleSettings_ConfDir() {
	before := map[string]string{"00-multus.conf": `{"name":"multus-cni-network"}`}
	settings := cilium.Settings{Conflist: "05-cilium.conflist"}
	fmt.Println(settings.ConfDir(before))
	settings.Exclusive = true
	fmt.Println(settings.ConfDir(before))
	// Output:
	// [00-multus.conf 05-cilium.conflist]
	// [00-multus.conf.cilium_bak 05-cilium.conflist]
}

// With portmap Cilium itself makes the interface.
func ExampleSettings_Chained() {
	fmt.Println(cilium.Settings{ChainingMode: "portmap"}.Chained(), cilium.Settings{ChainingMode: "aws-cni"}.Chained())
	// Output: false true
}

// The remedy of exclusive mode is the whole way out of it.
func ExampleConfig_Findings() {
	config := cilium.Config{
		Known: true, Namespace: "kube-system",
		Settings: cilium.Settings{Exclusive: true, Conflist: "05-cilium.conflist"},
	}
	for _, finding := range config.Findings() {
		fmt.Println(finding.Object, finding.Path)
		fmt.Println(finding.Message)
		fmt.Println(finding.Remedy)
	}
	// Output:
	// ConfigMap kube-system/cilium-config data.cni-exclusive
	// Cilium is in exclusive mode and renames Multus' configuration to 00-multus.conf.cilium_bak
	// set Helm's cni.exclusive=false, restart the Cilium agents, then Multus if it ran before, then recreate the pods that started meanwhile; editing the ConfigMap alone is undone by the next Helm upgrade
}

// What Multus' own cniVersion has to do with.
func ExampleConfig_CNIVersion() {
	fmt.Println(cilium.Config{Version: "v1.19.3"}.CNIVersion(), cilium.Config{Version: "v1.20.2"}.CNIVersion())
	// Output: 0.3.1 1.0.0
}

// Cilium's default pool is all of 10.0.0.0/8, which many networks are in.
func ExampleConfig_CheckNADs() {
	config := cilium.Config{Settings: cilium.Settings{PodCIDRs: []string{"10.0.0.0/8"}}}
	lan, err := nad.Macvlan("lan", nad.MacvlanConfig{Master: "eth1", IPAM: nad.HostLocal{Subnet: "10.7.0.0/24"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, finding := range config.CheckNADs(*lan) {
		fmt.Println(finding.Code, finding.Message)
	}
	// Output: nad/overlap 10.7.0.0/24 overlaps with 10.0.0.0/8, the network of pods (Cilium's cilium-config): pods reach only one of the two
}

// The same ranges among everything else that a cluster uses.
func ExampleConfig_Ranges() {
	config := cilium.Config{NodeCIDRs: map[string][]string{"worker-1": {"10.244.1.0/24"}}}
	fmt.Println(config.Ranges())
	// Output: [{10.244.1.0/24 pods of node worker-1 (Cilium)}]
}

// A bridge for VMs gets the node's address, and Cilium does not follow.
func ExampleConfig_CheckNodeLink() {
	config := cilium.Config{Namespace: "kube-system"}
	for _, finding := range config.CheckNodeLink("br0", true) {
		fmt.Println(finding.Severity, finding.Code, finding.Remedy)
	}
	config.Devices = []string{"br0"}
	fmt.Println(len(config.CheckNodeLink("br0", true)))
	// Output:
	// error cilium/devices set Helm's devices to br0, beside those that Cilium works on now
	// 0
}

// A file of values for helm install, before there is a cluster.
func ExampleHelmValues() {
	values, err := yaml.Marshal(cilium.HelmValues(cilium.ValuesOptions{KubeVirt: true, Devices: []string{"br0"}}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(values))
	// Output:
	// cni:
	//   exclusive: false
	//   uninstall: false
	// devices:
	// - br0
	// rollOutCiliumPods: true
	// socketLB:
	//   hostNamespaceOnly: true
}

// Values that there are already, before helm upgrade.
func ExampleCheck() {
	values := map[string]any{}
	err := yaml.Unmarshal([]byte("kubeProxyReplacement: true\nrollOutCiliumPods: true\n"), &values)
	if err != nil {
		log.Fatal(err)
	}
	for _, finding := range cilium.Check(values, cilium.ValuesOptions{KubeVirt: true}) {
		fmt.Println(finding.Severity, finding.Code, finding.Path)
	}
	// Output:
	// error cilium/exclusive cni.exclusive
	// warning cilium/socket-lb socketLB.hostNamespaceOnly
}

// A cluster on which Multus was installed beside an exclusive Cilium.
func ExampleRepair() {
	ctx := context.Background()
	cluster := exampleCluster(true, multusDaemonSet())
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = cilium.Repair(ctx, cluster.Client(), cilium.RepairOptions{
		Progress: func(step cilium.Step) { fmt.Println(step) },
		Recreate: func(ctx context.Context) (int, error) { // last, the pods that lack their networks
			report, err := installer.Audit(ctx, multus.AuditOptions{Recreate: true})
			if err != nil {
				return 0, err
			}
			evicted := 0
			for _, pod := range report.Pods {
				if pod.Evicted {
					evicted++
				}
			}
			return evicted, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// value changed: ConfigMap kube-system/cilium-config: cni-exclusive set to false
	// agents changed: DaemonSet kube-system/cilium: restarted
	// multus changed: DaemonSet kube-system/kube-multus-ds: restarted
	// pods kept: none lacks its networks and can be made anew
}

// Where Helm owns the settings, they are changed there, and nowhere else.
func ExampleOwnedError_Error() {
	err := &cilium.OwnedError{Owners: map[string][]string{"ConfigMap kube-system/cilium-config": {"Helm release kube-system/cilium"}}}
	fmt.Println(err)
	// Output: ConfigMap kube-system/cilium-config is owned by Helm release kube-system/cilium: set cni-exclusive to false there (Helm's cni.exclusive) and call Repair again, or set RepairOptions.TakeOver, whose change lasts until the owner writes the next time
}

// One line for a log.
func ExampleStep_String() {
	fmt.Println(cilium.Step{Type: cilium.StepAgents, State: cilium.StateWaiting, Object: "DaemonSet kube-system/cilium", Message: "1 of 3 pods are new, 2 are ready"})
	// Output: agents waiting: DaemonSet kube-system/cilium: 1 of 3 pods are new, 2 are ready
}

// What to bind to a program that calls Detect.
func ExampleDetectRBAC() {
	for _, rule := range cilium.DetectRBAC()[0].(*rbacv1.ClusterRole).Rules {
		fmt.Println(rule.Verbs, rule.Resources, rule.ResourceNames)
	}
	// Output:
	// [list] [daemonsets] []
	// [get] [configmaps] [cilium-config]
	// [list] [ciliumnodeconfigs] []
	// [list] [nodes] []
	// [list] [ciliumnodes] []
}

// What to bind to a program that calls Repair.
func ExampleRepairRBAC() {
	for _, object := range cilium.RepairRBAC(cilium.Config{}, cilium.RepairOptions{}) {
		role, ok := object.(*rbacv1.Role)
		if !ok {
			continue // the ClusterRole reads what Detect reads
		}
		fmt.Println(role.Namespace, role.Name)
		for _, rule := range role.Rules {
			fmt.Println(" ", rule.Verbs, rule.Resources, rule.ResourceNames)
		}
	}
	// Output:
	// kube-system multihome-cilium-repairer
	//   [patch] [configmaps] [cilium-config]
	//   [patch] [ciliumnodeconfigs] []
	//   [get patch] [daemonsets] [cilium]
	//   [list] [pods] []
	// kube-system multihome-cilium-multus
	//   [get patch] [daemonsets] [kube-multus-ds]
	//   [list] [pods] []
}
