package nad

import (
	"slices"
)

// cniVersions are those that the reference plugins know, in their order. They
// compare text: "0.4" is none of them.
var cniVersions = []string{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}

// atLeast reports whether version is not older than least. "" is 0.1.0.
func atLeast(version, least string) bool {
	if version == "" {
		version = cniVersions[0]
	}
	return slices.Index(cniVersions, version) >= slices.Index(cniVersions, least)
}

// chooseVersion returns the newest version that all plugins understand: 1.0.0
// for reference plugins since v1.0.0 (1.1.0 would need v1.6.0), and for others
// 0.3.1, which they all document, or what another plugin of the chain needs.
func chooseVersion(plugins []Plugin) string {
	version := "1.0.0"
	for _, p := range plugins {
		if kind, known := kindOf(p.Type()); !known || kind.noNewVersion {
			version = "0.3.1"
		}
	}
	for _, p := range plugins {
		if kind, _ := kindOf(p.Type()); kind.minVersion != "" && !atLeast(version, kind.minVersion) {
			version = kind.minVersion
		}
	}
	return version
}
