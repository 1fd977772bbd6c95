package cilium

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/live"
)

// multusLabels are those of upstream's DaemonSet.
var multusLabels = client.MatchingLabels{"app": "multus"}

// interval is how often a restart is looked at.
const interval = time.Second

func (r *repair) restartAgents(ctx context.Context) error {
	if err := r.restart(ctx, StepAgents, r.daemonSet); err != nil {
		return err
	}
	// Until the last of them had gone an agent could take Multus' file away.
	newest, err := r.pods(ctx, r.daemonSet)
	if len(newest) > 0 {
		r.before = slices.MaxFunc(newest, time.Time.Compare)
	}
	return err
}

func (r *repair) restartMultus(ctx context.Context) error {
	daemonSets, err := r.multus(ctx)
	if err != nil {
		return err
	}
	if len(daemonSets) == 0 {
		r.report(Step{Type: StepMultus, State: StateKept, Message: "no DaemonSet has the label app=multus; nothing to restart"})
	}
	for _, ds := range daemonSets {
		if err := r.restart(ctx, StepMultus, ds); err != nil {
			return err
		}
	}
	return nil
}

// multus returns the DaemonSets to restart, by namespace and name.
func (r *repair) multus(ctx context.Context) ([]*appsv1.DaemonSet, error) {
	var out []*appsv1.DaemonSet
	for _, key := range r.options.Multus {
		ds, err := r.get(ctx, key)
		if err != nil {
			return nil, err
		}
		out = append(out, ds)
	}
	if len(out) > 0 {
		return out, nil
	}
	err := live.EachPage(ctx, r.client, live.List("apps/v1", "DaemonSet"), func(object *unstructured.Unstructured) error {
		ds, err := convert[appsv1.DaemonSet](object)
		if err == nil && !slices.ContainsFunc(out, func(known *appsv1.DaemonSet) bool { return known.UID == ds.UID }) {
			out = append(out, ds)
		}
		return err
	}, multusLabels)
	return out, err
}

// restart has the pods of a DaemonSet started again if one of them is too old,
// and waits until all are new and ready.
func (r *repair) restart(ctx context.Context, what StepType, ds *appsv1.DaemonSet) error {
	created, err := r.pods(ctx, ds)
	if err != nil {
		return err
	}
	token := r.since.UTC().Format(time.RFC3339) + r.untracked
	step := Step{Type: what, State: StateKept, Object: nameOf(ds), Message: "all pods are newer than the change"}
	limit := r.since
	if r.before.After(limit) {
		limit = r.before
	}
	stale := r.untracked != "" || slices.ContainsFunc(created, func(t time.Time) bool { return !t.After(limit) })
	switch {
	case ds.Spec.Template.Annotations[RestartAnnotation] == token:
		step.Message = "restarted before for this change"
	case stale && ds.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType:
		return fmt.Errorf("restart %s: its updateStrategy is OnDelete; delete its pods node by node, and call Repair again", nameOf(ds))
	case stale:
		object := &unstructured.Unstructured{}
		object.SetAPIVersion("apps/v1")
		object.SetKind("DaemonSet")
		object.SetNamespace(ds.Namespace)
		object.SetName(ds.Name)
		if err := r.patch(ctx, object, nested(token, "spec", "template", "metadata", "annotations", RestartAnnotation)); err != nil {
			return err
		}
		step.State, step.Message = StateChanged, "restarted"
	}
	if err := r.wait(ctx, what, client.ObjectKeyFromObject(ds)); err != nil {
		return err
	}
	r.report(step)
	return nil
}

// pods returns when each pod of a DaemonSet was created.
func (r *repair) pods(ctx context.Context, ds *appsv1.DaemonSet) ([]time.Time, error) {
	selector, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector)
	if err != nil {
		selector = labels.SelectorFromSet(ds.Spec.Template.Labels) // the API server let no such selector in
	}
	var out []time.Time
	err = live.EachPage(ctx, r.client, live.List("v1", "Pod"), func(object *unstructured.Unstructured) error {
		out = append(out, object.GetCreationTimestamp().Time)
		return nil
	}, client.InNamespace(ds.Namespace), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return nil, fmt.Errorf("pods of %s: %w", nameOf(ds), err)
	}
	return out, nil
}

// wait returns when all pods of a DaemonSet are new and ready.
func (r *repair) wait(ctx context.Context, what StepType, key client.ObjectKey) error {
	said := ""
	for {
		ds, err := r.get(ctx, key)
		if err != nil {
			return err
		}
		s := ds.Status
		current := s.ObservedGeneration >= ds.Generation
		if current && s.UpdatedNumberScheduled >= s.DesiredNumberScheduled && s.NumberReady >= s.DesiredNumberScheduled {
			return nil
		}
		progress := "the new template has not been seen yet"
		if current {
			progress = fmt.Sprintf("%d of %d pods are new, %d are ready", s.UpdatedNumberScheduled, s.DesiredNumberScheduled, s.NumberReady)
		}
		if progress != said {
			r.report(Step{Type: what, State: StateWaiting, Object: nameOf(ds), Message: progress})
			said = progress
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("wait for %s, %s: %w", nameOf(ds), progress, ctx.Err())
		case <-timer.C:
		}
	}
}

func (r *repair) get(ctx context.Context, key client.ObjectKey) (*appsv1.DaemonSet, error) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("apps/v1")
	object.SetKind("DaemonSet")
	if err := r.client.Get(ctx, key, object); err != nil {
		return nil, fmt.Errorf("get DaemonSet %s: %w", key, err)
	}
	return convert[appsv1.DaemonSet](object)
}

func nameOf(ds *appsv1.DaemonSet) string { return "DaemonSet " + ds.Namespace + "/" + ds.Name }
