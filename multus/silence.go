package multus

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/live"
)

// What no pod of a rollout tells: why it does not exist, or that nobody on its
// node can tell.

// lookForPods reads from events why wanted pods do not exist, if so. Not being
// allowed to read them is no error.
func (p *progress) lookForPods(ctx context.Context, reader client.Reader, namespace string) error {
	if !p.waiting() {
		p.noPods = nil
		return nil
	}
	var events []corev1.Event
	err := live.EachPage(ctx, reader, live.List("v1", "Event"), func(object *unstructured.Unstructured) error {
		event, err := convert[corev1.Event](object)
		if err == nil {
			events = append(events, *event)
		}
		return err
	}, client.InNamespace(namespace), client.MatchingFields{"involvedObject.kind": "DaemonSet", "reason": "FailedCreate"})
	if err != nil && !apierrors.IsForbidden(err) {
		return err
	}
	p.noPods = nil
	if problem, found := explainNoPods(events, p.daemonSets); found {
		p.noPods = &problem
	}
	return nil
}

// lookForNodes finds out which of the nodes are down whose pods do not say why
// they are not ready. It asks for a few at most, by name: in a rollout there
// always is one that is merely on its way. Not being allowed to is no error.
func (p *progress) lookForNodes(ctx context.Context, reader client.Reader) error {
	const most = 5
	p.down = map[string]bool{}
	for _, name := range p.silent(most) {
		err := live.EachPage(ctx, reader, live.List("v1", "Node"), func(object *unstructured.Unstructured) error {
			if isDown(object) {
				p.down[name] = true
			}
			return nil
		}, client.MatchingFields{"metadata.name": name})
		if apierrors.IsForbidden(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// silent names up to most nodes whose pods are not ready and do not say why,
// sorted.
func (p *progress) silent(most int) []string {
	var out []string
	for node := range p.known() {
		if node.Node != "" && !node.Ready && node.Problem == nil {
			out = append(out, node.Node)
		}
	}
	slices.Sort(out)
	return out[:min(most, len(out))]
}
