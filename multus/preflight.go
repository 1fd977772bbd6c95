package multus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/apply"
)

// leftoverArguments is what a DaemonSet of thin Multus or of 4.0.0-alpha
// leaves behind.
const leftoverArguments = "multus/leftover-arguments"

// preflight judges what was read: pure.
func preflight(t *target, states []apply.State) []multihome.Finding {
	out := slices.Concat(t.survey.findings(), otherMultus(t), keeperFindings(t), unfinishedUninstall(t))
	for _, state := range states {
		if state.Live != nil && state.Desired.GetKind() == "DaemonSet" {
			out = append(out, daemonSetFindings(state)...)
		}
	}
	return out
}

// otherMultus reports a Multus that is not the one to be installed. Two of
// them on a node write the same 00-multus.conf.
func otherMultus(t *target) []multihome.Finding {
	var out []multihome.Finding
	for _, found := range t.survey.existing() {
		ours := slices.ContainsFunc(t.bundle.DaemonSets, func(ds *appsv1.DaemonSet) bool {
			return ds.Namespace == found.Namespace && ds.Name == found.Name
		}) || find(t.retired, found.Namespace, found.Name) != nil
		f := multihome.Finding{
			Object: fmt.Sprintf("DaemonSet %s/%s", found.Namespace, found.Name),
			Source: "multus-cni #1129, #1162",
		}
		switch {
		case !ours:
			f.Code, f.Severity = "multus/other-multus", multihome.SeverityError
			f.Message = fmt.Sprintf("another Multus (%s) runs here; two on a node overwrite each other's configuration", found)
			f.Remedy = "remove it first, or set Config.Namespace to " + found.Namespace + " and install with ConflictAdopt if it has upstream's names"
		case !found.Thick:
			f.Code, f.Severity = "multus/thin", multihome.SeverityWarning
			f.Message = fmt.Sprintf("thin Multus (%s) runs here and will be turned into thick Multus", found)
			f.Remedy = "install with ConflictAdopt; NADs and running pods stay as they are"
		case len(found.Images) > 1:
			f.Code, f.Severity = "multus/image-skew", multihome.SeverityWarning
			f.Message = "its containers run different images: " + strings.Join(found.Images, ", ")
			f.Remedy = "an install gives both one image"
			f.Source = "keiretsu-labs/kubernetes-manifests #2903"
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// unfinishedUninstall reports a cleaner that is at work: it would take away
// from nodes what an install brings.
func unfinishedUninstall(t *target) []multihome.Finding {
	var out []multihome.Finding
	for _, live := range t.survey.cleaners {
		out = append(out, multihome.Finding{
			Code: "multus/uninstall-unfinished", Severity: multihome.SeverityError, Object: objectName(live),
			Message: "an uninstall has not finished, and would take away from nodes what is installed now",
			Remedy:  "call Uninstall again, or delete this DaemonSet, then install",
		})
	}
	return out
}

// keepers write again what they installed once: all the time, or Talos with
// the next talosctl upgrade-k8s.
var keepers = []string{"Argo CD", "Flux", "Talos", cnao}

// keeperFindings reports a Multus that somebody will take back from us.
func keeperFindings(t *target) []multihome.Finding {
	var out []multihome.Finding
	for _, found := range t.survey.existing() {
		i := slices.IndexFunc(found.By, func(name string) bool { return slices.Contains(keepers, name) })
		if i < 0 {
			continue
		}
		out = append(out, multihome.Finding{
			Code: "multus/kept-by-other", Severity: multihome.SeverityWarning, Object: fmt.Sprintf("DaemonSet %s/%s", found.Namespace, found.Name),
			Message: found.By[i] + " installed it and will write it again, over what an install changes",
			Remedy:  "take Multus out of what " + found.By[i] + " applies, then install with ConflictAdopt",
			Source:  "siderolabs/talos #5640; kubevirt/cluster-network-addons-operator",
		})
	}
	return out
}

// daemonSetFindings judges the DaemonSet that is about to be changed.
func daemonSetFindings(state apply.State) []multihome.Finding {
	live, err := convert[appsv1.DaemonSet](state.Live)
	if err != nil {
		return nil // the API server's own objects convert
	}
	desired, err := convert[appsv1.DaemonSet](state.Desired)
	if err != nil {
		return nil
	}
	var out []multihome.Finding
	object := objectName(state.Live)
	if selected, wanted := metav1.FormatLabelSelector(live.Spec.Selector), metav1.FormatLabelSelector(desired.Spec.Selector); selected != wanted {
		out = append(out, multihome.Finding{
			Code: "multus/selector", Severity: multihome.SeverityError, Object: object, Path: "spec.selector",
			Message: fmt.Sprintf("selects pods by %s, and %s is wanted; a selector cannot be changed", selected, wanted),
			Remedy:  "delete the DaemonSet with --cascade=orphan, install, and delete the old pods node by node", Source: "Kubernetes API: DaemonSet spec.selector is immutable",
		})
	}
	daemon := container(live.Spec.Template.Spec.Containers, "kube-multus")
	wanted := container(desired.Spec.Template.Spec.Containers, "kube-multus")
	if owners := argumentOwners(state.Live); len(daemon.Args) > 0 && len(wanted.Args) == 0 && len(owners) > 0 {
		f := multihome.Finding{
			Code: leftoverArguments, Severity: multihome.SeverityError, Object: object, Path: "spec.template.spec.containers[name=kube-multus].args",
			Message: fmt.Sprintf("arguments %q are owned by %s and would stay; the daemon exits on flags it does not know", daemon.Args, strings.Join(owners, ", ")),
			Remedy:  "install with ConflictAdopt", Source: "multus-cni #1129",
		}
		if slices.ContainsFunc(owners, func(name string) bool { return !isInstaller(name) }) {
			f.Code, f.Remedy = "multus/foreign-arguments", "make these owners stop setting them: ConflictAdopt takes over from programs that install only"
		}
		out = append(out, f)
	}
	return out
}

// argumentOwners names the field managers, but for our own, that the daemon's
// arguments stay for.
func argumentOwners(live *unstructured.Unstructured) []string {
	entries := live.GetManagedFields()
	if len(entries) == 0 {
		return []string{beforeFirstApply}
	}
	var out []string
	for _, entry := range entries {
		var fields map[string]any
		if entry.Manager == FieldManager || entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		_, owns, _ := unstructured.NestedFieldNoCopy(fields, "f:spec", "f:template", "f:spec", "f:containers", `k:{"name":"kube-multus"}`, "f:args")
		if owns && !slices.Contains(out, entry.Manager) {
			out = append(out, entry.Manager)
		}
	}
	return out
}

// adoptionCures reports whether taking the objects over is the remedy of every
// finding.
func adoptionCures(findings []multihome.Finding) bool {
	return !slices.ContainsFunc(findings, func(f multihome.Finding) bool { return f.Code != leftoverArguments })
}

// ownersOf names the field managers of an object, each once.
func ownersOf(live *unstructured.Unstructured) []string {
	var out []string
	for _, owner := range apply.Owners(live) {
		if !slices.Contains(out, owner.Manager) {
			out = append(out, owner.Manager)
		}
	}
	return out
}

// clusterFindings reads what only a Plan takes the time for, and judges it.
func (i *Installer) clusterFindings(ctx context.Context, t *target) ([]multihome.Finding, error) {
	out, err := i.ciliumFindings(ctx, t, (*survey).lookAtCilium)
	if err != nil {
		return nil, err
	}
	namespace := &unstructured.Unstructured{}
	namespace.SetAPIVersion("v1")
	namespace.SetKind("Namespace")
	err = i.client.Get(ctx, client.ObjectKey{Name: t.config.namespace()}, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return out, nil // it will be created
	case apierrors.IsForbidden(err):
		return append(out, multihome.Finding{
			Code: "multus/unseen", Severity: multihome.SeverityWarning, Object: "Namespace " + t.config.namespace(),
			Message: "no permission to get it, so it is not known whether Pod Security admits Multus' pods",
			Remedy:  "allow the verb get on namespaces " + t.config.namespace(),
		}), nil
	case err != nil:
		return nil, fmt.Errorf("get Namespace %s: %w", t.config.namespace(), err)
	}
	return append(out, podSecurityFindings(namespace)...), nil
}

// podSecurityFindings: without the label Pod Security admits the DaemonSet and
// refuses its pods, in silence. Talos exempts kube-system alone.
func podSecurityFindings(namespace *unstructured.Unstructured) []multihome.Finding {
	level, labelled := namespace.GetLabels()[podSecurityLabel]
	if level == "privileged" || !labelled && namespace.GetName() == DefaultNamespace {
		return nil
	}
	f := multihome.Finding{
		Code: "multus/pod-security", Severity: multihome.SeverityWarning, Object: "Namespace " + namespace.GetName(), Path: "metadata.labels[" + podSecurityLabel + "]",
		Message: fmt.Sprintf("is %q; an install sets it to privileged, without which Multus' pods are refused", level),
		Remedy:  "install into kube-system if the label must stay", Source: "siderolabs/talos pkg/machinery/config/generate/init.go",
	}
	if namespace.GetName() == DefaultNamespace {
		f.Severity, f.Message, f.Remedy = multihome.SeverityError, fmt.Sprintf("is %q: Multus' pods are refused", level), "set it to privileged or remove it"
	}
	return []multihome.Finding{f}
}

// installedFindings is the trouble that an installed Multus is known to give.
func installedFindings(daemonSets map[string]*appsv1.DaemonSet, platform Platform) []multihome.Finding {
	var out []multihome.Finding
	for _, ds := range daemonSets {
		object := fmt.Sprintf("DaemonSet %s/%s", ds.Namespace, ds.Name)
		add := func(code, path, message, remedy, source string) {
			out = append(out, multihome.Finding{
				Code: "multus/" + code, Severity: multihome.SeverityWarning, Object: object, Path: path,
				Message: message, Remedy: remedy, Source: source,
			})
		}
		spec := ds.Spec.Template.Spec
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			path := "spec.template.spec.containers[name=" + c.Name + "]"
			limit, limited := c.Resources.Limits[corev1.ResourceMemory]
			switch {
			case !limited && platform.killsUnlimited():
				add("no-memory-limit", path+".resources.limits.memory", "no memory limit: Talos since v1.12 kills such a pod first when memory runs out", "set one on every container", memoryFix.Source)
			case limited && c.Name == "kube-multus" && limit.Value()>>20 < minimumMemory:
				add("low-memory", path+".resources.limits.memory", fmt.Sprintf("%s is less than the daemon survives when pods start in numbers", limit.String()), fmt.Sprintf("set at least %dMi", minimumMemory), memoryFix.Source)
			}
			if strings.HasSuffix(c.Image, ":snapshot-thick") || strings.HasSuffix(c.Image, ":latest-thick") || strings.HasSuffix(c.Image, ":stable-thick") {
				add("moving-image", path+".image", c.Image+" moves: nodes can run different releases", "pin a release", imagePinFix.Source)
			}
		}
		for _, volume := range spec.Volumes {
			if volume.Name == "host-run-netns" && volume.HostPath != nil && strings.TrimSuffix(volume.HostPath.Path, "/") == "/run/netns" && platform.Talos != "" && !versionAtLeast(platform.Talos, "v1.10.0") {
				add("netns", "spec.template.spec.volumes[name=host-run-netns].hostPath.path", "on this Talos version new pods can fail on this path", "apply the netns fix", netnsFix.Source)
			}
		}
		if r, known := findRelease(releaseOf(ds)); known && releaseOf(ds) != "" && r.losesDelConfig() {
			if cni, found := findPrimaryCNI(platform.PrimaryCNI); found && cni.leaks {
				add("ip-leak", "", r.version+" loses plugin fields when a pod is deleted, so that its address may never be freed", "use v4.2.0 or older, or v4.3.1 and newer, with "+cni.name, "multus-cni #1521")
			}
		}
	}
	slices.SortStableFunc(out, func(a, b multihome.Finding) int { return strings.Compare(a.Object+a.Path, b.Object+b.Path) })
	return out
}

// namespace is where everything namespaced goes.
func (c Config) namespace() string {
	if c.Namespace == "" {
		return DefaultNamespace
	}
	return c.Namespace
}
