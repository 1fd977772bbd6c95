package multus_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/multihome/multihome/multus"
)

// ignoreFuncs: funcs cannot be compared, and JSON has none.
var ignoreFuncs = cmpopts.IgnoreFields(multus.Patch{}, "Apply")

// TestDeepCopyInto fills every field there is, so that a new one that a
// DeepCopyInto forgets is found.
func TestDeepCopyInto(t *testing.T) {
	t.Run("Config", func(t *testing.T) { testDeepCopy(t, multus.Config.DeepCopyInto) })
	t.Run("Platform", func(t *testing.T) { testDeepCopy(t, multus.Platform.DeepCopyInto) })
	t.Run("DaemonConfig", func(t *testing.T) { testDeepCopy(t, multus.DaemonConfig.DeepCopyInto) })
	t.Run("ReferencePlugins", func(t *testing.T) { testDeepCopy(t, multus.ReferencePlugins.DeepCopyInto) })
}

func testDeepCopy[T any](t *testing.T, deepCopyInto func(in T, out *T)) {
	t.Helper()
	in, want := filled[T](t), filled[T](t)
	var out T
	deepCopyInto(in, &out)
	if diff := cmp.Diff(in, out, ignoreFuncs); diff != "" {
		t.Errorf("copy (-in +out):\n%s", diff)
	}
	scribble(reflect.ValueOf(&out))
	if cmp.Equal(in, out, ignoreFuncs) {
		t.Fatal("scribble changed nothing")
	}
	if diff := cmp.Diff(want, in, ignoreFuncs); diff != "" {
		t.Errorf("changed by a change of its copy (-want +got):\n%s", diff)
	}

	var zero, copied T
	fill(t, reflect.ValueOf(&copied).Elem())
	deepCopyInto(zero, &copied)
	if diff := cmp.Diff(zero, copied, ignoreFuncs); diff != "" {
		t.Errorf("copy of the zero value (-want +got):\n%s", diff)
	}
}

func filled[T any](t *testing.T) T {
	t.Helper()
	var out T
	fill(t, reflect.ValueOf(&out).Elem())
	return out
}

func TestConfigJSONRoundTrip(t *testing.T) {
	tests := []struct {
		name string
		want multus.Config
	}{
		{"zero", multus.Config{}},
		{"every field", filled[multus.Config](t)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := json.Marshal(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			var got multus.Config
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			tt.want.Patches = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", data, diff)
			}
		})
	}
	if data, err := json.Marshal(multus.Config{}); err != nil || string(data) != "{}" {
		t.Errorf("zero Config: got %s and error %v, want {}", data, err)
	}
}

// TestPlatformIsZero sets one field at a time.
func TestPlatformIsZero(t *testing.T) {
	if !(multus.Platform{}).IsZero() {
		t.Error("the zero Platform is not zero")
	}
	fields := reflect.TypeFor[multus.Platform]()
	for i := range fields.NumField() {
		t.Run(fields.Field(i).Name, func(t *testing.T) {
			var p multus.Platform
			fill(t, reflect.ValueOf(&p).Elem().Field(i))
			if p.IsZero() {
				t.Errorf("%+v is zero", p)
			}
		})
	}
}
