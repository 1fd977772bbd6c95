package installer_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/multus"
)

// TestUpgradeThroughAllManifestsAndBack installs one release of each embedded
// manifest over the one before, with nodes that roll, and then all the way
// back. Down must end where up began: nothing of a newer release is left.
func TestUpgradeThroughAllManifestsAndBack(t *testing.T) {
	fresh(t, threeNodes()[:2]...)
	c, _ := newClient(t, server.Config())
	versions := []string{"v4.0.2", "v4.1.4", "v4.2.2", "v4.2.4", "v4.3.0"}
	config := func(version string) multus.Config {
		return multus.Config{Version: version, Platform: multus.Platform{Talos: "v1.13.9", PrimaryCNI: "flannel", Architectures: []string{"amd64"}}}
	}
	up := map[string]map[string]map[string]any{}
	for _, version := range versions {
		install(t, c, config(version), multus.InstallOptions{})
		mustBeHealthy(t, c, config(version))
		up[version] = contents(objects(t, c, config(version)))
	}
	slices.Reverse(versions)
	for _, version := range versions {
		install(t, c, config(version), multus.InstallOptions{})
		mustBeHealthy(t, c, config(version))
		mustSettle(t, c, config(version))
		if diff := cmp.Diff(up[version], contents(objects(t, c, config(version)))); diff != "" {
			t.Errorf("%s after a downgrade (-upgraded +downgraded):\n%s", version, diff)
		}
	}
}
