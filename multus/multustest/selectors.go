package multustest

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// selection is what a list or a watch asks for.
type selection struct {
	namespace string
	labels    labels.Selector
	fields    fields.Selector
}

// newSelection reads the selectors of a list, watch or deletecollection and
// refuses fields that an API server cannot select by.
func newSelection(r resource, options client.ListOptions) (selection, error) {
	out := selection{options.Namespace, options.LabelSelector, options.FieldSelector}
	if out.labels == nil {
		out.labels = labels.Everything()
	}
	if out.fields == nil {
		out.fields = fields.Everything()
	}
	if raw := options.Raw; raw != nil {
		var err error
		if options.LabelSelector == nil && raw.LabelSelector != "" {
			if out.labels, err = labels.Parse(raw.LabelSelector); err != nil {
				return out, apierrors.NewBadRequest(err.Error())
			}
		}
		if options.FieldSelector == nil && raw.FieldSelector != "" {
			if out.fields, err = fields.ParseSelector(raw.FieldSelector); err != nil {
				return out, apierrors.NewBadRequest(err.Error())
			}
		}
	}
	for _, requirement := range out.fields.Requirements() {
		if _, ok := selectable(r, nil)[requirement.Field]; !ok {
			return out, apierrors.NewBadRequest(fmt.Sprintf("field label not supported: %s", requirement.Field))
		}
	}
	return out, nil
}

// matches reports whether an object of resource r is selected.
func (s selection) matches(r resource, object client.Object) bool {
	return (s.namespace == "" || s.namespace == object.GetNamespace()) &&
		s.labels.Matches(labels.Set(object.GetLabels())) &&
		(s.fields.Empty() || s.fields.Matches(selectable(r, object)))
}

// all reports whether nothing is filtered out but other namespaces.
func (s selection) all() bool { return s.labels.Empty() && s.fields.Empty() }

// selectable returns the fields that an API server selects objects by. A nil
// object yields their names.
func selectable(r resource, object client.Object) fields.Set {
	set := fields.Set{"metadata.name": "", "metadata.namespace": ""}
	if object != nil {
		set["metadata.name"], set["metadata.namespace"] = object.GetName(), object.GetNamespace()
	}
	if r.gvk.Group != "" {
		return set
	}
	switch r.gvk.Kind {
	case "Pod":
		pod, _ := object.(*corev1.Pod)
		if pod == nil {
			pod = &corev1.Pod{}
		}
		set["spec.nodeName"], set["spec.serviceAccountName"] = pod.Spec.NodeName, pod.Spec.ServiceAccountName
		set["spec.restartPolicy"], set["spec.hostNetwork"] = string(pod.Spec.RestartPolicy), strconv.FormatBool(pod.Spec.HostNetwork)
		set["status.phase"], set["status.podIP"] = string(pod.Status.Phase), pod.Status.PodIP
	case "Node":
		node, _ := object.(*corev1.Node)
		if node == nil {
			node = &corev1.Node{}
		}
		set["spec.unschedulable"] = strconv.FormatBool(node.Spec.Unschedulable)
	case "Namespace":
		namespace, _ := object.(*corev1.Namespace)
		if namespace == nil {
			namespace = &corev1.Namespace{}
		}
		set["status.phase"] = string(namespace.Status.Phase)
	case "Event":
		event, _ := object.(*corev1.Event)
		if event == nil {
			event = &corev1.Event{}
		}
		about := event.InvolvedObject
		set["involvedObject.kind"], set["involvedObject.namespace"], set["involvedObject.name"] = about.Kind, about.Namespace, about.Name
		set["involvedObject.uid"], set["reason"], set["type"] = string(about.UID), event.Reason, event.Type
	}
	return set
}
