package main

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/multihome/multihome/multus"
)

// multusReconciler keeps Multus installed. A cluster that is as wanted costs a
// handful of reads and no write, so it need not be clever about when to look.
type multusReconciler struct {
	installer *multus.Installer
}

func (r *multusReconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	// The rollout comes back as changes of the DaemonSet: nothing waits here.
	result, err := r.installer.Install(ctx, multus.InstallOptions{NoWait: true})
	var refused *multus.PreflightError
	var conflict *multus.ConflictError
	switch {
	case errors.As(err, &refused), errors.As(err, &conflict):
		// Somebody has to decide; asking again every second helps nobody.
		log.FromContext(ctx).Error(err, "Multus is left as it is")
		return reconcile.Result{RequeueAfter: 10 * time.Minute}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	if result.Changed() {
		log.FromContext(ctx).Info("Multus was brought up to date", "version", result.Version, "platform", result.Platform.String())
	}
	return reconcile.Result{RequeueAfter: time.Hour}, nil
}
