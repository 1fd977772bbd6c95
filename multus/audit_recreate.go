package multus

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mostFailures is how many evictions may fail before the others are not tried.
const mostFailures = 5

// recreate evicts the lost pods for which it is of use.
func (a *auditor) recreate(ctx context.Context, lost []*suspect) error {
	var failures []error
	for _, s := range lost {
		if s.Kept = a.keep(s); s.Kept == "" {
			err := a.evict(ctx, s)
			if err != nil {
				s.Kept = err.Error()
				failures = append(failures, err)
			}
			if ctx.Err() != nil || apierrors.IsForbidden(err) || len(failures) == mostFailures {
				return errors.Join(failures...)
			}
		}
		event := Event{Type: EventEvicted, Object: s.object(), Message: s.object()}
		if s.Kept != "" {
			event.Type, event.Message = EventKept, s.object()+": "+s.Kept
		}
		a.emit(event)
	}
	return errors.Join(failures...)
}

// keep says why a pod would not be better off if it started again, "" if it
// would.
func (a *auditor) keep(s *suspect) string {
	daemon := a.multus.nodes[s.Node]
	broken := a.brokenNADs(s)
	switch {
	case s.Controller == "":
		return "no controller would create it again"
	case s.Waiting:
		return "the kubelet tries again by itself"
	case s.Cause.Code == "network/annotation-invalid":
		return "a new pod could not start with this annotation"
	case !a.sawNADs:
		return "whether its networks exist is not known"
	case broken != nil:
		return "a new pod could not start: " + broken.Message
	case !daemon.ready:
		return "Multus is not ready on node " + s.Node
	case a.survey.ciliumRenames():
		return "a new pod would lack its networks too: Cilium renames Multus' configuration"
	case s.Cause.Code == "multus/bypassed":
		return "a new pod may lack its networks too: restart Multus on node " + s.Node + " first"
	}
	return ""
}

// evict asks the API server to evict a pod, and that very one. What it does
// not allow now is no error.
func (a *auditor) evict(ctx context.Context, s *suspect) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}}
	eviction := &policyv1.Eviction{ObjectMeta: pod.ObjectMeta}
	if s.uid != "" {
		eviction.DeleteOptions = &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(s.uid))}
	}
	switch err := a.client.SubResource("eviction").Create(ctx, pod, eviction); {
	case err == nil:
		s.Evicted = true
	case apierrors.IsNotFound(err):
		s.Kept = "it is gone already"
	case apierrors.IsConflict(err):
		s.Kept = "it was replaced or changed meanwhile; audit again"
	case apierrors.IsTooManyRequests(err):
		s.Kept = "the API server does not allow it now: " + err.Error()
	default:
		return fmt.Errorf("evict %s: %w", s.object(), err)
	}
	return nil
}
