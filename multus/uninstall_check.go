package multus

import (
	"context"
	"fmt"
	"slices"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/apply"
	"github.com/multihome/multihome/internal/live"
	"github.com/multihome/multihome/nad"
)

// look reads what is there, and refuses before the first write.
func (u *uninstall) look(ctx context.Context) error {
	missing, err := u.installer.missing(ctx, UninstallerRBAC(u.installer.config), "bind the roles that UninstallerRBAC returns")
	if err != nil {
		return err
	}
	if findings := blocking(missing, u.options.Ignore); len(findings) > 0 {
		return &PreflightError{Findings: findings}
	}
	bundle, err := Render(u.installer.config)
	if err != nil {
		return err
	}
	u.namespace = bundle.ServiceAccount.Namespace
	survey, err := lookAtDaemonSets(ctx, u.installer.client)
	if err != nil {
		return err
	}
	if !survey.sawDaemonSets {
		return &PreflightError{Findings: survey.unseen}
	}
	findings := u.takeDaemonSets(survey, bundle)
	if err := u.readObjects(ctx, bundle); err != nil {
		return err
	}
	findings = append(findings, u.foreignObjects()...)
	if u.cleaners, err = u.planCleaners(survey, bundle); err != nil {
		return err
	}
	inUse, err := u.networksInUse(ctx)
	if err != nil {
		return err
	}
	left, err := u.nadsLeft(ctx)
	if err != nil {
		return err
	}
	findings = slices.Concat(findings, inUse, left)
	for _, f := range findings {
		u.emit(Event{Type: EventFinding, Finding: &f})
	}
	if stop := blocking(findings, u.options.Ignore); len(stop) > 0 {
		return &PreflightError{Findings: stop}
	}
	return nil
}

// takeDaemonSets sorts out which of the DaemonSets seen are to go: those of the
// Config's names and those in its namespace that we installed, for another
// architecture for example.
func (u *uninstall) takeDaemonSets(survey survey, bundle *Bundle) []multihome.Finding {
	var out []multihome.Finding
	for _, found := range survey.existing() {
		live := survey.daemonSet(found.Namespace, found.Name)
		named := slices.ContainsFunc(bundle.DaemonSets, func(ds *appsv1.DaemonSet) bool {
			return ds.Namespace == found.Namespace && ds.Name == found.Name
		})
		switch {
		case named, found.Namespace == u.namespace && slices.Contains(ownersOf(live), FieldManager):
			u.daemonSets = append(u.daemonSets, live)
		default:
			out = append(out, multihome.Finding{
				Code: "multus/other-multus", Severity: multihome.SeverityError, Object: objectName(live),
				Message: fmt.Sprintf("another Multus (%s) runs here, and cleaning its nodes would break it", found),
				Remedy:  "remove it first, or set Config.Namespace to " + found.Namespace + " if it is the one that is meant",
				Source:  "multus-cni #1129, #1162",
			})
		}
	}
	return out
}

// readObjects gets all else that an install brings.
func (u *uninstall) readObjects(ctx context.Context, bundle *Bundle) error {
	desired, err := bundle.unstructured()
	if err != nil {
		return err
	}
	for _, object := range desired {
		kind := object.GetKind()
		if kind == "DaemonSet" || kind == "Namespace" || kind == "CustomResourceDefinition" && !u.options.RemoveCRD {
			continue
		}
		states, err := u.installer.applier().Read(ctx, object)
		if err != nil {
			return err
		}
		switch live := states[0].Live; {
		case live == nil:
		case kind == "CustomResourceDefinition":
			u.crd = live
		default:
			u.objects = append(u.objects, live)
		}
	}
	return nil
}

// foreignObjects reports what we did not install, and what will come back.
func (u *uninstall) foreignObjects() []multihome.Finding {
	objects := slices.Concat(u.daemonSets, u.objects)
	if u.crd != nil {
		objects = append(objects, u.crd)
	}
	var out []multihome.Finding
	for _, live := range objects {
		by := installedBy(live)
		f := multihome.Finding{Severity: multihome.SeverityError, Object: objectName(live), Source: "siderolabs/talos #5640; kubevirt/cluster-network-addons-operator"}
		if i := slices.IndexFunc(by, func(name string) bool { return slices.Contains(keepers, name) }); i >= 0 {
			f.Code = "multus/kept-by-other"
			f.Message = by[i] + " installed it and will bring it back"
			f.Remedy = "take Multus out of what " + by[i] + " applies, then uninstall"
		} else if len(by) > 0 && !slices.Contains(by, FieldManager) { // nobody owns a field of a ServiceAccount
			f.Code, f.Source = "multus/installed-by-other", ""
			f.Message = "was installed by " + strings.Join(by, ", ") + ", not by this library"
			f.Remedy = "uninstall it by the same means, or ignore this finding to remove it all the same"
		} else {
			continue
		}
		out = append(out, f)
	}
	return out
}

// planCleaners derives the cleaner from what runs or, if that is gone already,
// from the cleaner of the call before, or else from what the Config renders.
func (u *uninstall) planCleaners(survey survey, bundle *Bundle) ([]apply.State, error) {
	var sources []*appsv1.DaemonSet
	for _, object := range u.daemonSets {
		ds, err := convert[appsv1.DaemonSet](object)
		if err != nil {
			return nil, err
		}
		sources = append(sources, ds)
	}
	if len(sources) == 0 && len(survey.cleaners) > 0 && u.options.Image == "" {
		return u.cleanersAsTheyAre(survey)
	}
	if len(sources) == 0 {
		sources = bundle.DaemonSets
	}
	var out []apply.State
	for _, ds := range sources {
		image := u.options.Image
		if image == "" {
			image = daemonImage(ds)
		}
		object, err := asUnstructured(cleanerOf(ds, image))
		if err != nil {
			return nil, err
		}
		out = append(out, apply.State{Desired: object, Live: survey.cleaner(object.GetNamespace(), object.GetName())})
	}
	return out, nil
}

// cleanersAsTheyAre goes on with the images and architectures of cleaners that
// are at work.
func (u *uninstall) cleanersAsTheyAre(survey survey) ([]apply.State, error) {
	var out []apply.State
	for _, live := range survey.cleaners {
		ds, err := convert[appsv1.DaemonSet](live)
		if err != nil {
			return nil, err
		}
		if ds.Namespace != u.namespace || len(ds.Spec.Template.Spec.Containers) == 0 {
			continue
		}
		image := ds.Spec.Template.Spec.Containers[0].Image
		ds.Name = daemonSetName + strings.TrimPrefix(ds.Name, cleanerName)
		object, err := asUnstructured(cleanerOf(ds, image))
		if err != nil {
			return nil, err
		}
		out = append(out, apply.State{Desired: object, Live: live})
	}
	return out, nil
}

// daemonImage is the image that Multus itself runs.
func daemonImage(ds *appsv1.DaemonSet) string {
	if containers := multusContainers(&ds.Spec.Template.Spec); len(containers) > 0 {
		return containers[len(containers)-1].Image
	}
	return ""
}

func asUnstructured(ds *appsv1.DaemonSet) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ds)
	if err != nil {
		return nil, fmt.Errorf("DaemonSet %s: %w", ds.Name, err)
	}
	delete(content, "status")
	dropEmpty(content)
	return &unstructured.Unstructured{Object: content}, nil
}

// networksInUse reports the running pods that have secondary networks. Once
// Multus is gone they cannot be told from others any more, and are not asked
// for.
func (u *uninstall) networksInUse(ctx context.Context) ([]multihome.Finding, error) {
	if len(u.daemonSets) == 0 {
		return nil, nil
	}
	var out []multihome.Finding
	err := live.EachPage(ctx, u.installer.client, live.List("v1", "Pod"), func(pod *unstructured.Unstructured) error {
		if path := usesNetworks(pod); path != "" {
			out = append(out, multihome.Finding{
				Code: "multus/networks-in-use", Severity: multihome.SeverityError, Object: objectName(pod), Path: "metadata.annotations[" + path + "]",
				Message: "has secondary networks, which nobody would take down once Multus is gone",
				Remedy:  "delete the pod or take the annotation off its template, or ignore this finding",
				Source:  "multus-cni docs/how-to-use.md; CNI specification: DEL",
			})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b multihome.Finding) int { return strings.Compare(a.Object, b.Object) })
	return slices.CompactFunc(out, func(a, b multihome.Finding) bool { return a.Object == b.Object }), err
}

// usesNetworks returns the annotation that says so, "" for a pod without
// secondary networks or one that has ended.
func usesNetworks(pod *unstructured.Unstructured) string {
	phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	onHost, _, _ := unstructured.NestedBool(pod.Object, "spec", "hostNetwork")
	if onHost || phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed) {
		return ""
	}
	annotations := pod.GetAnnotations()
	for _, name := range []string{netattdefv1.NetworkAttachmentAnnot, nad.DefaultNetworkAnnotation} {
		if strings.TrimSpace(annotations[name]) != "" {
			return name
		}
	}
	// Networks that the daemon's configuration gives to every pod. What cannot
	// be read is not ours.
	if got, err := nad.Status(pod); err == nil && len(got) > 1 {
		return netattdefv1.NetworkStatusAnnot
	}
	return ""
}

// nadsLeft reports NADs that would go with the CRD.
func (u *uninstall) nadsLeft(ctx context.Context) ([]multihome.Finding, error) {
	if u.crd == nil || u.options.RemoveNADs {
		return nil, nil
	}
	names, err := u.installer.nads(ctx)
	if len(names) == 0 || err != nil {
		return nil, err
	}
	const most = 10
	shown := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		shown += " and more"
	}
	return []multihome.Finding{{
		Code: "multus/nads-left", Severity: multihome.SeverityError, Object: objectName(u.crd),
		Message: fmt.Sprintf("%d NetworkAttachmentDefinitions would go with it: %s", len(names), shown),
		Remedy:  "delete them, set RemoveNADs, or leave the CRD", Source: "Kubernetes API: a CRD takes its objects with it",
	}}, nil
}

// nads names every NetworkAttachmentDefinition, sorted.
func (i *Installer) nads(ctx context.Context) ([]string, error) {
	var out []string
	err := live.EachPage(ctx, i.client, live.List("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition"), func(object *unstructured.Unstructured) error {
		out = append(out, object.GetNamespace()+"/"+object.GetName())
		return nil
	})
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil, nil // the CRD is not established, or on its way out
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// downNodes returns the nodes whose kubelet is not heard of.
func (i *Installer) downNodes(ctx context.Context) (map[string]bool, error) {
	down := map[string]bool{}
	err := live.EachPage(ctx, i.client, live.List("v1", "Node"), func(object *unstructured.Unstructured) error {
		down[object.GetName()] = isDown(object)
		return nil
	})
	return down, err
}

// isDown tells a node whose kubelet is silent from one that merely is not
// ready: there the cleaner can still run.
func isDown(node *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions")
	for _, item := range conditions {
		if condition, _ := item.(map[string]any); condition["type"] == string(corev1.NodeReady) {
			return condition["status"] == string(corev1.ConditionUnknown)
		}
	}
	return true
}
