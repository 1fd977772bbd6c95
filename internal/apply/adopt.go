package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Owner is a field manager of an object.
type Owner struct {
	// Manager is its name: "kubectl-client-side-apply", "helm".
	Manager string
	// Operation is "Apply" or "Update".
	Operation string
}

// Owners returns who owns fields of live, in the order of its managedFields,
// each once. Those who own fields of a subresource only, as of the status, are
// left out. A nil object has no owners.
func Owners(live *unstructured.Unstructured) []Owner {
	var owners []Owner
	for _, entry := range managedFields(live) {
		owner := Owner{Manager: entry.Manager, Operation: string(entry.Operation)}
		if entry.Subresource == "" && !slices.Contains(owners, owner) {
			owners = append(owners, owner)
		}
	}
	return owners
}

func managedFields(live *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	if live == nil {
		return nil
	}
	return live.GetManagedFields()
}

// Adopt makes a.Owner the owner of all fields that the given managers own, as
// if it had applied them, so that the next Apply meets no conflict with them
// and removes what is not desired: their leftovers, and with them kubectl's
// last-applied annotation. Values do not change. Fields of subresources stay
// with their managers.
//
// Adopt sends one patch, which fails with a conflict if the object has changed
// since s was read; then read again. If the managers own nothing it sends
// nothing. It returns s with the new live object.
func (a Applier) Adopt(ctx context.Context, s State, managers func(manager string) bool) (State, error) {
	entries, err := a.adopted(s, managers)
	if err != nil {
		return s, fmt.Errorf("adopt %s: %w", Name(s.Desired), err)
	}
	if entries == nil {
		return s, nil
	}
	// The resourceVersion is replaced and not tested: so the API server answers
	// with a conflict, not with an invalid request.
	patch, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": entries},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": s.Live.GetResourceVersion()},
	})
	if err != nil {
		return s, fmt.Errorf("adopt %s: %w", Name(s.Desired), err)
	}
	live := s.Live.DeepCopy()
	if err := a.Client.Patch(ctx, live, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(a.Owner)); err != nil {
		return s, fmt.Errorf("adopt %s: %w", Name(s.Desired), err)
	}
	return State{Desired: s.Desired, Live: live}, nil
}

// adopted returns the managedFields after the adoption, or nil if there is
// nothing to adopt. k8s.io/client-go/util/csaupgrade is no help: it leaves out
// those who applied, and all but one entry of a manager.
func (a Applier) adopted(s State, managers func(manager string) bool) ([]metav1.ManagedFieldsEntry, error) {
	own := metav1.ManagedFieldsEntry{
		Manager:    a.Owner,
		Operation:  metav1.ManagedFieldsOperationApply,
		APIVersion: s.Desired.GetAPIVersion(),
		FieldsType: "FieldsV1",
		FieldsV1:   &metav1.FieldsV1{},
	}
	fields, moved := &fieldpath.Set{}, false
	var rest []metav1.ManagedFieldsEntry
	for _, entry := range managedFields(s.Live) {
		mine := isApplyOf(entry, a.Owner)
		if !mine && (entry.Subresource != "" || !managers(entry.Manager)) {
			rest = append(rest, entry)
			continue
		}
		moved = moved || !mine
		set, err := fieldsOf(entry)
		if err != nil {
			return nil, fmt.Errorf("managedFields of %s: %w", entry.Manager, err)
		}
		fields = fields.Union(set)
		own.Time = entry.Time
	}
	if !moved {
		return nil, nil
	}
	raw, err := fields.ToJSON()
	if err != nil {
		return nil, fmt.Errorf("managedFields of %s: %w", a.Owner, err)
	}
	own.FieldsV1.SetRawBytes(raw)
	return append([]metav1.ManagedFieldsEntry{own}, rest...), nil
}
