package multus

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// retiredDaemonSets are those that an install of ours made for an architecture
// which the Config names no more. They are told by name, namespace and field
// manager; anything else is another Multus.
func (t *target) retiredDaemonSets() []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, found := range t.survey.existing() {
		arch, ok := strings.CutPrefix(found.Name, archDaemonSetName(""))
		_, wanted := t.config.ArchImages[arch]
		if !ok || wanted || !slices.Contains(architectures, arch) || found.Namespace != t.config.namespace() {
			continue
		}
		if live := t.survey.daemonSet(found.Namespace, found.Name); slices.Contains(ownersOf(live), FieldManager) {
			out = append(out, live)
		}
	}
	return out
}

// removals are the changes that retire makes.
func (t *target) removals() []Change {
	var out []Change
	for _, live := range t.retired {
		out = append(out, Change{Object: objectName(live), Action: ActionRemove})
	}
	return out
}

// retire removes the DaemonSets of architectures that have none of their own
// any more, and waits until their pods are gone: the first DaemonSet takes
// their nodes next, and a daemon that ends after another has begun would take
// that one's configuration away.
func (i *Installer) retire(ctx context.Context, t *target, result *Result, emit func(Event)) error {
	if len(t.retired) == 0 {
		return nil
	}
	u := &uninstall{installer: i, namespace: t.config.namespace(), emit: emit}
	for n, live := range t.retired {
		if err := u.remove(ctx, live); err != nil {
			return applyError(err)
		}
		result.Changes = append(result.Changes, t.removals()[n])
	}
	names := namesOf(t.retired)
	return u.waitGone(ctx, gone{
		labels: multusLabels, what: strings.Join(names, ", "), names: func(name string) bool { return slices.Contains(names, name) },
	})
}

func namesOf(objects []*unstructured.Unstructured) []string {
	var out []string
	for _, object := range objects {
		out = append(out, object.GetName())
	}
	return out
}
