package multus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/live"
)

// Status is how Multus is doing on a cluster.
type Status struct {
	// Installed: the DaemonSet that the Installer's Config names exists.
	Installed bool `json:"installed"`
	// Version of the installed release, from its image or its annotation.
	// Empty: neither tells.
	Version string `json:"version,omitempty"`
	// Images that its pods run, each once.
	Images []string `json:"images,omitempty"`
	// Owners are the field managers of its DaemonSet: who installed it.
	Owners []string `json:"owners,omitempty"`
	// Drift holds the objects that are not as the Config wants them, with the
	// fields in which they differ. An Install would change these. Empty: none.
	Drift []Change `json:"drift,omitempty"`
	// Rollout, node by node.
	Rollout Rollout `json:"rollout"`
	// Findings is known trouble: with the release, with this cluster, with a
	// node.
	Findings []multihome.Finding `json:"findings,omitempty"`
}

// Healthy reports whether Multus is installed as wanted and runs on every
// node, with no finding of severity error.
func (s *Status) Healthy() bool {
	return s.Installed && len(s.Drift) == 0 && s.Rollout.Complete && len(blocking(s.Findings, nil)) == 0
}

// String returns a summary for a terminal.
func (s *Status) String() string {
	var b strings.Builder
	if s.Installed {
		fmt.Fprintf(&b, "Multus %s by %s: %d of %d nodes ready\n",
			cmp.Or(s.Version, "(unknown version)"), strings.Join(s.Owners, ", "), s.Rollout.Ready, s.Rollout.Desired)
		for _, change := range s.Drift {
			fmt.Fprintf(&b, "drift: %s\n", change)
		}
	} else {
		b.WriteString("Multus is not installed\n")
	}
	for _, f := range s.Findings {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// Status reads how Multus is doing. It writes nothing and needs no permission
// to. Memory and requests grow with the number of pods by pages of 500.
func (i *Installer) Status(ctx context.Context) (*Status, error) {
	t, err := i.aim(ctx)
	if err != nil {
		return nil, err
	}
	states, err := i.read(ctx, t)
	if err != nil {
		return nil, err
	}
	status := &Status{}
	progress := newProgress()
	for _, state := range states {
		if state.Live == nil {
			continue
		}
		if drift := localChange(state); len(drift.Fields) > 0 {
			status.Drift = append(status.Drift, drift)
		}
		if state.Live.GetKind() != "DaemonSet" {
			continue
		}
		ds, err := convert[appsv1.DaemonSet](state.Live)
		if err != nil {
			return nil, err
		}
		status.Installed = true
		progress.daemonSets[ds.Name] = nil
		progress.setDaemonSet(ds)
		status.describe(ds, state.Live)
	}
	cilium, err := i.ciliumFindings(ctx, t, (*survey).lookAtCilium)
	if err != nil {
		return nil, err
	}
	status.Findings = append(preflight(t, states), cilium...)
	if !status.Installed {
		return status, nil
	}
	for _, state := range states {
		if state.Live == nil {
			status.Drift = append(status.Drift, localChange(state))
		}
	}
	status.Drift = append(status.Drift, t.removals()...)
	var pasts []multihome.Finding
	err = live.EachPage(ctx, i.client, live.List("v1", "Pod"), func(object *unstructured.Unstructured) error {
		pod, err := convert[corev1.Pod](object)
		if err != nil {
			return err
		}
		progress.setPod(pod)
		if past, found := explainPast(pod); found {
			pasts = append(pasts, past)
		}
		return nil
	}, client.InNamespace(t.config.namespace()), multusLabels)
	if err == nil {
		err = progress.lookForPods(ctx, i.client, t.config.namespace())
	}
	if err == nil {
		err = progress.lookForNodes(ctx, i.client)
	}
	if err != nil {
		return nil, err
	}
	status.Rollout = progress.report()
	status.Findings = append(status.Findings, installedFindings(progress.daemonSets, t.config.Platform)...)
	for _, node := range status.Rollout.Nodes {
		if node.Problem != nil {
			status.Findings = append(status.Findings, *node.Problem)
		}
	}
	status.Findings = append(status.Findings, pasts...)
	return status, nil
}

// describe reads from a DaemonSet what runs and who installed it.
func (s *Status) describe(ds *appsv1.DaemonSet, live *unstructured.Unstructured) {
	for _, c := range slices.Concat(ds.Spec.Template.Spec.InitContainers, ds.Spec.Template.Spec.Containers) {
		if !slices.Contains(s.Images, c.Image) {
			s.Images = append(s.Images, c.Image)
		}
	}
	slices.Sort(s.Images)
	s.Version = cmp.Or(s.Version, releaseOf(ds))
	for _, owner := range ownersOf(live) {
		if !slices.Contains(s.Owners, owner) {
			s.Owners = append(s.Owners, owner)
		}
	}
}

// releaseOf is the release that a DaemonSet runs, as far as it tells.
func releaseOf(ds *appsv1.DaemonSet) string {
	for _, c := range ds.Spec.Template.Spec.Containers {
		if version := imageRelease(c.Image); version != "" {
			return version
		}
	}
	return ds.Annotations[releaseAnnotation]
}
