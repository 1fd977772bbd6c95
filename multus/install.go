package multus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/apply"
)

// InstallOptions change one call of [Installer.Install]. Zero is the careful
// way: nothing of others is touched, and the rollout is waited for.
type InstallOptions struct {
	// Conflicts says what to do about fields that others own. Zero: fail.
	Conflicts ConflictPolicy
	// Ignore holds codes of findings of severity error that are not to stop
	// the install: "cilium/exclusive".
	Ignore []string
	// NoWait returns once everything is applied. Status tells of the rollout.
	// The pods of a DaemonSet that is removed are waited for all the same.
	NoWait bool
	// Progress is called for every event, in order, from this goroutine. The
	// install waits for it. Nil: no events.
	Progress func(Event)
}

// Result is what an Install did.
type Result struct {
	Version  string   `json:"version"`
	Platform Platform `json:"platform,omitzero"`
	// Changes holds every object in apply order, also those that stayed. An
	// install that was cut off holds those it came to.
	Changes []Change `json:"changes"`
	// Findings of the preflight, those that were ignored too. Empty when
	// nothing had to be changed: then nothing is checked.
	Findings []multihome.Finding `json:"findings,omitempty"`
	// Rollout as it was when Install returned. Zero with NoWait.
	Rollout Rollout `json:"rollout,omitzero"`
}

// Changed reports whether a field of any object changed. Who owns a field is
// not part of it.
func (r *Result) Changed() bool {
	return slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Action != ActionNone })
}

// String returns one line per object: "DaemonSet kube-system/kube-multus-ds created".
func (r *Result) String() string {
	var b strings.Builder
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "%s %s\n", c.Object, c.Action)
	}
	return b.String()
}

// Install makes the cluster run the Multus of the Installer's Config, whatever
// version ran before, and waits until every node does. It returns when ctx
// ends; without a deadline it waits as long as a node is stuck.
//
// Nothing is written when the cluster is as wanted. Otherwise Install first
// looks for what stands against it, then asks the API server by dry run about
// every object that exists, and only then applies, the DaemonSet last. If it
// is cut off anywhere, another Install finishes the job; no node loses its
// primary CNI by it. The DaemonSet of an architecture that Config.ArchImages
// names no more is removed first, and its pods end before others take its nodes.
// The ConfigMap of thin Multus, which became thick by it, is removed last.
//
// The Result is not nil, and tells how far Install came, unless the cluster
// could not be read. Errors to test for: a *[PreflightError] says that nothing
// was changed; a *[ConflictError] that no object which it names was, and
// nothing else but what Result.Changes holds; a *[RolloutError] that everything
// is applied and some node is not ready.
func (i *Installer) Install(ctx context.Context, options InstallOptions) (*Result, error) {
	if err := options.Conflicts.validate(); err != nil {
		return nil, err
	}
	emit := options.Progress
	if emit == nil {
		emit = func(Event) {}
	}
	t, err := i.aim(ctx)
	if err != nil {
		return nil, err
	}
	emit(Event{Type: EventDetected, Message: t.config.Platform.String()})
	result := &Result{Version: t.bundle.Version, Platform: t.config.Platform}
	states, err := i.readForInstall(ctx, t, options)
	if err != nil {
		return result, err
	}
	if !t.settled(states) {
		if err := i.checkBefore(ctx, t, states, options, result, emit); err != nil {
			return result, err
		}
	}
	if states, err = i.adopt(ctx, states, options, emit); err != nil {
		return result, err
	}
	if err := i.retire(ctx, t, result, emit); err != nil {
		return result, err
	}
	live, err := i.write(ctx, states, options, result, emit)
	if err == nil {
		err = i.removeThinConfig(ctx, t, result, emit)
	}
	if err != nil || options.NoWait {
		return result, err
	}
	result.Rollout, err = i.follow(ctx, live, emit)
	return result, err
}

// readForInstall reads the live objects. On a cluster without any Multus, only
// the CRD is looked at: the rest cannot be there but as a leftover, and
// server-side apply itself refuses to touch what another manager set.
func (i *Installer) readForInstall(ctx context.Context, t *target, options InstallOptions) ([]apply.State, error) {
	if !t.survey.sawDaemonSets || len(t.survey.existing()) > 0 || options.Conflicts != ConflictFail {
		return i.read(ctx, t)
	}
	fresh := make([]apply.State, len(t.desired))
	for n, desired := range t.desired {
		fresh[n] = apply.State{Desired: desired}
		if desired.GetKind() != "CustomResourceDefinition" {
			continue
		}
		state, err := i.applier().Read(ctx, desired)
		if err != nil {
			return nil, err
		}
		if state[0].Live != nil {
			return i.read(ctx, t)
		}
	}
	return fresh, nil
}

// checkBefore does everything that can refuse before the first write.
func (i *Installer) checkBefore(ctx context.Context, t *target, states []apply.State, options InstallOptions, result *Result, emit func(Event)) error {
	cluster, err := i.ciliumFindings(ctx, t, (*survey).lookAtCiliumConfig)
	if err != nil {
		return err
	}
	images, err := i.imageFindings(ctx, t)
	if err != nil {
		return err
	}
	result.Findings = slices.Concat(t.bundle.Findings, preflight(t, states), cluster, images)
	for _, f := range result.Findings {
		emit(Event{Type: EventFinding, Finding: &f})
	}
	if stop := blocking(result.Findings, options.Ignore); len(stop) > 0 && !(options.Conflicts == ConflictAdopt && adoptionCures(stop)) {
		return &PreflightError{Findings: stop}
	}
	if options.Conflicts == ConflictForce {
		return nil
	}
	conflicts := &ConflictError{}
	for _, state := range states {
		if state.Live == nil || state.Settled(FieldManager) {
			continue
		}
		change, err := i.applier().DryRun(ctx, state)
		if err != nil {
			return err
		}
		if options.Conflicts == ConflictAdopt {
			change.Conflicts = slices.DeleteFunc(change.Conflicts, func(c apply.Conflict) bool { return isInstaller(c.Manager) })
		}
		if len(change.Conflicts) > 0 {
			conflicts.Changes = append(conflicts.Changes, toChange(change))
		}
	}
	if len(conflicts.Changes) > 0 {
		return conflicts
	}
	return nil
}

// adopt takes the objects over from whoever installed them.
func (i *Installer) adopt(ctx context.Context, states []apply.State, options InstallOptions, emit func(Event)) ([]apply.State, error) {
	if options.Conflicts != ConflictAdopt {
		return states, nil
	}
	out := slices.Clone(states)
	for n, state := range out {
		owners := installersOf(state)
		if len(owners) == 0 {
			continue
		}
		var err error
		if out[n], err = i.takeOver(ctx, state); err != nil {
			return nil, err
		}
		emit(Event{Type: EventAdopted, Object: objectName(state.Desired), Message: "from " + strings.Join(owners, ", ")})
	}
	return out, nil
}

// takeOver adopts one object. Controllers write to a DaemonSet all the time, so
// that it may have changed since it was read.
func (i *Installer) takeOver(ctx context.Context, state apply.State) (apply.State, error) {
	if len(state.Live.GetManagedFields()) == 0 { // the first apply brings them
		change, err := i.applier().Apply(ctx, state, true)
		if err != nil {
			return state, applyError(err)
		}
		state.Live = change.After
	}
	const attempts = 5
	for attempt := 1; ; attempt++ {
		adopted, err := i.applier().Adopt(ctx, state, isInstaller)
		if !apierrors.IsConflict(err) || attempt == attempts {
			return adopted, err
		}
		again := &target{desired: []*unstructured.Unstructured{state.Desired}}
		if again.survey, err = lookAtDaemonSets(ctx, i.client); err != nil {
			return state, err
		}
		states, err := i.read(ctx, again)
		if err != nil {
			return state, err
		}
		state = states[0]
	}
}

// write applies what is not settled, in order, and returns the DaemonSets as
// they then are. No DaemonSet is written before the CRD is established: the
// daemon would start without being able to read a single network.
func (i *Installer) write(ctx context.Context, states []apply.State, options InstallOptions, result *Result, emit func(Event)) ([]*unstructured.Unstructured, error) {
	var crd *unstructured.Unstructured
	var daemonSets []*unstructured.Unstructured
	for _, state := range states {
		kind := state.Desired.GetKind()
		if kind == "DaemonSet" && crd != nil {
			if err := i.waitEstablished(ctx, crd); err != nil {
				return nil, err
			}
			crd = nil
		}
		change := apply.Change{Object: objectName(state.Desired), Action: apply.ActionNone, After: state.Live}
		if !state.Settled(FieldManager) {
			var err error
			if change, err = i.applier().Apply(ctx, state, options.Conflicts == ConflictForce); err != nil {
				return nil, applyError(err)
			}
		}
		result.Changes = append(result.Changes, toChange(change))
		emit(Event{Type: EventApplied, Object: change.Object, Action: Action(change.Action)})
		switch kind {
		case "CustomResourceDefinition":
			crd = change.After
		case "DaemonSet":
			daemonSets = append(daemonSets, change.After)
		}
	}
	return daemonSets, nil
}

// crdPoll is how often an unestablished CRD is looked at. It takes the API
// server some 10 ms.
const crdPoll = 100 * time.Millisecond

// waitEstablished returns when the API server serves the CRD.
func (i *Installer) waitEstablished(ctx context.Context, crd *unstructured.Unstructured) error {
	for {
		done, err := established(crd)
		if done || err != nil {
			return err
		}
		states, err := i.applier().Read(ctx, crd)
		if err != nil {
			return err
		}
		if crd = states[0].Live; crd == nil {
			return fmt.Errorf("%s was deleted while it was being established; install again", objectName(states[0].Desired))
		}
		if done, err := established(crd); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be established: %w", objectName(crd), ctx.Err())
		case <-time.After(crdPoll):
		}
	}
}

// established reads a CRD's conditions. Names that another CRD has taken are
// an error: they never become ours by waiting.
func established(crd *unstructured.Unstructured) (bool, error) {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, item := range conditions {
		condition, _ := item.(map[string]any)
		switch {
		case condition["type"] == "Established" && condition["status"] == "True":
			return true, nil
		case condition["type"] == "NamesAccepted" && condition["status"] == "False":
			return false, fmt.Errorf("%s is not established: %v; remove the other CRD or rename it", objectName(crd), condition["message"])
		}
	}
	return false, nil
}
