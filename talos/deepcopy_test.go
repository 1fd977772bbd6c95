package talos_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/talos"
)

// TestDeepCopyInto fills every field there is, so that a new one that a
// DeepCopyInto forgets is found.
func TestDeepCopyInto(t *testing.T) {
	t.Run("BridgeConfig", func(t *testing.T) { testDeepCopy(t, talos.BridgeConfig.DeepCopyInto) })
	t.Run("BondConfig", func(t *testing.T) { testDeepCopy(t, talos.BondConfig.DeepCopyInto) })
	t.Run("VLANConfig", func(t *testing.T) { testDeepCopy(t, talos.VLANConfig.DeepCopyInto) })
	t.Run("LinkConfig", func(t *testing.T) { testDeepCopy(t, talos.LinkConfig.DeepCopyInto) })
	t.Run("DHCPConfig", func(t *testing.T) { testDeepCopy(t, talos.DHCPConfig.DeepCopyInto) })
	t.Run("PrimaryLink", func(t *testing.T) { testDeepCopy(t, talos.PrimaryLink.DeepCopyInto) })
}

func testDeepCopy[T any](t *testing.T, deepCopyInto func(in T, out *T)) {
	t.Helper()
	var in, want, out T
	fill(reflect.ValueOf(&in).Elem(), 1)
	fill(reflect.ValueOf(&want).Elem(), 1)
	deepCopyInto(in, &out)
	if diff := cmp.Diff(in, out); diff != "" {
		t.Errorf("copy (-in +out):\n%s", diff)
	}
	fill(reflect.ValueOf(&out).Elem(), 2)
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("changed by a change of its copy (-want +got):\n%s", diff)
	}
}

// fill sets every field to something that depends on n, in the slices that are
// there already.
func fill(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, n)
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		}
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(string(rune('a' + n)))
	case reflect.Bool:
		v.SetBool(n == 1)
	case reflect.Int:
		v.SetInt(int64(n))
	default:
		v.SetUint(uint64(n))
	}
}
