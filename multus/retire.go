package multus

import (
	"context"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
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

// thinConfigName is the ConfigMap of upstream's thin Multus, which thick Multus
// has no use for.
const thinConfigName = "multus-cni-config"

// thinConfigMaps are those that thin Multus, which is to become thick, mounts
// and that are upstream's by name.
func (t *target) thinConfigMaps() []*unstructured.Unstructured {
	for _, found := range t.survey.existing() {
		if found.Thick || found.Namespace != t.config.namespace() || found.Name != daemonSetName {
			continue
		}
		ds, err := convert[appsv1.DaemonSet](t.survey.daemonSet(found.Namespace, found.Name))
		if err != nil || !slices.ContainsFunc(ds.Spec.Template.Spec.Volumes, mountsThinConfig) {
			continue
		}
		configMap := &unstructured.Unstructured{}
		configMap.SetAPIVersion("v1")
		configMap.SetKind("ConfigMap")
		configMap.SetNamespace(found.Namespace)
		configMap.SetName(thinConfigName)
		return []*unstructured.Unstructured{configMap}
	}
	return nil
}

func mountsThinConfig(v corev1.Volume) bool {
	return v.ConfigMap != nil && v.ConfigMap.Name == thinConfigName
}

// removals are the changes that retire and removeThinConfig make.
func (t *target) removals() []Change {
	var out []Change
	for _, live := range slices.Concat(t.retired, t.thinConfig) {
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
	r := &remover{installer: i, namespace: t.config.namespace(), emit: emit}
	if err := r.removeAll(ctx, t.retired, result); err != nil {
		return err
	}
	names := namesOf(t.retired)
	return r.waitGone(ctx, gone{
		labels: multusLabels, what: strings.Join(names, ", "), names: func(name string) bool { return slices.Contains(names, name) },
	})
}

// removeThinConfig removes what only thin Multus read, once its DaemonSet is
// thick Multus'. Cut off before, it stays and does no harm.
func (i *Installer) removeThinConfig(ctx context.Context, t *target, result *Result, emit func(Event)) error {
	return (&remover{installer: i, emit: emit}).removeAll(ctx, t.thinConfig, result)
}

// removeAll adds what it removes to the result.
func (r *remover) removeAll(ctx context.Context, objects []*unstructured.Unstructured, result *Result) error {
	for _, object := range objects {
		if err := r.remove(ctx, object); err != nil {
			return applyError(err)
		}
		result.Changes = append(result.Changes, Change{Object: objectName(object), Action: ActionRemove})
	}
	return nil
}

func namesOf(objects []*unstructured.Unstructured) []string {
	var out []string
	for _, object := range objects {
		out = append(out, object.GetName())
	}
	return out
}
