package kubevirt

import (
	"strconv"
	"strings"

	"github.com/multihome/multihome"
)

// A release is a minor release of KubeVirt, whose major is 1 since 2023.
type release int

// releaseOf returns the minor release of "v1.9.0", "1.9" or "v1.9.0-rc.1".
func releaseOf(version string) (release, bool) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return 0, false
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil || major < 0 || minor < 0 {
		return 0, false
	}
	const minors = 1000
	return release((major-1)*minors + min(minor, minors-1)), true
}

// What each release brought; api/core/v1 and pkg/virt-config/featuregate of
// kubevirt v1.9.0 say so.
const (
	hotplugAlpha  release = 1
	hotplugStable release = 4 // without a feature gate
	managedTap    release = 4
	passtBinding  release = 8
	portRanges    release = 9
	resourceClaim release = 9
	networkGate   release = 8 // networkName of a running VM, with the feature gate LiveUpdateNADRef
	networkStable release = 9
)

func (r release) String() string { return "v1." + strconv.Itoa(int(r)) }

var tooOld = rule{
	"version", multihome.SeverityError, "update KubeVirt, or do without",
	"kubevirt pkg/virt-config/featuregate and api/core/v1 at v1.9.0",
}

// lacks reports whether KubeVirt is known to be older than a release.
func (c Cluster) lacks(since release) bool {
	r, known := releaseOf(c.Version)
	return known && r < since
}

// features reports what an older KubeVirt does not know: its API drops the
// field without a word, so that admission does not see it either.
func (c *check) features(p *pair) {
	need := func(has bool, since release, path, what string) {
		if has && c.cluster.lacks(since) {
			c.report(tooOld, path, "%s needs KubeVirt %s, and %s does not know it", what, since, c.cluster.Version)
		}
	}
	need(p.binding == bindingPasst, passtBinding, p.ifacePath+".passtBinding", "the core binding passt")
	need(len(p.iface.PortRanges) > 0, portRanges, p.ifacePath+".portRanges", "a range of ports")
	need(p.source.ResourceClaim != nil, resourceClaim, p.srcPath+".resourceClaim", "a network of a resource claim")
	need(p.binding == bindingManagedTap, managedTap, p.ifacePath+".binding", "domainAttachmentType managedTap")
}
