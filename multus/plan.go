package multus

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/apply"
)

// Plan is what an Install would do to a cluster as it is now.
type Plan struct {
	// Version is the release, Platform what it is rendered for.
	Version  string   `json:"version"`
	Platform Platform `json:"platform,omitzero"`
	// Fixes are applied to upstream's manifest.
	Fixes []Fix `json:"fixes,omitempty"`
	// Findings is all that is to be known before installing. Install refuses
	// while one of severity error stands.
	Findings []multihome.Finding `json:"findings,omitempty"`
	// Changes holds every object, in apply order, also those that stay.
	Changes []Change `json:"changes"`
}

// Changed reports whether an Install would change a field of any object. Who
// owns a field is not part of it.
func (p *Plan) Changed() bool {
	for _, c := range p.Changes {
		if c.Action != ActionNone {
			return true
		}
	}
	return false
}

// String returns the plan for a terminal: findings first, then the changes.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Multus %s for %s\n", p.Version, p.Platform)
	for _, f := range p.Findings {
		fmt.Fprintln(&b, f)
	}
	for _, c := range p.Changes {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

// Plan tells what Install would change, field by field, and what stands
// against it. It asks the API server by dry run, so that admission and
// defaults count, and writes nothing. The requests it sends grow with the
// number of objects, not of nodes (500 nodes a page).
//
// A caller who may read but not write gets the changes as well as they can be
// told from the live objects, none if one of these may not be read, and a
// finding for every permission that an Install would lack.
func (i *Installer) Plan(ctx context.Context) (*Plan, error) {
	t, err := i.aim(ctx)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Version: t.bundle.Version, Platform: t.config.Platform, Fixes: t.bundle.Fixes}
	missing, err := i.missing(ctx, installerRoles(t.config, namesOf(t.retired), namesOf(t.thinConfig)), "bind the roles that InstallerRBAC returns")
	if err != nil {
		return nil, err
	}
	states, err := i.read(ctx, t)
	if err != nil && !(apierrors.IsForbidden(err) && len(missing) > 0) {
		return nil, err
	}
	cluster, err := i.clusterFindings(ctx, t)
	if err != nil {
		return nil, err
	}
	images, err := i.imageFindings(ctx, t)
	if err != nil {
		return nil, err
	}
	plan.Findings = slices.Concat(t.bundle.Findings, preflight(t, states), cluster, images, missing)
	plan.Changes = t.removals()
	for _, state := range states {
		if state.Settled(FieldManager) {
			plan.Changes = append(plan.Changes, Change{Object: objectName(state.Desired), Action: ActionNone})
			continue
		}
		if len(missing) > 0 {
			plan.Changes = append(plan.Changes, localChange(state))
			continue
		}
		change, err := i.applier().DryRun(ctx, state)
		if apierrors.IsInvalid(err) && plan.refuses(state) {
			plan.Changes = append(plan.Changes, localChange(state))
			continue
		}
		if err != nil {
			return nil, err
		}
		plan.Changes = append(plan.Changes, toChange(change))
	}
	return plan, nil
}

// refuses reports whether a finding says already why the object cannot be as
// wanted.
func (p *Plan) refuses(state apply.State) bool {
	return slices.ContainsFunc(blocking(p.Findings, nil), func(f multihome.Finding) bool { return f.Object == objectName(state.Desired) })
}
