package multus_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// newExampleCluster simulates two nodes. On a real cluster the examples take a
// client of sigs.k8s.io/controller-runtime/pkg/client instead.
func newExampleCluster(o multustest.Options) *multustest.Cluster {
	o.Nodes = []multustest.Node{{Name: "cp-1", ControlPlane: true}, {Name: "worker-1"}}
	cluster, err := multustest.NewCluster(o)
	if err != nil {
		log.Fatal(err)
	}
	return cluster
}

// mustInstall installs what an example begins with.
func mustInstall(cluster *multustest.Cluster, config multus.Config) {
	installer, err := multus.NewInstaller(cluster.Client(), config)
	if err == nil {
		_, err = installer.Install(context.Background(), multus.InstallOptions{})
	}
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleNewInstaller() {
	cluster := newExampleCluster(multustest.Options{})
	_, err := multus.NewInstaller(cluster.Client(), multus.Config{Namespace: "Networks"})
	fmt.Println(err)

	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	fmt.Println(installer != nil, err)
	// Output:
	// namespace: Invalid value: "Networks": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
	// true <nil>
}

func ExampleInstaller_Install() {
	cluster := newExampleCluster(multustest.Options{})
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	result, err := installer.Install(ctx, multus.InstallOptions{
		Progress: func(e multus.Event) { fmt.Println(e) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Version, "is complete:", result.Rollout.Complete)
	// Output:
	// detected: Talos v1.13.9, flannel, amd64
	// CustomResourceDefinition network-attachment-definitions.k8s.cni.cncf.io created
	// ServiceAccount kube-system/multus created
	// ClusterRole multus created
	// ClusterRoleBinding multus created
	// ConfigMap kube-system/multus-daemon-config created
	// DaemonSet kube-system/kube-multus-ds created
	// node worker-1 ready (1 of 2)
	// node cp-1 ready (2 of 2)
	// done: 2 of 2 nodes ready
	// v4.3.0 is complete: true
}

// An upgrade is an Install with another version; so is the way back.
func ExampleInstaller_Plan() {
	cluster := newExampleCluster(multustest.Options{})
	mustInstall(cluster, multus.Config{Version: "v4.2.3"})
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{Version: "v4.2.4"})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := installer.Plan(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, change := range plan.Changes {
		for _, field := range change.Fields {
			fmt.Println(change.Object, field.Path)
		}
	}
	// Output:
	// DaemonSet kube-system/kube-multus-ds metadata.annotations.multihome.github.io/release
	// DaemonSet kube-system/kube-multus-ds spec.template.spec.containers[name=kube-multus].image
	// DaemonSet kube-system/kube-multus-ds spec.template.spec.initContainers[name=install-multus-binary].image
}

func ExamplePlan_String() {
	cluster := newExampleCluster(multustest.Options{PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: true}})
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{Version: "v4.2.0"})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := installer.Plan(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan)
	// Output:
	// Multus v4.2.0 for Talos v1.13.9, cilium, amd64
	// error cilium/exclusive: ConfigMap kube-system/cilium-config data.cni-exclusive: Cilium is in exclusive mode and renames Multus' configuration to 00-multus.conf.cilium_bak; set Helm's cni.exclusive=false, restart the Cilium agents, then Multus if it ran before, then recreate the pods that started meanwhile; editing the ConfigMap alone is undone by the next Helm upgrade
	// CustomResourceDefinition network-attachment-definitions.k8s.cni.cncf.io created
	// ServiceAccount kube-system/multus created
	// ClusterRole multus created
	// ClusterRoleBinding multus created
	// ConfigMap kube-system/multus-daemon-config created
	// DaemonSet kube-system/kube-multus-ds created
}

func ExamplePlan_Changed() {
	cluster := newExampleCluster(multustest.Options{})
	mustInstall(cluster, multus.Config{})
	for _, config := range []multus.Config{{}, {NodeSelector: map[string]string{"vms": "true"}}} {
		installer, err := multus.NewInstaller(cluster.Client(), config)
		if err != nil {
			log.Fatal(err)
		}
		plan, err := installer.Plan(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(plan.Changed())
	}
	// Output:
	// false
	// true
}

func ExampleInstaller_Status() {
	cluster := newExampleCluster(multustest.Options{})
	mustInstall(cluster, multus.Config{})
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	status, err := installer.Status(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.Version, status.Owners, status.Healthy())
	for _, node := range status.Rollout.Nodes {
		fmt.Println(node.Node, node.Updated, node.Ready)
	}
	// Output:
	// v4.3.0 [multihome] true
	// cp-1 true true
	// worker-1 true true
}

// Somebody has set another memory limit, and a node runs out of it.
func ExampleStatus_String() {
	cluster := newExampleCluster(multustest.Options{})
	mustInstall(cluster, multus.Config{})
	cluster.SetFault("worker-1", multustest.FaultOOM)
	editLimit(cluster, "300Mi")

	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	status, err := installer.Status(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(status)
	// Output:
	// Multus v4.3.0 by multihome, kubectl-edit: 1 of 2 nodes ready
	// drift: DaemonSet kube-system/kube-multus-ds updated
	//   spec.template.spec.containers[name=kube-multus].resources.limits.memory: "300Mi" -> "1Gi"
	// error multus/oom: Node worker-1 container kube-multus: killed for lack of memory: CNI plugins run in the daemon's memory limit; raise Config.Resources.Daemon.LimitMemory, or lower Config.Daemon.ConnectionLimit (since v4.3.0)
}

// editLimit is what kubectl edit does.
func editLimit(cluster *multustest.Cluster, limit string) {
	object := theDaemonSet()
	text := `{"spec":{"template":{"spec":{"containers":[{"name":"kube-multus","resources":{"limits":{"memory":"` + limit + `"}}}]}}}}`
	err := cluster.Client().Patch(context.Background(), object, client.RawPatch(types.StrategicMergePatchType, []byte(text)), client.FieldOwner("kubectl-edit"))
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleStatus_Healthy() {
	complete := multus.Rollout{Desired: 3, Updated: 3, Ready: 3, Complete: true}
	fmt.Println((&multus.Status{Installed: true, Rollout: complete}).Healthy())

	drift := []multus.Change{{Object: "ClusterRole multus", Action: multus.ActionUpdate}}
	fmt.Println((&multus.Status{Installed: true, Rollout: complete, Drift: drift}).Healthy())
	// Output:
	// true
	// false
}

func ExampleInstallerRBAC() {
	for _, object := range multus.InstallerRBAC(multus.Config{Namespace: "networks"}) {
		if role, ok := object.(*rbacv1.Role); ok {
			fmt.Println(role.Namespace + "/" + role.Name)
			for _, rule := range role.Rules {
				fmt.Println(rule.Resources, rule.ResourceNames, rule.Verbs)
			}
		}
	}
	// Output:
	// networks/multihome-installer
	// [serviceaccounts] [] [create]
	// [serviceaccounts] [multus] [get patch]
	// [configmaps] [] [create]
	// [configmaps] [multus-daemon-config] [get patch]
	// [daemonsets] [] [create watch]
	// [daemonsets] [kube-multus-ds] [patch]
	// [pods] [] [list watch]
	// [events] [] [list]
	// [daemonsets] [kube-multus-ds-386 kube-multus-ds-amd64 kube-multus-ds-arm kube-multus-ds-arm64 kube-multus-ds-loong64 kube-multus-ds-mips kube-multus-ds-mips64 kube-multus-ds-mips64le kube-multus-ds-mipsle kube-multus-ds-ppc64 kube-multus-ds-ppc64le kube-multus-ds-riscv64 kube-multus-ds-s390x] [delete]
	// [configmaps] [multus-cni-config] [delete]
}

func ExampleResult_String() {
	result := &multus.Result{Changes: []multus.Change{
		{Object: "ConfigMap kube-system/multus-daemon-config", Action: multus.ActionUpdate},
		{Object: "DaemonSet kube-system/kube-multus-ds", Action: multus.ActionNone},
	}}
	fmt.Print(result)
	// Output:
	// ConfigMap kube-system/multus-daemon-config updated
	// DaemonSet kube-system/kube-multus-ds unchanged
}

// A second install changes nothing.
func ExampleResult_Changed() {
	cluster := newExampleCluster(multustest.Options{})
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		result, err := installer.Install(context.Background(), multus.InstallOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Changed())
	}
	// Output:
	// true
	// false
}

func ExampleChange_String() {
	fmt.Println(multus.Change{
		Object: "DaemonSet kube-system/kube-multus-ds", Action: multus.ActionUpdate,
		Fields: []multus.FieldChange{
			{Path: "spec.template.spec.priorityClassName", To: `"system-node-critical"`},
			{Path: "spec.template.spec.terminationGracePeriodSeconds", From: "10", To: "30"},
		},
		Conflicts: []multus.Conflict{{Path: "spec.template.spec.terminationGracePeriodSeconds", Manager: "helm"}},
	})
	// Output:
	// DaemonSet kube-system/kube-multus-ds updated
	//   spec.template.spec.priorityClassName: (absent) -> "system-node-critical"
	//   spec.template.spec.terminationGracePeriodSeconds: 10 -> 30
	//   spec.template.spec.terminationGracePeriodSeconds: owned by helm
}

// Events are enough for a progress bar.
func ExampleEvent_String() {
	for _, e := range []multus.Event{
		{Type: multus.EventApplied, Object: "DaemonSet kube-system/kube-multus-ds", Action: multus.ActionCreate},
		{Type: multus.EventAdopted, Object: "ConfigMap kube-system/multus-daemon-config", Message: "from helm"},
		{Type: multus.EventWaiting, Message: "watch pods in namespace kube-system: connection reset by peer"},
		{Type: multus.EventNodeReady, Node: "worker-1", Done: 1, Total: 2},
		{Type: multus.EventDone, Done: 2, Total: 2},
	} {
		fmt.Println(e)
	}
	// Output:
	// DaemonSet kube-system/kube-multus-ds created
	// ConfigMap kube-system/multus-daemon-config adopted: from helm
	// waiting: watch pods in namespace kube-system: connection reset by peer
	// node worker-1 ready (1 of 2)
	// done: 2 of 2 nodes ready
}

// What somebody else has set stays, until the caller decides.
func ExampleConflictError_Error() {
	cluster := newExampleCluster(multustest.Options{})
	mustInstall(cluster, multus.Config{})
	editLimit(cluster, "300Mi")

	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = installer.Install(context.Background(), multus.InstallOptions{})
	if conflict, ok := errors.AsType[*multus.ConflictError](err); ok {
		fmt.Println(conflict)
		_, err = installer.Install(context.Background(), multus.InstallOptions{Conflicts: multus.ConflictForce})
	}
	fmt.Println(err)
	// Output:
	// conflicts: DaemonSet kube-system/kube-multus-ds spec.template.spec.containers[name=kube-multus].resources.limits.memory is owned by kubectl-edit; set InstallOptions.Conflicts to ConflictAdopt to take over from whoever installed them, or to ConflictForce to take these fields alone
	// <nil>
}

func ExamplePreflightError_Error() {
	cluster := newExampleCluster(multustest.Options{PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: true}})
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = installer.Install(context.Background(), multus.InstallOptions{})
	if refused, ok := errors.AsType[*multus.PreflightError](err); ok {
		fmt.Println(refused)
		fmt.Println(refused.Findings[0].Code)
	}
	// Output:
	// preflight: error cilium/exclusive: ConfigMap kube-system/cilium-config data.cni-exclusive: Cilium is in exclusive mode and renames Multus' configuration to 00-multus.conf.cilium_bak; set Helm's cni.exclusive=false, restart the Cilium agents, then Multus if it ran before, then recreate the pods that started meanwhile; editing the ConfigMap alone is undone by the next Helm upgrade
	// cilium/exclusive
}

// stuckInstall installs with one node that cannot pull images, and gives up at
// once.
func stuckInstall() error {
	cluster := newExampleCluster(multustest.Options{})
	cluster.SetFault("worker-1", multustest.FaultImagePull)
	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err = installer.Install(ctx, multus.InstallOptions{Progress: func(e multus.Event) {
		if e.Type == multus.EventNodeStuck {
			cancel()
		}
	}})
	return err
}

func ExampleRolloutError_Error() {
	err := stuckInstall()
	if rollout, ok := errors.AsType[*multus.RolloutError](err); ok {
		for _, node := range rollout.Rollout.Nodes {
			if node.Problem != nil {
				fmt.Println(node.Node, node.Problem.Code)
			}
		}
	}
	fmt.Println(&multus.RolloutError{Rollout: multus.Rollout{Desired: 3, Ready: 2}, Err: context.DeadlineExceeded})
	// Output:
	// worker-1 multus/image-pull
	// rollout: 2 of 3 nodes ready: context deadline exceeded
}

func ExampleRolloutError_Unwrap() {
	fmt.Println(errors.Is(stuckInstall(), context.Canceled))
	// Output:
	// true
}
