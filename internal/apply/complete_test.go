package apply_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/apply"
)

// TestApplyCompletesDefaults: without them, an apply conflicts with whoever
// applied the same manifest by an update, about nothing.
func TestApplyCompletesDefaults(t *testing.T) {
	tests := []struct {
		name    string
		desired string
		want    string
	}{
		{
			"pod template",
			"{apiVersion: apps/v1, kind: DaemonSet, spec: {env: [{valueFrom: {fieldRef: {fieldPath: a}}}, {valueFrom: {resourceFieldRef: {resource: a}}}], sources: [{serviceAccountToken: {path: a}}]}}",
			"{apiVersion: apps/v1, kind: DaemonSet, spec: {env: [{valueFrom: {fieldRef: {fieldPath: a, apiVersion: v1}}}, {valueFrom: {resourceFieldRef: {resource: a, divisor: '0'}}}], sources: [{serviceAccountToken: {path: a, expirationSeconds: 3600}}]}}",
		},
		{
			"role binding",
			"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, roleRef: {kind: Role, name: a}}",
			"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, roleRef: {kind: Role, name: a, apiGroup: rbac.authorization.k8s.io}}",
		},
		{
			"what is set stays",
			"{apiVersion: v1, kind: Pod, spec: {fieldRef: {apiVersion: v2}}}",
			"{apiVersion: v1, kind: Pod, spec: {fieldRef: {apiVersion: v2}}}",
		},
		{
			"other groups",
			"{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {properties: {fieldRef: {type: object}}}}",
			"{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {properties: {fieldRef: {type: object}}}}",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			echo := &echoing{}
			desired := object(t, "%s", tt.desired)
			change, err := apply.Applier{Client: echo, Owner: owner}.Apply(t.Context(), apply.State{Desired: desired}, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(object(t, "%s", tt.want), change.After); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(object(t, "%s", tt.desired), desired); diff != "" {
				t.Errorf("Desired changed (-want +got):\n%s", diff)
			}
			if got := (apply.State{Desired: desired, Live: change.After}).Drift(); got != nil {
				t.Errorf("drift %v", got)
			}
		})
	}
}
