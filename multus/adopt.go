package multus

import (
	"slices"
	"strings"

	"github.com/multihome/multihome/internal/apply"
)

// beforeFirstApply is whom the API server takes for the owner of an object
// without managedFields, once it is applied.
const beforeFirstApply = "before-first-apply"

// installers are the field managers of programs that people install Multus
// with; a trailing * stands for any ending.
var installers = []string{
	"kubectl", "kubectl-client-side-apply", "kubectl-create", "kubectl-edit", "kubectl-patch", "kubectl-replace", beforeFirstApply,
	"helm", "Helm", "helm-controller", "kustomize-controller", // Helm, Flux
	"argocd*", "fleetagent", "kapp-controller", // Argo CD, Fleet, Carvel
	"talos", "talosctl", "machined", // inline manifests, upgrade-k8s
	"cluster-network-addons-operator*", // KubeVirt's operator
}

// isInstaller reports whether a field manager stands for a program that
// ConflictAdopt takes over from. Anyone else keeps what is theirs.
func isInstaller(manager string) bool {
	return slices.ContainsFunc(installers, func(name string) bool {
		prefix, isPrefix := strings.CutSuffix(name, "*")
		return name == manager || isPrefix && strings.HasPrefix(manager, prefix)
	})
}

// installersOf names the installers that own fields of an object.
func installersOf(state apply.State) []string {
	if state.Live == nil {
		return nil
	}
	if len(state.Live.GetManagedFields()) == 0 && !state.Settled(FieldManager) {
		return []string{beforeFirstApply}
	}
	var out []string
	for _, owner := range apply.Owners(state.Live) {
		if isInstaller(owner.Manager) && !slices.Contains(out, owner.Manager) {
			out = append(out, owner.Manager)
		}
	}
	return out
}
