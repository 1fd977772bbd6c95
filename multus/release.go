package multus

import (
	"slices"
	"strconv"
	"strings"
)

// DefaultVersion is the Multus release that a zero [Config] selects: the
// newest one whose manifest is embedded.
const DefaultVersion = "v4.3.0"

// upstreamImage is the repository of the official images. Their thick tags
// are vX.Y.Z-thick; every upstream manifest says snapshot-thick instead, which
// moves (facts: multus-cni #1153, #1170).
const upstreamImage = "ghcr.io/k8snetworkplumbingwg/multus-cni"

// release is one tag of Multus 4 and what is known of it.
type release struct {
	version  string
	manifest string // file under manifests/; releases share one where upstream's is identical
	// digest of the index behind the tag vX.Y.Z-thick, as the cluster network
	// addons operator resolved and committed it when it moved to that
	// release (kubevirt/cluster-network-addons-operator
	// pkg/components/components.go at the commit in digestCommit). It was
	// not compared with the registry.
	digest       string
	digestCommit string
}

// releases holds every thick release, oldest first.
var releases = []release{
	{"v4.0.0", "v4.0.0.yaml", "", ""},
	{"v4.0.1", "v4.0.0.yaml", "sha256:42dc78591161880fadd741ccdbc1c6997d47122c4827dbc128ff591b0960b697", "a84907614"},
	{"v4.0.2", "v4.0.0.yaml", "sha256:3fbcc32bd4e4d15bd93c96def784a229cd84cca27942bf4858b581f31c97ee02", "c541e6e13"},
	{"v4.1.0", "v4.1.0.yaml", "", ""},
	{"v4.1.1", "v4.1.0.yaml", "", ""},
	{"v4.1.2", "v4.1.0.yaml", "sha256:c8bfe5bad3b5371a5677feb9e8e162da91b61bcac409c244f6f1b18c801ad006", "a8fb6c643"},
	{"v4.1.3", "v4.1.0.yaml", "", ""},
	{"v4.1.4", "v4.1.0.yaml", "sha256:16030e8320088cf74dc5fbc7dccfea40169f09722dfad15765fa28bceb8de439", "0c6cac059"},
	{"v4.2.0", "v4.1.0.yaml", "sha256:42ccc54689ea3003d3b6c7decadd85b4e296c15d3ad736da48d7e0c768d1f538", "b807e95ac"},
	{"v4.2.1", "v4.2.1.yaml", "sha256:9c8f6b79653d783dd26caf30b1374368e89c4ff265ddf064941feae5c18aa2d9", "fa7d696ad"},
	{"v4.2.2", "v4.2.1.yaml", "sha256:a60a21ee1d00c9f215b0b2fa03b3d5e384ab7ddb9ea0d231d36aef220e95a69c", "03259d272"},
	{"v4.2.3", "v4.2.3.yaml", "sha256:e93af9e533cc16ca7847aeec3b516c9b1e8891c2b95c727991e94c9b59c4970e", "a693ed884"},
	{"v4.2.4", "v4.2.3.yaml", "sha256:3c20900b5381fac7f9cbbdfac8370ea10a2f6ed7fbecc678384a9db57047abb1", "4d1273193"},
	{"v4.3.0", "v4.3.0.yaml", "sha256:2b9671447f3ea4e7e56730843dbf59445b9307246f393b61386b896d56ae51c9", "f08f8ff31"},
}

// Versions returns every Multus release that [Render] knows, oldest first.
// Each is valid as [Config] Version. The slice is the caller's own.
func Versions() []string {
	out := make([]string, 0, len(releases))
	for _, r := range releases {
		out = append(out, r.version)
	}
	return out
}

// findRelease looks up a release; "" is DefaultVersion.
func findRelease(v string) (release, bool) {
	if v == "" {
		v = DefaultVersion
	}
	i := slices.IndexFunc(releases, func(r release) bool { return r.version == v })
	if i < 0 {
		return release{}, false
	}
	return releases[i], true
}

// image is the tag that upstream published for the release.
func (r release) image() string { return upstreamImage + ":" + r.version + "-thick" }

// The features below differ between releases. Each predicate names the
// upstream change that it stands for.

// informers: the daemon lists and watches the pods of its node since v4.1.0
// and looks plugins up outside of its chroot (multus-cni #1185, #1357, #1161).
func (r release) informers() bool { return r.atLeast("v4.1.0") }

// atomicInstall: the manifest installs the shim with install_multus since
// v4.2.3 (multus-cni #1221, #1445).
func (r release) atomicInstall() bool { return r.atLeast("v4.2.3") }

// cni11: the shim answers the verbs GC and STATUS of CNI 1.1 since v4.2.0.
func (r release) cni11() bool { return r.atLeast("v4.2.0") }

// connectionLimit: the daemon can cap concurrent requests since v4.3.0
// (multus-cni #1510).
func (r release) connectionLimit() bool { return r.atLeast("v4.3.0") }

// losesDelConfig: from v4.2.1 to v4.3.0 the DEL of a conflist loses plugin
// fields, so that addresses leak (multus-cni #1521).
func (r release) losesDelConfig() bool { return r.atLeast("v4.2.1") && !r.atLeast("v4.3.1") }

func (r release) atLeast(minimum string) bool { return versionAtLeast(r.version, minimum) }

// versionAtLeast compares two versions such as "v1.13.9". A pre-release counts
// as the release, what does not parse is older than anything.
func versionAtLeast(v, minimum string) bool {
	have, ok := versionNumbers(v)
	want, _ := versionNumbers(minimum)
	return ok && slices.Compare(have[:], want[:]) >= 0
}

// versionNumbers returns major, minor and patch: "v1.13.0-alpha.1" is 1, 13, 0.
func versionNumbers(v string) (numbers [3]int, ok bool) {
	core := strings.TrimPrefix(v, "v")
	if i := strings.IndexAny(core, "-+"); i >= 0 {
		core = core[:i]
	}
	i := 0
	for part := range strings.SplitSeq(core, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || i == len(numbers) {
			return numbers, false
		}
		numbers[i] = n
		i++
	}
	return numbers, true
}
