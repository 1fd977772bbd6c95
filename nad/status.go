package nad

import (
	"encoding/json"
	"fmt"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Status returns the interfaces that a pod got, as Multus writes them into its
// annotation k8s.v1.cni.cncf.io/network-status, the pod's own first interface
// included. Names are "namespace/name" of the NAD, addresses have no prefix
// length, the order is no promise, and a plugin that makes two interfaces gives
// two entries. Without the annotation, which is before the pod's network is
// ready, it is nil. What is no JSON array of objects is an error.
func Status(obj metav1.Object) ([]netattdefv1.NetworkStatus, error) {
	h, err := holderOf(obj)
	if err != nil {
		return nil, err
	}
	text, exists := obj.GetAnnotations()[netattdefv1.NetworkStatusAnnot]
	if !exists {
		return nil, nil
	}
	at := field.NewPath("metadata", "annotations").Key(netattdefv1.NetworkStatusAnnot)
	var entries []*netattdefv1.NetworkStatus
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return nil, h.wrap(fmt.Errorf("%s: must be a JSON array of objects: %w", at, err))
	}
	if entries == nil { // null
		return nil, h.wrap(field.TypeInvalid(at, shorten(text), "must be a JSON array of objects"))
	}
	out := make([]netattdefv1.NetworkStatus, len(entries))
	var errs field.ErrorList
	for i, entry := range entries {
		if entry == nil {
			errs = append(errs, field.TypeInvalid(at.Index(i), "null", "must be an object"))
			continue
		}
		out[i] = *entry
	}
	if err := join(errs); err != nil {
		return nil, h.wrap(err)
	}
	return out, nil
}
