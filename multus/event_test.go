package multus_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/multus"
)

// TestEventString: the lines that a progress shows, whatever is in the event.
func TestEventString(t *testing.T) {
	finding := &multihome.Finding{Code: "multus/oom", Severity: multihome.SeverityError, Object: "Node a", Message: "killed"}
	tests := []struct {
		event multus.Event
		want  string
	}{
		{multus.Event{Type: multus.EventFinding, Finding: finding}, "error multus/oom: Node a: killed"},
		{multus.Event{Type: multus.EventFinding}, "<nil>"},
		{multus.Event{Type: multus.EventNodeStuck, Node: "a", Done: 1, Total: 3, Finding: finding}, "node a stuck (1 of 3): error multus/oom: Node a: killed"},
		{multus.Event{Type: multus.EventNodeStuck, Total: 3, Finding: finding}, "no pods (0 of 3): error multus/oom: Node a: killed"},
		{multus.Event{Type: multus.EventDetected, Message: "any cluster"}, "detected: any cluster"},
	}
	for _, tt := range tests {
		if got := tt.event.String(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.event, got, tt.want)
		}
	}
	stuck := multus.Rollout{Desired: 9}
	for n := range 7 {
		stuck.Nodes = append(stuck.Nodes, multus.NodeStatus{Node: string(rune('a' + n)), Problem: finding})
	}
	if got := (&multus.RolloutError{Rollout: stuck, Last: errors.New("reset"), Err: context.Canceled}).Error(); strings.Count(got, "killed") != 5 ||
		!strings.HasSuffix(got, "; and 2 more; last answer: reset: context canceled") {
		t.Errorf("error %q, want five nodes and the number of the others", got)
	}
}
