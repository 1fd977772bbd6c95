package kubevirt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	admissionv1 "k8s.io/api/admission/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/multihome/multihome/kubevirt"
)

// exampleCluster is a cluster with a VM on a macvlan network and one on none.
func exampleCluster() client.Reader {
	c, err := parseCluster(`
apiVersion: kubevirt.io/v1
kind: KubeVirt
metadata: {name: kubevirt, namespace: kubevirt}
status: {observedKubeVirtVersion: v1.9.0}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan, namespace: default}
spec: {config: '{"cniVersion":"1.0.0","name":"lan","type":"macvlan","master":"eth0"}'}
---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: web, namespace: default}
spec:
  template:
    spec:
      domain: {devices: {interfaces: [{name: lan, bridge: {}}]}}
      networks: [{name: lan, multus: {networkName: lan}}]
---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: db, namespace: default}
spec:
  template:
    spec:
      domain: {devices: {interfaces: [{name: lan, bridge: {}}]}}
      networks: [{name: lan, multus: {networkName: storage/lan}}]
`)
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// All VMs of a cluster at once.
func ExampleCheckCluster() {
	report, err := kubevirt.CheckCluster(context.Background(), exampleCluster(), kubevirt.CheckOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.VMs, "VMs")
	for _, finding := range report.Findings {
		fmt.Println(finding.Severity, finding.Code, finding.Object)
	}
	// Output:
	// 2 VMs
	// error kubevirt/nad-missing VirtualMachine default/db
	// error kubevirt/mac-moves VirtualMachine default/web
}

// What a check has to know, read once for many VMs.
func ExampleInventory() {
	cluster, err := kubevirt.Inventory(context.Background(), exampleCluster())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cluster.Version, len(cluster.Bindings), "binding plugins")
	fmt.Println(len(kubevirt.CheckVM(newVM("lan"), cluster)), "finding")
	// Output:
	// v1.9.0 0 binding plugins
	// 1 finding
}

// What to bind to a program that calls CheckCluster.
func ExampleCheckerRBAC() {
	for _, rule := range kubevirt.CheckerRBAC(kubevirt.CheckOptions{})[0].(*rbacv1.ClusterRole).Rules {
		fmt.Println(rule.Verbs, rule.Resources)
	}
	// Output:
	// [list] [kubevirts]
	// [list] [network-attachment-definitions]
	// [list] [virtualmachines virtualmachineinstances]
}

// A validator refuses VMs whose network can never work.
type validator struct{ reader client.Reader }

func (v validator) ValidateCreate(ctx context.Context, vm *kubevirtv1.VirtualMachine) (admission.Warnings, error) {
	cluster, err := kubevirt.Inventory(ctx, v.reader)
	if err != nil {
		return nil, err
	}
	return kubevirt.Admit(nil, kubevirt.CheckVM(vm, cluster))
}

func (v validator) ValidateUpdate(ctx context.Context, old, vm *kubevirtv1.VirtualMachine) (admission.Warnings, error) {
	cluster, err := kubevirt.Inventory(ctx, v.reader)
	if err != nil {
		return nil, err
	}
	return kubevirt.Admit(kubevirt.CheckVM(old, cluster), kubevirt.CheckVM(vm, cluster))
}

func (validator) ValidateDelete(context.Context, *kubevirtv1.VirtualMachine) (admission.Warnings, error) {
	return nil, nil
}

// setUpWebhook is how a controller serves it. The reader is not a manager's
// cache, which cannot list by pages.
func setUpWebhook(mgr manager.Manager) error {
	return builder.WebhookManagedBy(mgr, &kubevirtv1.VirtualMachine{}).
		WithValidator(validator{reader: mgr.GetAPIReader()}).
		Complete()
}

// A validating webhook, asked about a new VM on a macvlan network.
func ExampleAdmit() {
	_ = setUpWebhook // needs a manager, and with it a cluster
	scheme := runtime.NewScheme()
	if err := kubevirtv1.AddToScheme(scheme); err != nil {
		log.Fatal(err)
	}
	webhook := admission.WithValidator(scheme, validator{reader: exampleCluster()})

	raw, err := json.Marshal(newVM("lan"))
	if err != nil {
		log.Fatal(err)
	}
	request := admissionv1.AdmissionRequest{Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw}}
	answer := webhook.Handle(context.Background(), admission.Request{AdmissionRequest: request})
	fmt.Println(answer.Allowed, answer.Result.Code)
	fmt.Println(answer.Result.Message)
	// Output:
	// false 403
	// spec.template.spec.networks[1].multus.networkName: Forbidden: kubevirt/mac-moves: NAD default/lan is of the plugin macvlan, which receives only what is sent to its own hardware address; the binding bridge gives that to the guest, so replies are lost; use a NAD of the plugin bridge (kubevirt.BridgeNAD) or ovs, or the macvtap plugin with its binding
}
