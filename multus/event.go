package multus

import (
	"fmt"

	"github.com/multihome/multihome"
)

// EventType says what an [Event] reports.
type EventType string

const (
	// EventDetected means: the platform is known; Message describes it.
	EventDetected EventType = "detected"
	// EventFinding means: something to know about this cluster; see Finding.
	EventFinding EventType = "finding"
	// EventAdopted means: an object was taken over from other field managers.
	EventAdopted EventType = "adopted"
	// EventApplied means: an object is as wanted; see Object and Action.
	EventApplied EventType = "applied"
	// EventWaiting means: the rollout is not complete; Message says why, if the
	// API server cannot be reached for example.
	EventWaiting EventType = "waiting"
	// EventNodeReady means: Multus runs on Node in the wanted version.
	EventNodeReady EventType = "node-ready"
	// EventNodeStuck means: Multus cannot run on Node now; see Finding. It may heal.
	// Without a Node, pods cannot be made at all.
	EventNodeStuck EventType = "node-stuck"
	// EventRemoved means: an object was deleted.
	EventRemoved EventType = "removed"
	// EventNodeCleaned means: nothing of Multus is left on Node.
	EventNodeCleaned EventType = "node-cleaned"
	// EventDone means: every node is ready, or Multus is removed.
	EventDone EventType = "done"
)

// Event is one step of a running Install or Uninstall. Events come in order,
// from the goroutine that called it.
type Event struct {
	Type EventType `json:"type"`
	// Object is set for adopted, applied and removed, and for the pods of an
	// Audit.
	Object string `json:"object,omitempty"`
	Action Action `json:"action,omitempty"`
	// Node is set for node-ready, node-cleaned and node-stuck, but for one
	// without pods.
	Node string `json:"node,omitempty"`
	// Done of Total nodes run the wanted Multus, or are clean of it. Both are
	// set in every event since the rollout began, so that a progress bar needs nothing else.
	Done  int `json:"done,omitempty"`
	Total int `json:"total,omitempty"`
	// Message is for humans.
	Message string `json:"message,omitempty"`
	// Finding is set for finding and node-stuck.
	Finding *multihome.Finding `json:"finding,omitempty"`
}

// String returns the event on one line.
func (e Event) String() string {
	switch e.Type {
	case EventFinding:
		return fmt.Sprint(e.Finding)
	case EventAdopted:
		return fmt.Sprintf("%s adopted: %s", e.Object, e.Message)
	case EventApplied:
		return fmt.Sprintf("%s %s", e.Object, e.Action)
	case EventRemoved:
		return e.Object + " removed"
	case EventNodeCleaned:
		return fmt.Sprintf("node %s clean (%d of %d)", e.Node, e.Done, e.Total)
	case EventNodeReady:
		return fmt.Sprintf("node %s ready (%d of %d)", e.Node, e.Done, e.Total)
	case EventNodeStuck:
		if e.Node == "" {
			return fmt.Sprintf("no pods (%d of %d): %s", e.Done, e.Total, e.Finding)
		}
		return fmt.Sprintf("node %s stuck (%d of %d): %s", e.Node, e.Done, e.Total, e.Finding)
	case EventDone:
		if e.Message != "" {
			return "done: " + e.Message
		}
		return fmt.Sprintf("done: %d of %d nodes ready", e.Done, e.Total)
	default:
		return fmt.Sprintf("%s: %s", e.Type, e.Message)
	}
}
