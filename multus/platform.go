package multus

import (
	"slices"
	"strings"
)

// Platform says what kind of cluster a [Bundle] is for. It is data: [Detect]
// fills it from a live cluster, a provisioning program fills it by hand.
// Every field may be empty; what is empty is not assumed, so the fixes that
// need it are left out.
type Platform struct {
	// Talos is the oldest Talos version among the nodes, "v1.13.9". Empty:
	// not Talos, or not known.
	Talos string `json:"talos,omitempty"`
	// PrimaryCNI is the CNI that gives pods their first interface: "cilium",
	// "flannel", "calico", "canal", "kube-ovn", "kindnet", "antrea",
	// "kube-router" or "weave". Another name needs PrimaryCNIConfig beside it.
	PrimaryCNI string `json:"primaryCNI,omitempty"`
	// PrimaryCNIConfig is the file name of its conflist in /etc/cni/net.d,
	// "05-cilium.conflist". Empty: the one that PrimaryCNI usually writes.
	PrimaryCNIConfig string `json:"primaryCNIConfig,omitempty"`
	// PrimaryCNIVersion is the cniVersion in that conflist, "1.0.0". Empty:
	// not known, then the lowest that PrimaryCNI is known to write is assumed.
	PrimaryCNIVersion string `json:"primaryCNIVersion,omitempty"`
	// Architectures of the nodes, in Go's words: "amd64", "arm64".
	Architectures []string `json:"architectures,omitempty"`
	// Kubernetes is the oldest kubelet version among the nodes, "v1.37.2".
	Kubernetes string `json:"kubernetes,omitempty"`
	// Runtime is the container runtime, "containerd://2.1.5".
	Runtime string `json:"runtime,omitempty"`
}

// IsZero reports whether nothing is said about the platform. [NewInstaller]
// then detects it.
func (p Platform) IsZero() bool {
	return p.Talos == "" && p.PrimaryCNI == "" && p.PrimaryCNIConfig == "" && p.PrimaryCNIVersion == "" &&
		len(p.Architectures) == 0 && p.Kubernetes == "" && p.Runtime == ""
}

// String describes the platform in a few words: "Talos v1.13.9, cilium, amd64".
func (p Platform) String() string {
	var parts []string
	if p.Talos != "" {
		parts = append(parts, "Talos "+p.Talos)
	}
	if p.PrimaryCNI != "" {
		parts = append(parts, p.PrimaryCNI)
	}
	parts = append(parts, p.Architectures...)
	if len(parts) == 0 {
		return "any cluster"
	}
	return strings.Join(parts, ", ")
}

// DeepCopyInto copies p into out, so that CRD types can embed it.
func (p Platform) DeepCopyInto(out *Platform) {
	*out = p
	out.Architectures = slices.Clone(p.Architectures)
}

// killsUnlimited reports whether the OS picks cgroups without a memory limit
// first when memory runs out: Talos' userspace OOM handler since v1.12.0
// (siderolabs/talos DefaultOOMCgroupRankingExpression).
func (p Platform) killsUnlimited() bool { return versionAtLeast(p.Talos, "v1.12.0") }

// runsContainerd reports whether the runtime is known to be containerd, which is
// the one that Talos has.
func (p Platform) runsContainerd() bool {
	return p.Talos != "" || strings.HasPrefix(p.Runtime, "containerd://")
}

// primaryCNI is what is known of one primary CNI.
type primaryCNI struct {
	name string
	// conflist is the file it writes into /etc/cni/net.d by default.
	conflist string
	// cniVersion is the lowest that its conflist is seen with.
	cniVersion string
	// leaks: addresses leak on pod deletion with releases that lose the DEL
	// config, because its IPAM is configured in the conflist.
	leaks bool
}

// primaryCNIs are the ones that can be recognised, by name.
var primaryCNIs = []primaryCNI{
	{"antrea", "10-antrea.conflist", "0.3.0", true},
	{"calico", "10-calico.conflist", "0.3.1", true},
	{"canal", "10-canal.conflist", "0.3.1", true},
	{"cilium", "05-cilium.conflist", "0.3.1", false},
	{"flannel", "10-flannel.conflist", "0.3.1", false},
	{"kindnet", "10-kindnet.conflist", "0.3.1", true},
	{"kube-ovn", "01-kube-ovn.conflist", "0.3.1", true},
	{"kube-router", "10-kuberouter.conflist", "0.3.0", true},
	{"weave", "10-weave.conflist", "0.3.0", true},
}

func findPrimaryCNI(name string) (primaryCNI, bool) {
	i := slices.IndexFunc(primaryCNIs, func(c primaryCNI) bool { return c.name == name })
	if i < 0 {
		return primaryCNI{}, false
	}
	return primaryCNIs[i], true
}

// primaryConfig is the conflist that Multus must delegate to, "" if unknown.
func (p Platform) primaryConfig() string {
	if p.PrimaryCNIConfig != "" {
		return p.PrimaryCNIConfig
	}
	cni, _ := findPrimaryCNI(p.PrimaryCNI)
	return cni.conflist
}

// primarySpeaks is the cniVersion of that conflist, "" if unknown.
func (p Platform) primarySpeaks() string {
	if p.PrimaryCNIVersion != "" {
		return p.PrimaryCNIVersion
	}
	cni, _ := findPrimaryCNI(p.PrimaryCNI)
	return cni.cniVersion
}
