package multus

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// mostFailures is how many evictions may fail before the others are not tried.
const mostFailures = 5

// recreate evicts the lost pods for which it is of use, and notes it in pods.
func (a *auditor) recreate(ctx context.Context, pods []LostPod, uids []types.UID) error {
	var failures []error
	for n := range pods {
		pod := &pods[n]
		if pod.Kept = a.keep(pod); pod.Kept == "" {
			err := a.evict(ctx, pod, uids[n])
			if err != nil {
				pod.Kept = err.Error()
				failures = append(failures, err)
			}
			if ctx.Err() != nil || apierrors.IsForbidden(err) || len(failures) == mostFailures {
				return errors.Join(failures...)
			}
		}
		event := Event{Type: EventEvicted, Object: pod.object(), Message: pod.object()}
		if pod.Kept != "" {
			event.Type, event.Message = EventKept, pod.object()+": "+pod.Kept
		}
		a.emit(event)
	}
	return errors.Join(failures...)
}

// keep says why a pod would not be better off if it started again, "" if it
// would.
func (a *auditor) keep(pod *LostPod) string {
	daemon := a.multus.nodes[pod.Node]
	broken := a.brokenNADs(pod.key(), pod.Missing)
	switch {
	case pod.Controller == "":
		return "no controller would create it again"
	case pod.Waiting:
		return "the kubelet tries again by itself"
	case pod.Cause.Code == "network/annotation-invalid":
		return "a new pod could not start with this annotation"
	case !a.sawNADs:
		return "whether its networks exist is not known"
	case broken != nil:
		return "a new pod could not start: " + broken.Message
	case !daemon.ready:
		return "Multus is not ready on node " + pod.Node
	case a.survey.ciliumRenames():
		return "a new pod would lack its networks too: Cilium renames Multus' configuration"
	case pod.Cause.Code == "multus/bypassed":
		return "a new pod may lack its networks too: restart Multus on node " + pod.Node + " first"
	}
	return ""
}

// evict asks the API server to evict a pod, and that very one. What it does
// not allow now is no error.
func (a *auditor) evict(ctx context.Context, lost *LostPod, uid types.UID) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: lost.Namespace, Name: lost.Name}}
	eviction := &policyv1.Eviction{ObjectMeta: pod.ObjectMeta}
	if uid != "" {
		eviction.DeleteOptions = &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(uid))}
	}
	switch err := a.client.SubResource("eviction").Create(ctx, pod, eviction); {
	case err == nil:
		lost.Evicted = true
	case apierrors.IsNotFound(err):
		lost.Kept = "it is gone already"
	case apierrors.IsConflict(err):
		lost.Kept = "it was replaced or changed meanwhile; audit again"
	case apierrors.IsTooManyRequests(err):
		lost.Kept = "the API server does not allow it now: " + err.Error()
	default:
		return fmt.Errorf("evict %s: %w", lost.object(), err)
	}
	return nil
}
