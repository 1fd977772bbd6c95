package multus

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// existing is a Multus that runs in the cluster, whoever installed it.
type existing struct {
	Namespace, Name string
	// Thick: it runs multus-daemon. Thin: a binary without a daemon.
	Thick bool
	// Version is the release that all its images name, "" where they do not
	// name one or not the same.
	Version string
	// Images of its Multus containers, each once. More than one is a skew
	// between shim and daemon.
	Images []string
	// By names who installed it or has fields in it: "kubectl", "Helm release
	// kube-system/multus".
	By []string
}

// String is "thin v4.2.4 by kubectl".
func (e existing) String() string {
	kind := "thin"
	if e.Thick {
		kind = "thick"
	}
	return fmt.Sprintf("%s %s by %s", kind, cmp.Or(e.Version, "of unknown version"), cmp.Or(strings.Join(e.By, ", "), "someone unknown"))
}

// existing returns every Multus that the survey saw, by namespace and name.
func (s survey) existing() []existing {
	var out []existing
	for _, object := range s.multuses {
		ds, err := convert[appsv1.DaemonSet](object)
		if err != nil || !isMultus(ds) { // lookAtDaemonSets has converted it before
			continue
		}
		e := existing{Namespace: ds.Namespace, Name: ds.Name, Thick: isThick(&ds.Spec.Template.Spec), By: installedBy(object)}
		for _, c := range multusContainers(&ds.Spec.Template.Spec) {
			e.Images = append(e.Images, c.Image)
		}
		slices.Sort(e.Images)
		e.Images = slices.Compact(e.Images)
		e.Version = sharedVersion(e.Images)
		out = append(out, e)
	}
	return out
}

// isMultus tells Multus from what only bears its name, such as OpenShift's
// multus-additional-cni-plugins.
func isMultus(ds *appsv1.DaemonSet) bool {
	return ds.Name == "multus" || strings.HasPrefix(ds.Name, "kube-multus-ds") || slices.ContainsFunc(containersOf(&ds.Spec.Template.Spec), runsMultus)
}

// multusCommands are parts of the command lines of Multus' containers: those
// of thick Multus, the path of both, and thin Multus' entry point.
var multusCommands = []string{"multus-daemon", "/usr/src/multus-cni/", "install_multus", "thin_entrypoint"}

// notMultus are parts of the names of other programs' images.
var notMultus = []string{"admission", "dynamic", "policy", "service"}

// runsMultus tells by a container's command or, where it leaves that to the
// image, by the image.
func runsMultus(c corev1.Container) bool {
	if commandHas(c, multusCommands...) {
		return true
	}
	name := path.Base(repositoryOf(c.Image))
	return strings.Contains(name, "multus") && !slices.ContainsFunc(notMultus, func(part string) bool { return strings.Contains(name, part) })
}

// multusContainers are the containers whose images are Multus', all of them
// where none can be told. Others, such as one that copies reference plugins,
// have versions of their own.
func multusContainers(spec *corev1.PodSpec) []corev1.Container {
	all := containersOf(spec)
	if !slices.ContainsFunc(all, runsMultus) {
		return all
	}
	return slices.DeleteFunc(all, func(c corev1.Container) bool { return !runsMultus(c) })
}

// isThick tells by the command, by the image's name, or by what only the
// daemon mounts: its configuration and the node's root.
func isThick(spec *corev1.PodSpec) bool {
	return slices.ContainsFunc(multusContainers(spec), func(c corev1.Container) bool {
		return commandHas(c, "multus-daemon") || strings.Contains(path.Base(c.Image), "thick") ||
			slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/hostroot" })
	}) || slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool {
		return v.ConfigMap != nil && (v.ConfigMap.Name == "multus-daemon-config" ||
			slices.ContainsFunc(v.ConfigMap.Items, func(item corev1.KeyToPath) bool { return item.Key == "daemon-config.json" }))
	})
}

func containersOf(spec *corev1.PodSpec) []corev1.Container {
	return slices.Concat(spec.InitContainers, spec.Containers)
}

// commandHas reports whether a word of the container's command line contains
// one of parts.
func commandHas(c corev1.Container, parts ...string) bool {
	return slices.ContainsFunc(slices.Concat(c.Command, c.Args), func(word string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(word, part) })
	})
}

// versionTag begins a tag that names a release: upstream's "v4.3.0-thick",
// Rancher's "v4.2.1-build20250627", Bitnami's "4.2.2-debian-12".
var versionTag = regexp.MustCompile(`^v?(\d+\.\d+(\.\d+)?)(-|$)`)

// versionOf is the release that an image's tag names, or that its digest is
// known for.
func versionOf(image string) string {
	tagged, digest, _ := strings.Cut(image, "@")
	if match := versionTag.FindStringSubmatch(strings.TrimPrefix(strings.TrimPrefix(tagged, repositoryOf(image)), ":")); match != nil {
		return "v" + match[1]
	}
	i := slices.IndexFunc(releases, func(r release) bool { return digest != "" && r.digest == digest })
	if i < 0 {
		return ""
	}
	return releases[i].version
}

// sharedVersion is the version of all images, "" if they differ in it.
func sharedVersion(images []string) string {
	version := ""
	for i, image := range images {
		v := versionOf(image)
		if i > 0 && v != version {
			return ""
		}
		version = v
	}
	return version
}

// repositoryOf is an image reference without its tag and digest. References in
// a cluster may be anything, so it does not fail.
func repositoryOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	// A colon before the last slash belongs to the registry's port.
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	return name
}

// installedBy reads from an object who installed it, most telling first:
// labels and annotations name a release or an application, field managers only
// the program that wrote.
func installedBy(object *unstructured.Unstructured) []string {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	var by []string
	add := func(is bool, name string) {
		if is && !slices.Contains(by, name) {
			by = append(by, name)
		}
	}
	const managedBy = "app.kubernetes.io/managed-by"
	helmRelease := annotations["meta.helm.sh/release-name"]
	add(helmRelease != "", "Helm release "+annotations["meta.helm.sh/release-namespace"]+"/"+helmRelease)
	add(helmRelease == "" && labels[managedBy] == "Helm", "Helm")
	add(labels["helm.toolkit.fluxcd.io/name"] != "" || labels["kustomize.toolkit.fluxcd.io/name"] != "", "Flux")
	argo := annotations["argocd.argoproj.io/tracking-id"] != "" || labels["argocd.argoproj.io/instance"] != ""
	add(argo, "Argo CD")
	selected, _, _ := unstructured.NestedString(object.Object, "spec", "selector", "matchLabels", "name")
	add(labels[managedBy] == "cnao-operator" || selected == "kube-multus-ds-amd64", cnao)
	for _, owner := range object.GetOwnerReferences() {
		if owner.Kind == "NetworkAddonsConfig" {
			add(true, cnao)
		} else {
			add(true, owner.Kind+" "+owner.Name)
		}
	}
	inventory := annotations["config.k8s.io/owning-inventory"]
	add(inventory == "talos-bootstrap-manifests-inventory", "Talos")
	add(inventory != "" && inventory != "talos-bootstrap-manifests-inventory", "inventory "+inventory)
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "" && !slices.Contains(bystanders, entry.Manager) {
			name := programOf(entry.Manager)
			// Named more precisely above.
			add(name != "Helm" || helmRelease == "", name)
		}
	}
	// Argo CD applies like kubectl, with its annotation.
	add(annotations[corev1.LastAppliedConfigAnnotation] != "" && !slices.Contains(by, "Argo CD"), "kubectl")
	return by
}

// cnao is KubeVirt's cluster-network-addons-operator.
const cnao = "cluster-network-addons-operator"

// bystanders are field managers that write to every DaemonSet, or only had its
// pods restarted.
var bystanders = []string{"kube-controller-manager", "kubectl-rollout"}

// programOf is the program behind a field manager.
func programOf(manager string) string {
	switch {
	case manager == "kubectl" || strings.HasPrefix(manager, "kubectl-"):
		return "kubectl"
	case manager == "helm":
		return "Helm"
	case manager == "kustomize-controller" || manager == "helm-controller":
		return "Flux"
	case strings.HasPrefix(manager, "argocd"):
		return "Argo CD"
	case strings.HasPrefix(manager, cnao):
		return cnao
	case manager == "talos":
		return "Talos"
	}
	return manager // FieldManager among them
}
