package cilium_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/multus/multustest"
)

// brokenNode is a broken cluster with a CiliumNodeConfig too.
func brokenNode(tb testing.TB) *multustest.Cluster {
	tb.Helper()
	return broken(tb, nodeConfig("a", onNode("a"), map[string]any{"cni-exclusive": "true"}))
}

// trace is what a Repair asks when nothing goes wrong.
func trace(t *testing.T) []multustest.Request {
	t.Helper()
	cluster := brokenNode(t)
	repair(t, cluster, cilium.RepairOptions{})
	return cluster.Requests()
}

// TestRepairFaults breaks every request of a repair in every way. The error
// names the object and leads to the cause, and another call finishes the job.
func TestRepairFaults(t *testing.T) {
	faults := map[string]func() error{
		"timeout": multustest.Timeout, "409": multustest.Conflict, "422": multustest.Invalid, "429": multustest.TooManyRequests,
		"500": multustest.ServerError, "connection reset": multustest.ConnectionReset, "lost answer": multustest.LostAnswer,
		"cancelled": func() error { return context.Canceled },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := trace(t)
				if len(requests) < 12 {
					t.Fatalf("only %d requests: %v", len(requests), requests)
				}
				for index, request := range requests {
					what := fmt.Sprintf("%s at %d, %s", name, index, request)
					cluster, cause := brokenNode(t), fault()
					ctx, cancel := context.WithCancel(t.Context())
					cluster.Fail(func(n int, _ multustest.Request) error {
						switch {
						case n != index:
							return nil
						case errors.Is(cause, context.Canceled):
							cancel()
							return nil
						}
						return cause
					})
					_, err := cilium.Repair(ctx, cluster.Client(), cilium.RepairOptions{})
					cancel()
					if !errors.Is(err, cause) {
						t.Errorf("%s: error %v does not lead to the cause", what, err)
					} else if object := cmpName(request); !strings.Contains(err.Error(), object) {
						t.Errorf("%s: %v does not name %s", what, err, object)
					}
					cluster.Fail(nil)
					repair(t, cluster, cilium.RepairOptions{})
					mustBeMended(t, cluster, what)
				}
			})
		})
	}
}

// cmpName is how an error names what a request was about.
func cmpName(r multustest.Request) string {
	if r.Name == "" {
		return r.Resource
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// TestRepairCut ends a repair right behind each of its writes.
func TestRepairCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cuts := 0
		for index, request := range trace(t) {
			if !request.IsWrite() {
				continue
			}
			cuts++
			cluster := brokenNode(t)
			ctx, cancel := context.WithCancel(t.Context())
			cluster.Fail(func(n int, _ multustest.Request) error {
				if n > index {
					cancel()
				}
				return nil
			})
			if _, err := cilium.Repair(ctx, cluster.Client(), cilium.RepairOptions{}); !errors.Is(err, context.Canceled) {
				t.Errorf("cut after %s: %v, want that it was cancelled", request, err)
			}
			cancel()
			cluster.Fail(nil)
			repair(t, cluster, cilium.RepairOptions{})
			mustBeMended(t, cluster, "cut after "+request.String())
		}
		if cuts != 4 {
			t.Errorf("%d writes, want 4: two values and two restarts", cuts)
		}
	})
}

// TestRepairWithoutPermission: each permission of RepairRBAC is needed, and the
// error says which is missing.
func TestRepairWithoutPermission(t *testing.T) {
	for _, p := range permissions(cilium.RepairRBAC(cilium.Config{}, cilium.RepairOptions{})) {
		synctest.Test(t, func(t *testing.T) {
			cluster := brokenNode(t)
			cluster.Forbid(p.verb, p.resource)
			_, err := cilium.Repair(t.Context(), cluster.Client(), cilium.RepairOptions{})
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), p.resource) {
				t.Errorf("without %s: %v", p, err)
			}
			cluster.Allow(p.verb, p.resource)
			repair(t, cluster, cilium.RepairOptions{})
			mustBeMended(t, cluster, p.String())
		})
	}
}
