package multus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/apply"
	"github.com/multihome/multihome/internal/live"
)

// UninstallOptions change one call of [Installer.Uninstall]. Zero is the
// careful way: no pod loses a network, nothing of others goes, CRD and NADs
// stay.
type UninstallOptions struct {
	// Ignore holds codes of findings of severity error that are not to stop
	// the uninstall. "multus/networks-in-use": pods that run keep their
	// secondary interfaces until they end, and the addresses of these are
	// never freed. "multus/installed-by-other": what others installed goes too.
	Ignore []string
	// RemoveCRD deletes the CRD of NADs as well. It is refused while there is
	// a NAD, unless RemoveNADs.
	RemoveCRD bool
	// RemoveNADs lets every NAD of the cluster go with the CRD, whoever made
	// it. It says nothing without RemoveCRD.
	RemoveNADs bool
	// Image runs on each node to clean it. It needs a POSIX shell and grep,
	// mv, rm, rmdir, sha256sum and sleep, as the official images have them.
	// Empty: the image that Multus runs.
	Image string
	// Progress is called for every event, in order, from this goroutine. The
	// uninstall waits for it. Nil: no events.
	Progress func(Event)
}

// ErrNodesDown says that only nodes which are down are not cleaned. The cleaner
// waits for them; another Uninstall finishes them once they are back or are
// deleted from the cluster.
var ErrNodesDown = errors.New("nodes are down")

// UninstallError says that Multus no longer runs and some node is not clean
// yet. On such a node new pods may fail to start.
type UninstallError struct {
	// Nodes that are not clean, by name.
	Nodes []NodeStatus
	// Err is why waiting ended: ErrNodesDown, ctx's error, or one that waiting
	// cannot cure.
	Err error
}

// Error names the nodes, at most five.
func (e *UninstallError) Error() string {
	const most = 5
	var nodes []string
	for _, n := range e.Nodes[:min(most, len(e.Nodes))] {
		if n.Problem != nil {
			nodes = append(nodes, n.Problem.String())
		} else {
			nodes = append(nodes, n.Node)
		}
	}
	if len(e.Nodes) > most {
		nodes = append(nodes, fmt.Sprintf("and %d more", len(e.Nodes)-most))
	}
	if len(nodes) == 0 {
		nodes = append(nodes, "no node is known to be clean")
	} else {
		nodes[0] = "not clean: " + nodes[0]
	}
	return fmt.Sprintf("uninstall: %s: %v; uninstall again", strings.Join(nodes, ", "), e.Err)
}

// Unwrap returns Err: errors.Is(err, ErrNodesDown) works.
func (e *UninstallError) Unwrap() error { return e.Err }

// Uninstall takes Multus off the cluster and leaves every node as it was before
// Multus came: new pods start by the primary CNI alone. It returns when ctx
// ends; without a deadline it waits as long as a node that is up is not clean.
//
// It first looks for what stands against it. Then Multus' DaemonSets go, and
// once their pods are gone a DaemonSet of ours cleans every node: it deletes
// Multus' configuration, binaries, socket and cache, the reference plugins that
// came with it and that nobody uses, and gives a primary CNI's configuration
// its name back that thin Multus or Cilium had changed, if there is no other.
// Directories that the Config chose itself (Daemon.CNIDir and the like) are not
// looked at. Then go the cleaner, the ConfigMap, RBAC, the ServiceAccount and,
// if asked for, the CRD. A namespace stays.
//
// Cut off anywhere, another Uninstall finishes the job. On a cluster without
// Multus it still cleans the nodes, because it cannot see them from outside.
//
// Errors to test for: a *[PreflightError] says that nothing was changed; an
// *[UninstallError] names nodes that are not clean yet, ErrNodesDown says that
// all of these are down. [UninstallerRBAC] tells what the client must be allowed.
func (i *Installer) Uninstall(ctx context.Context, options UninstallOptions) error {
	u := &uninstall{remover: remover{installer: i, emit: options.Progress}, options: options}
	if u.emit == nil {
		u.emit = func(Event) {}
	}
	steps := []func(context.Context) error{
		u.look, u.removeDaemonSets, u.clean, u.removeCleaners, u.removeObjects, u.removeCRD,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	u.emit(Event{Type: EventDone, Message: "Multus is removed"})
	return nil
}

// uninstall is one call of Uninstall under way.
type uninstall struct {
	remover
	options UninstallOptions

	daemonSets []*unstructured.Unstructured // of Multus, live
	cleaners   []apply.State                // as they are to be, beside those of a call before
	objects    []*unstructured.Unstructured // all else that is live, in apply order
	crd        *unstructured.Unstructured   // live, nil if there is none or it stays

	downSince time.Time // when only nodes that are down were first left to wait for; zero: there are others
}

// removeDaemonSets deletes Multus' DaemonSets and waits until their pods are
// gone: a daemon that ends in peace removes its configuration itself.
func (u *uninstall) removeDaemonSets(ctx context.Context) error {
	for _, ds := range u.daemonSets {
		if err := u.remove(ctx, ds); err != nil {
			return err
		}
	}
	return u.waitGone(ctx, goneByPrefix(multusLabels, daemonSetName))
}

// clean runs the cleaner on every node and waits until those that are up are
// clean.
func (u *uninstall) clean(ctx context.Context) error {
	var live []*unstructured.Unstructured
	for _, state := range u.cleaners {
		if !state.Settled(FieldManager) {
			change, err := u.installer.applier().Apply(ctx, state, true)
			if err != nil {
				return err
			}
			u.emit(Event{Type: EventApplied, Object: change.Object, Action: Action(change.Action)})
			state.Live = change.After
		}
		live = append(live, state.Live)
	}
	rollout, err := (&follower{client: u.installer.client, labels: cleanerLabels, emit: u.emitCleaned, enough: u.onlyDown}).follow(ctx, live)
	if err == nil {
		return u.readWarnings(ctx)
	}
	unclean := &UninstallError{Err: err}
	if stuck, ok := errors.AsType[*RolloutError](err); ok {
		unclean.Err = stuck.Err
	}
	for _, node := range rollout.Nodes {
		if !node.Ready || !node.Updated {
			unclean.Nodes = append(unclean.Nodes, node)
		}
	}
	return unclean
}

// emitCleaned tells of the cleaner's rollout in the words of an uninstall.
func (u *uninstall) emitCleaned(e Event) {
	switch e.Type {
	case EventNodeReady:
		e.Type = EventNodeCleaned
	case EventDone:
		return
	default:
	}
	u.emit(e)
}

// downPatience is how long nodes must be down without a break before they are
// not waited for. When an API server comes back, all nodes may count as down
// until their kubelets have noticed, which took up to 45 s on the nodes of
// internal/e2e/lab.
const downPatience = time.Minute

// onlyDown ends the wait for nodes that are not clean, if all of them are down.
func (u *uninstall) onlyDown(ctx context.Context, rollout Rollout) error {
	downSince := u.downSince
	u.downSince = time.Time{}
	if len(rollout.Nodes) < rollout.Desired {
		return nil
	}
	down, err := u.installer.downNodes(ctx)
	if err != nil {
		return err
	}
	for _, node := range rollout.Nodes {
		if !(node.Ready && node.Updated) && !down[node.Node] {
			return nil
		}
	}
	if u.downSince = downSince; downSince.IsZero() {
		u.downSince = time.Now()
	}
	if time.Since(u.downSince) < downPatience {
		return nil
	}
	return ErrNodesDown
}

// readWarnings tells what the cleaner has to say of nodes that it has cleaned.
func (u *uninstall) readWarnings(ctx context.Context) error {
	return live.EachPage(ctx, u.installer.client, live.List("v1", "Pod"), func(object *unstructured.Unstructured) error {
		statuses, _, _ := unstructured.NestedSlice(object.Object, "status", "initContainerStatuses")
		for _, item := range statuses {
			status, _ := item.(map[string]any)
			message, _, _ := unstructured.NestedString(status, "state", "terminated", "message")
			node, _, _ := unstructured.NestedString(object.Object, "spec", "nodeName")
			for line := range strings.Lines(message) {
				u.emit(Event{Type: EventFinding, Finding: &multihome.Finding{
					Code: "multus/cleaned", Severity: multihome.SeverityWarning, Object: "Node " + node, Message: strings.TrimSpace(line),
					Remedy: "see that the primary CNI is as you want it there",
				}})
			}
		}
		return nil
	}, client.InNamespace(u.namespace), cleanerLabels)
}

// removeCleaners deletes the cleaner everywhere.
func (u *uninstall) removeCleaners(ctx context.Context) error {
	for _, cleaner := range u.cleaners {
		if err := u.remove(ctx, cleaner.Desired); err != nil {
			return err
		}
	}
	return u.waitGone(ctx, goneByPrefix(cleanerLabels, cleanerName))
}

// removeObjects deletes the rest, in the order opposite to that of applying.
func (u *uninstall) removeObjects(ctx context.Context) error {
	for _, object := range slices.Backward(u.objects) {
		if err := u.remove(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// removeCRD deletes the CRD, and with it every NAD. It looks for these again:
// somebody may have made one since.
func (u *uninstall) removeCRD(ctx context.Context) error {
	if u.crd == nil {
		return nil
	}
	if !u.options.RemoveNADs {
		names, err := u.installer.nads(ctx)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return fmt.Errorf("%s stays: there are %d NetworkAttachmentDefinitions again, %s among them; remove them, or set RemoveNADs, and uninstall again",
				objectName(u.crd), len(names), names[0])
		}
	}
	if err := u.remove(ctx, u.crd); err != nil {
		return err
	}
	for { // the API server deletes the objects first; an install meanwhile would be refused
		states, err := u.installer.applier().Read(ctx, u.crd)
		if err != nil || states[0].Live == nil || states[0].Live.GetUID() != u.crd.GetUID() {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be gone: %w", objectName(u.crd), ctx.Err())
		case <-time.After(crdPoll):
		}
	}
}
