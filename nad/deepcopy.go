package nad

import (
	"reflect"
)

// deepCopy returns a copy that shares nothing with v but what reflection cannot
// copy: channels, funcs and unexported fields inside CNIArgs.
func deepCopy[T any](v T) T {
	c, _ := reflect.TypeAssert[T](clone(reflect.ValueOf(&v).Elem()))
	return c
}

func clone(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		if v.IsNil() {
			return v
		}
	default: // has no nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(clone(v.Elem()))
		return out
	case reflect.Interface:
		return clone(v.Elem())
	case reflect.Slice:
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(clone(v.Index(i)))
		}
		return out
	case reflect.Map:
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for key, value := range v.Seq2() {
			out.SetMapIndex(key, clone(value))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if f := out.Field(i); f.CanSet() {
				f.Set(clone(v.Field(i)))
			}
		}
		return out
	default:
		return v
	}
}

// DeepCopyInto copies a into out; nothing is shared.
func (a Attachment) DeepCopyInto(out *Attachment) { *out = deepCopy(a) }

// DeepCopyInto copies n into out; nothing is shared.
func (n Network) DeepCopyInto(out *Network) { *out = deepCopy(n) }

// DeepCopyInto copies r into out; nothing is shared.
func (r Raw) DeepCopyInto(out *Raw) { *out = deepCopy(r) }

// DeepCopyInto copies c into out; nothing is shared.
func (c HostLocal) DeepCopyInto(out *HostLocal) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c Static) DeepCopyInto(out *Static) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c DHCP) DeepCopyInto(out *DHCP) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c Whereabouts) DeepCopyInto(out *Whereabouts) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c BridgeConfig) DeepCopyInto(out *BridgeConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c MacvlanConfig) DeepCopyInto(out *MacvlanConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c IPVLANConfig) DeepCopyInto(out *IPVLANConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c VLANConfig) DeepCopyInto(out *VLANConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c HostDeviceConfig) DeepCopyInto(out *HostDeviceConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c PTPConfig) DeepCopyInto(out *PTPConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c DummyConfig) DeepCopyInto(out *DummyConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c LoopbackConfig) DeepCopyInto(out *LoopbackConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c TapConfig) DeepCopyInto(out *TapConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c TuningConfig) DeepCopyInto(out *TuningConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c BandwidthConfig) DeepCopyInto(out *BandwidthConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c PortmapConfig) DeepCopyInto(out *PortmapConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c SBRConfig) DeepCopyInto(out *SBRConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c FirewallConfig) DeepCopyInto(out *FirewallConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c VRFConfig) DeepCopyInto(out *VRFConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c OVSConfig) DeepCopyInto(out *OVSConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c SRIOVConfig) DeepCopyInto(out *SRIOVConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c IBSRIOVConfig) DeepCopyInto(out *IBSRIOVConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c MacvtapConfig) DeepCopyInto(out *MacvtapConfig) { *out = deepCopy(c) }

// DeepCopyInto copies c into out; nothing is shared.
func (c BondConfig) DeepCopyInto(out *BondConfig) { *out = deepCopy(c) }
