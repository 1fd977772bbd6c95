// Command controller keeps a cluster's secondary networks as they should be: it
// installs Multus and keeps it suited to the nodes, and gives each namespace
// with the label "lan=enabled" a network of that name.
//
//	KUBECONFIG=FILE go run ./examples/controller
//
// Its test runs both reconcilers on a simulated cluster, in milliseconds.
package main

import (
	"context"
	"fmt"
	"os"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/multihome/multihome/multus"
)

func main() {
	ctrl.SetLogger(zap.New())
	if err := run(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "controller:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, netattdefv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	installer, err := multus.NewInstaller(manager.GetClient(), multus.Config{})
	if err != nil {
		return err
	}

	// One request stands for the one Multus of the cluster, whatever changed.
	everything := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{}}
	})
	err = ctrl.NewControllerManagedBy(manager).Named("multus").
		Watches(&corev1.Node{}, everything, builder.WithPredicates(otherSystem())).
		Watches(&appsv1.DaemonSet{}, everything, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(&multusReconciler{installer: installer})
	if err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).For(&corev1.Namespace{}).
		Complete(&lanReconciler{client: manager.GetClient(), api: manager.GetAPIReader()})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

// otherSystem lets those updates of a node through that change what Multus has
// to suit. Nodes report every few minutes without any.
func otherSystem() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, isNode := e.ObjectNew.(*corev1.Node)
		return !ok || !isNode || before.Status.NodeInfo != after.Status.NodeInfo
	}}
}
