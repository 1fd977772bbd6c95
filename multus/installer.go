package multus

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/apply"
)

// Installer brings the Multus of a [Config] to a cluster and tells how it is
// doing. It keeps no state between calls: every call reads the cluster anew,
// and a call that was cut off is finished by the next one. It is safe for
// concurrent use; two Installs at once end in the same cluster.
type Installer struct {
	client client.Client
	config Config
	images ImageVerifier // nil: images are not looked into
}

// NewInstaller returns an Installer for config. It sends no request. The error
// is that of [Config.Validate].
//
// All requests of an Installer go to the API server and none to the cache of
// c's manager, if it has one. Where c is a client.WithWatch
// (client.NewWithWatch makes one) a rollout is followed by watch; otherwise it
// is looked at once a second. [InstallerRBAC] tells what c must be allowed.
//
// A zero config.Platform is detected in each call, at the price of up to three
// requests, and one more for each 500 nodes. Where it is given, Install looks at
// Cilium's settings for all nodes alike; Plan, Status and Audit see those also
// that a CiliumNodeConfig gives to some nodes.
func NewInstaller(c client.Client, config Config) (*Installer, error) {
	if c == nil {
		return nil, errors.New("client is nil; make one with sigs.k8s.io/controller-runtime/pkg/client")
	}
	if err := config.Validate(); err != nil {
		return nil, err
	}
	i := &Installer{client: c}
	config.DeepCopyInto(&i.config)
	return i, nil
}

func (i *Installer) applier() apply.Applier {
	return apply.Applier{Client: i.client, Owner: FieldManager}
}

// target is what a call works towards, once the cluster has been looked at.
type target struct {
	survey survey
	config Config // with the platform filled in
	bundle *Bundle
	// desired holds the Bundle's objects as they are sent, in apply order.
	desired []*unstructured.Unstructured
	// retired are live DaemonSets of ours that the Bundle has no more.
	retired []*unstructured.Unstructured
	// thinConfig are ConfigMaps that only thin Multus, which runs now, reads.
	thinConfig []*unstructured.Unstructured
}

// aim looks at the cluster and renders for it.
func (i *Installer) aim(ctx context.Context) (*target, error) {
	t := &target{}
	i.config.DeepCopyInto(&t.config)
	var err error
	if t.config.Platform.IsZero() {
		t.survey, err = look(ctx, i.client)
		t.config.Platform = t.survey.platform()
	} else {
		t.survey, err = lookAtDaemonSets(ctx, i.client)
	}
	if err != nil {
		return nil, err
	}
	if t.bundle, err = Render(t.config); err != nil {
		return nil, fmt.Errorf("render for platform %s: %w", t.config.Platform, err)
	}
	t.retired, t.thinConfig = t.retiredDaemonSets(), t.thinConfigMaps()
	t.desired, err = t.bundle.unstructured()
	return t, err
}

// read gets the live objects beside the desired ones. The DaemonSets are known
// from the survey, unless it was not allowed to list them.
func (i *Installer) read(ctx context.Context, t *target) ([]apply.State, error) {
	states := make([]apply.State, len(t.desired))
	for n, desired := range t.desired {
		if desired.GetKind() == "DaemonSet" && t.survey.sawDaemonSets {
			states[n] = apply.State{Desired: desired, Live: t.survey.daemonSet(desired.GetNamespace(), desired.GetName())}
			continue
		}
		state, err := i.applier().Read(ctx, desired)
		if err != nil {
			return nil, err
		}
		states[n] = state[0]
	}
	return states, nil
}

// settled reports whether nothing needs to be written or removed.
func (t *target) settled(states []apply.State) bool {
	if len(t.retired) > 0 {
		return false
	}
	for _, s := range states {
		if !s.Settled(FieldManager) {
			return false
		}
	}
	return true
}
