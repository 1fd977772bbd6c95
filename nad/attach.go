package nad

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Attach gives the pods of obj more interfaces by changing an annotation:
// that of the pod template where obj has one (Deployment, StatefulSet,
// DaemonSet, ReplicaSet, Job, CronJob, PodTemplate and the like, also
// unstructured), else that of obj itself: a Pod, or the ObjectMeta of any
// template, for example &vm.Spec.Template.ObjectMeta.
//
// An attachment of the same network and interface as one that is there takes
// its place, so that calling Attach again changes nothing; a second interface
// on a network needs a name. The rest of the annotation stays. It is written in
// the short form where that says everything, else as JSON.
//
// The error joins a *field.Error for each problem, of what is there as well as
// of what is to come; obj then stays as it is.
func Attach(obj metav1.Object, attachments ...Attachment) error {
	h, err := holderOf(obj)
	if err != nil {
		return err
	}
	current, err := h.read(networksAnnotation)
	if err != nil {
		return err
	}
	var errs field.ErrorList
	all := slices.Clone(current)
	for i, a := range attachments {
		same := func(b Attachment) bool { return a.Interface == b.Interface && a.Key(h.namespace) == b.Key(h.namespace) }
		if slices.ContainsFunc(attachments[:i], same) {
			errs = append(errs, field.Duplicate(field.NewPath("attachments").Index(i), a.String()))
		} else if at := slices.IndexFunc(all, same); at >= 0 {
			a.DeepCopyInto(&all[at])
		} else {
			all = append(all, Attachment{})
			a.DeepCopyInto(&all[len(all)-1])
		}
	}
	errs = append(errs, validateAttachments(all, h.path(networksAnnotation), "lo", "eth0")...)
	if err := join(errs); err != nil {
		return h.wrap(err)
	}
	return h.write(networksAnnotation, current, all)
}

// Detach takes attachments away: each one that has the Name, the Namespace
// and, unless it is "", the Interface of one that is given; nothing else in
// those counts. What is not attached is no error. The annotation goes with its
// last element.
func Detach(obj metav1.Object, attachments ...Attachment) error {
	h, err := holderOf(obj)
	if err != nil {
		return err
	}
	current, err := h.read(networksAnnotation)
	if err != nil {
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(current), func(b Attachment) bool {
		return slices.ContainsFunc(attachments, func(a Attachment) bool {
			return a.Key(h.namespace) == b.Key(h.namespace) && (a.Interface == "" || a.Interface == b.Interface)
		})
	})
	return h.write(networksAnnotation, current, rest)
}

// Attachments returns what obj asks for in its networks annotation, or in that
// of its pod template: see [Attach]. Without the annotation, and where it is
// empty, that is nil. The rules are those of Multus 4.3; it is an error where
// Multus panics, and where it takes what fails later on every node: an empty
// name, "namespace/name" as a name in JSON, a name that no interface can have.
func Attachments(obj metav1.Object) ([]Attachment, error) {
	h, err := holderOf(obj)
	if err != nil {
		return nil, err
	}
	return h.read(networksAnnotation)
}

// SetDefaultNetwork makes a network the first interface of the pods of obj, in
// the place of the cluster's own; nil gives that back. The pods lose the
// cluster's network with it, unless the network leads there too. Multus looks
// for the NAD in its own namespace, kube-system, if Namespace is "". Which
// object is annotated: see [Attach].
func SetDefaultNetwork(obj metav1.Object, network *Attachment) error {
	h, err := holderOf(obj)
	if err != nil {
		return err
	}
	var all []Attachment
	if network != nil {
		all = []Attachment{*network}
	}
	if err := join(validateAttachments(all, h.path(DefaultNetworkAnnotation))); err != nil {
		return h.wrap(err)
	}
	return h.write(DefaultNetworkAnnotation, nil, all)
}

// DefaultNetwork returns the network that obj asks for in the place of the
// cluster's own, or nil if there is none. It is an error where Multus refuses
// or panics: an empty annotation, none or more than one element.
func DefaultNetwork(obj metav1.Object) (*Attachment, error) {
	h, err := holderOf(obj)
	if err != nil {
		return nil, err
	}
	if _, exists := h.meta.GetAnnotations()[DefaultNetworkAnnotation]; !exists {
		return nil, nil
	}
	all, err := h.read(DefaultNetworkAnnotation)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, h.wrap(field.Invalid(h.path(DefaultNetworkAnnotation), len(all), "must name one network; remove the annotation if there is none"))
	}
	return &all[0], nil
}
