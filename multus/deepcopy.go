package multus

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DeepCopyInto copies c into out; nothing is shared but the funcs in Patches.
func (c Config) DeepCopyInto(out *Config) {
	*out = c
	c.Platform.DeepCopyInto(&out.Platform)
	out.ArchImages = maps.Clone(c.ArchImages)
	out.Tolerations = cloneEach(c.Tolerations, func(t *corev1.Toleration) corev1.Toleration { return *t.DeepCopy() })
	out.NodeSelector = maps.Clone(c.NodeSelector)
	c.Daemon.DeepCopyInto(&out.Daemon)
	c.ReferencePlugins.DeepCopyInto(&out.ReferencePlugins)
	out.Skip = slices.Clone(c.Skip)
	out.Patches = slices.Clone(c.Patches)
}

// DeepCopyInto copies d into out; nothing is shared.
func (d DaemonConfig) DeepCopyInto(out *DaemonConfig) {
	*out = d
	out.LogToStderr = clonePointer(d.LogToStderr)
	out.LogOptions = clonePointer(d.LogOptions)
	out.PerNodeCertificate = clonePointer(d.PerNodeCertificate)
	out.Capabilities = maps.Clone(d.Capabilities)
	out.Delegates = cloneEach(d.Delegates, func(r *runtime.RawExtension) runtime.RawExtension { return *r.DeepCopy() })
	out.DefaultNetworks = slices.Clone(d.DefaultNetworks)
	out.SystemNamespaces = slices.Clone(d.SystemNamespaces)
}

// DeepCopyInto copies r into out; nothing is shared.
func (r ReferencePlugins) DeepCopyInto(out *ReferencePlugins) {
	*out = r
	out.Plugins = slices.Clone(r.Plugins)
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

func cloneEach[T any](in []T, clone func(*T) T) []T {
	if in == nil {
		return nil
	}
	out := make([]T, len(in))
	for i := range in {
		out[i] = clone(&in[i])
	}
	return out
}
