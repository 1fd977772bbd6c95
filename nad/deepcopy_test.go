package nad_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/nad"
)

// TestDeepCopyInto fills every field of every type that has the method, copies
// it and looks for what the copy shares.
func TestDeepCopyInto(t *testing.T) {
	for _, v := range []any{
		&nad.Attachment{}, &nad.Network{}, &nad.Raw{}, &nad.HostLocal{}, &nad.Static{}, &nad.DHCP{}, &nad.Whereabouts{},
		&nad.BridgeConfig{}, &nad.MacvlanConfig{}, &nad.IPVLANConfig{}, &nad.VLANConfig{}, &nad.HostDeviceConfig{}, &nad.PTPConfig{}, &nad.DummyConfig{}, &nad.LoopbackConfig{}, &nad.TapConfig{},
		&nad.TuningConfig{}, &nad.BandwidthConfig{}, &nad.PortmapConfig{}, &nad.SBRConfig{}, &nad.FirewallConfig{}, &nad.VRFConfig{}, &nad.OVSConfig{}, &nad.SRIOVConfig{}, &nad.IBSRIOVConfig{}, &nad.MacvtapConfig{}, &nad.BondConfig{},
	} {
		in := reflect.ValueOf(v)
		t.Run(in.Type().Elem().Name(), func(t *testing.T) {
			fill(t, in.Elem())
			for _, in := range []reflect.Value{in, reflect.New(in.Type().Elem())} { // full and empty
				out := reflect.New(in.Type().Elem())
				in.MethodByName("DeepCopyInto").Call([]reflect.Value{out})
				if diff := cmp.Diff(in.Elem().Interface(), out.Elem().Interface()); diff != "" {
					t.Errorf("(-in +out):\n%s", diff)
				}
				if path := shared(in.Elem(), out.Elem()); path != "" {
					t.Errorf("shares %s", path)
				}
			}
		})
	}
}

func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), value)
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(t, f)
		}
	case reflect.Interface:
		for _, value := range []any{nad.DHCP{Extra: map[string]json.RawMessage{"a": {'1'}}}, nad.SBRConfig{Table: new(7)}, map[string]any{"a": []any{"b"}}} {
			if value := reflect.ValueOf(value); value.Type().AssignableTo(v.Type()) {
				v.Set(value)
			}
		}
		if v.IsNil() {
			t.Fatalf("no value for %s", v.Type())
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	default:
		if v.CanInt() {
			v.SetInt(1)
		} else {
			v.SetUint(1)
		}
	}
}

// shared returns a path to a pointer, slice or map that is in both.
func shared(a, b reflect.Value) string {
	switch a.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if !a.IsNil() && a.UnsafePointer() == b.UnsafePointer() {
			return "."
		}
	default: // holds nothing by itself
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !a.IsNil() {
			return shared(a.Elem(), b.Elem())
		}
	case reflect.Slice:
		for i := range a.Len() {
			if path := shared(a.Index(i), b.Index(i)); path != "" {
				return "[]" + path
			}
		}
	case reflect.Map:
		for _, key := range a.MapKeys() {
			if path := shared(a.MapIndex(key), b.MapIndex(key)); path != "" {
				return "[]" + path
			}
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if path := shared(a.Field(i), b.Field(i)); path != "" {
				return a.Type().Field(i).Name + path
			}
		}
	default: // holds nothing
	}
	return ""
}
