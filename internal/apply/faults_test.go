package apply_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/multihome/multihome/internal/apply"
)

// TestFaults lets every request of every method fail in every way.
func TestFaults(t *testing.T) {
	resource := schema.GroupResource{Resource: "configmaps"}
	faults := []struct {
		name string
		err  error
	}{
		{"timeout", context.DeadlineExceeded},
		{"cancelled", context.Canceled},
		{"connection reset", syscall.ECONNRESET},
		{"409", apierrors.NewConflict(resource, "a", errors.New("the object has been modified"))},
		{"422", apierrors.NewInvalid(schema.GroupKind{Kind: "ConfigMap"}, "a", nil)},
		{"429", apierrors.NewTooManyRequests("busy", 1)},
		{"500", apierrors.NewInternalError(errors.New("etcd is gone"))},
		{"403", apierrors.NewForbidden(resource, "a", errors.New("no"))},
	}
	calls := []struct {
		name     string
		requests []string
		call     func(context.Context, apply.Applier, apply.State) error
	}{
		{"get", []string{"get"}, func(ctx context.Context, a apply.Applier, s apply.State) error {
			_, err := a.Read(ctx, s.Desired)
			return err
		}},
		{"dry run apply", []string{"dry run apply", "dry run force apply"}, func(ctx context.Context, a apply.Applier, s apply.State) error {
			_, err := a.DryRun(ctx, s)
			return err
		}},
		{"apply", []string{"force apply"}, func(ctx context.Context, a apply.Applier, s apply.State) error {
			_, err := a.Apply(ctx, s, true)
			return err
		}},
		{"adopt", []string{"patch"}, func(ctx context.Context, a apply.Applier, s apply.State) error {
			_, err := a.Adopt(ctx, s, func(string) bool { return true })
			return err
		}},
	}
	for _, call := range calls {
		for _, request := range call.requests {
			for _, fault := range faults {
				t.Run(request+"/"+fault.name, func(t *testing.T) {
					c := newCluster(t)
					c.applyAs(t, "talos", object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system}, data: {config: theirs}}"))
					s := c.read(t, object(t, configMap))
					cause := fmt.Errorf("Patch \"https://10.0.0.1\": %w", fault.err) // as net/url wraps it
					c.fail = func(r string) error {
						if r == request {
							return cause
						}
						return nil
					}
					err := call.call(t.Context(), c.applier(), s)
					if !errors.Is(err, cause) || !errors.Is(err, fault.err) {
						t.Fatalf("error %v does not wrap %v", err, fault.err)
					}
					if _, ok := errors.AsType[*apply.ConflictError](err); ok {
						t.Errorf("%v is a ConflictError", err)
					}
					if want := call.name + " ConfigMap kube-system/a: "; !strings.HasPrefix(err.Error(), want) {
						t.Errorf("error %q does not start with %q", err, want)
					}
					c.fail = nil
					if diff := cmp.Diff(s.Live, c.read(t, s.Desired).Live); diff != "" {
						t.Errorf("object changed (-before +after):\n%s", diff)
					}
				})
			}
		}
	}
}
