package cilium

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// OwnedError says that somebody else writes the objects that a repair would
// change, and would take the change back. Nothing was changed.
type OwnedError struct {
	// Owners are the programs behind each object: "ConfigMap
	// kube-system/cilium-config" to "Helm release kube-system/cilium".
	Owners map[string][]string
}

// Error names every object with its owners, and the two ways on.
func (e *OwnedError) Error() string {
	var objects []string
	for _, object := range slices.Sorted(maps.Keys(e.Owners)) {
		objects = append(objects, object+" is owned by "+strings.Join(e.Owners[object], ", "))
	}
	return fmt.Sprintf("%s: set cni-exclusive to false there (Helm's cni.exclusive) and call Repair again, or set RepairOptions.TakeOver, whose change lasts until the owner writes the next time",
		strings.Join(objects, "; "))
}

// ownerMarks are labels and annotations by which a program knows its objects.
var ownerMarks = []struct{ key, owner string }{
	{"argocd.argoproj.io/tracking-id", "Argo CD"},
	{"argocd.argoproj.io/instance", "Argo CD"},
	{"kustomize.toolkit.fluxcd.io/name", "Flux"},
	{"helm.toolkit.fluxcd.io/name", "Flux"},
	{"objectset.rio.cattle.io/id", "Fleet"},
	{"kapp.k14s.io/app", "kapp"},
}

// ownerManagers are field managers of such programs; a trailing * stands for
// any ending. Who wrote once by hand, with kubectl, owns nothing in this sense.
var ownerManagers = []struct{ manager, owner string }{
	{"helm", "Helm"},
	{"Helm", "Helm"},
	{"argocd*", "Argo CD"},
	{"kustomize-controller", "Flux"},
	{"helm-controller", "Flux"},
	{"fleetagent", "Fleet"},
	{"kapp*", "kapp"},
	{"talos", "Talos' inline manifests"},
}

// ownersOf names the programs that will write an object again, most telling
// first.
func ownersOf(object *unstructured.Unstructured) []string {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	var out []string
	add := func(name string) {
		if !slices.ContainsFunc(out, func(known string) bool { return strings.HasPrefix(known, name) }) {
			out = append(out, name)
		}
	}
	if release := annotations["meta.helm.sh/release-name"]; release != "" {
		add("Helm release " + cmp.Or(annotations["meta.helm.sh/release-namespace"], object.GetNamespace()) + "/" + release)
	} else if labels["app.kubernetes.io/managed-by"] == "Helm" {
		add("Helm")
	}
	for _, mark := range ownerMarks {
		if labels[mark.key] != "" || annotations[mark.key] != "" {
			add(mark.owner)
		}
	}
	for _, entry := range object.GetManagedFields() {
		for _, known := range ownerManagers {
			if prefix, isPrefix := strings.CutSuffix(known.manager, "*"); entry.Manager == known.manager || isPrefix && strings.HasPrefix(entry.Manager, prefix) {
				add(known.owner)
			}
		}
	}
	return out
}
