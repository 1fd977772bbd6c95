package main

import (
	"context"
	"fmt"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/multihome/multihome/nad"
)

const (
	lan       = "lan"
	keptBy    = "app.kubernetes.io/managed-by"
	thisOne   = "lan-controller"
	enabled   = "enabled"
	lanBridge = "br0" // talos.BridgePatch puts it on the nodes
)

// lanReconciler gives a namespace with the label "lan=enabled" the network "lan",
// and takes it away with the label. A network of that name that somebody else
// made is never touched.
type lanReconciler struct {
	client client.Client
	// api reads networks past the cache, which cannot watch a kind before
	// Multus has brought it.
	api client.Reader
}

func (r *lanReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	namespace := &corev1.Namespace{}
	if err := r.client.Get(ctx, request.NamespacedName, namespace); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if namespace.DeletionTimestamp != nil {
		return reconcile.Result{}, nil // what is in it goes with it
	}

	// VLAN 100 of the bridge; nobody gives out addresses but the LAN itself.
	want, err := nad.Bridge(lan, nad.BridgeConfig{Bridge: lanBridge, VLAN: 100, IPAM: nad.DHCP{}})
	if err != nil {
		return reconcile.Result{}, reconcile.TerminalError(err)
	}
	want.Namespace = namespace.Name
	want.Labels = map[string]string{keptBy: thisOne}

	have := &netattdefv1.NetworkAttachmentDefinition{}
	err = r.api.Get(ctx, client.ObjectKeyFromObject(want), have)
	exists := err == nil
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, err // also while Multus' kinds are not there yet: tried again
	}
	ours := have.Labels[keptBy] == thisOne
	wanted := namespace.Labels[lan] == enabled
	switch {
	case wanted && exists && !ours:
		return reconcile.Result{}, reconcile.TerminalError(
			fmt.Errorf("network %s/%s is not of this controller: rename it, or take the label from the namespace", want.Namespace, lan))
	case wanted && !exists:
		return reconcile.Result{}, r.client.Create(ctx, want)
	case wanted && have.Spec.Config != want.Spec.Config:
		have.Spec.Config = want.Spec.Config
		return reconcile.Result{}, r.client.Update(ctx, have)
	case !wanted && ours:
		return reconcile.Result{}, client.IgnoreNotFound(r.client.Delete(ctx, have, client.Preconditions{UID: &have.UID}))
	}
	return reconcile.Result{}, nil
}
