package apply_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/internal/apply"
)

// FuzzState: whatever an API server returns, nothing panics, and an object has
// no difference to itself.
func FuzzState(f *testing.F) {
	const head = `{"apiVersion":"v1","kind":"Thing",`
	for _, spec := range []string{
		`"spec":{"a":[{"name":"x","v":1},{"name":"y"}],"b":{"c":null},"d":[],"e":0.5}}`,
		`"metadata":{"name":"a","labels":{"b":"c"},"managedFields":7},"data":{"a":"b"}}`,
		`"metadata":{"managedFields":[{"manager":"multihome","operation":"Apply","apiVersion":"v1","fieldsV1":{"f:spec":{"f:a":{"k:{\"name\":\"x\"}":{".":{},"f:v":{}}},"v:1":{},"i:0":{}}}}]},"spec":{"a":[{"name":"x","v":1},1,[]]}}`,
	} {
		f.Add([]byte(head+spec), []byte(head+spec))
	}
	f.Fuzz(func(t *testing.T, desired, live []byte) {
		var s apply.State
		s.Desired, s.Live = &unstructured.Unstructured{}, &unstructured.Unstructured{}
		if s.Desired.UnmarshalJSON(desired) != nil || s.Live.UnmarshalJSON(live) != nil {
			t.Skip("not two objects")
		}
		s.Settled(owner)
		s.Drift()
		apply.Owners(s.Live)
		apply.Diff(s.Desired, s.Live)
		if got := apply.Diff(s.Live, s.Live); got != nil {
			t.Errorf("an object differs from itself: %v", got)
		}
	})
}
