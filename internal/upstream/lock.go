package upstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/yaml"
)

// LockFile is the name of the lock beside the manifests.
const LockFile = "manifests.lock"

const lockHeader = `# Written by internal/cmd/genmanifests; do not edit. See CONTRIBUTING.md.
#
# Where each manifest comes from. A release with a module was read out of that
# Go module, verified against the checksum database (moduleSum). A release with
# a gitTag could not be: its module is not served, or the checksum database has
# no entry for it. Its upstreamSHA256 was taken from the file at that git tag,
# and is the same as that of the verified release named by sameAs.
`

// Lock records where the embedded manifests come from.
type Lock struct {
	// Manifests are the embedded files, sorted by release.
	Manifests []Manifest `json:"manifests"`
	// Releases are all releases that have a manifest, oldest first.
	Releases []Release `json:"releases"`
}

// Manifest is one embedded file.
type Manifest struct {
	// File is its name, after the first release that has it: "v4.0.0.yaml".
	File string `json:"file"`
	// SHA256 of the embedded file, in hex.
	SHA256 string `json:"sha256"`
}

// Release is one release of Multus. Either Module and ModuleSum are set, or
// GitTag and SameAs.
type Release struct {
	// Version is the release, "v4.3.0".
	Version string `json:"version"`
	// Manifest is the embedded file that holds its objects.
	Manifest string `json:"manifest"`
	// Module is the Go module that upstream's file was read from, "path@version".
	Module string `json:"module,omitempty"`
	// ModuleSum is the module's verified hash, "h1:...".
	ModuleSum string `json:"moduleSum,omitempty"`
	// GitTag is the tag that upstream's file was read from, unverified.
	GitTag string `json:"gitTag,omitempty"`
	// SameAs is the verified release with the same file as GitTag.
	SameAs string `json:"sameAs,omitempty"`
	// UpstreamPath is the path of upstream's file.
	UpstreamPath string `json:"upstreamPath"`
	// UpstreamSHA256 of upstream's file, in hex.
	UpstreamSHA256 string `json:"upstreamSHA256"`
	// Licence is the SPDX identifier of upstream's licence.
	Licence string `json:"licence"`
}

// Verified reports whether the release was read from a verified Go module.
func (r Release) Verified() bool { return r.Module != "" }

// Find returns the release of that version.
func (l Lock) Find(version string) (Release, bool) {
	i := slices.IndexFunc(l.Releases, func(r Release) bool { return r.Version == version })
	if i < 0 {
		return Release{}, false
	}
	return l.Releases[i], true
}

// ReadLock reads the lock in dir. A missing lock is an empty one.
func ReadLock(dir string) (Lock, error) {
	path := filepath.Join(dir, LockFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Lock{}, nil
	}
	if err != nil {
		return Lock{}, err
	}
	var lock Lock
	if err := yaml.UnmarshalStrict(data, &lock); err != nil {
		return Lock{}, fmt.Errorf("%s: %w", path, err)
	}
	return lock, nil
}

// format prints the lock as LockFile holds it.
func (l Lock) format() ([]byte, error) {
	data, err := yaml.Marshal(l)
	if err != nil {
		return nil, err
	}
	return append([]byte(lockHeader), data...), nil
}

// sortReleases checks the versions and puts the oldest first.
func sortReleases(releases []Release) error {
	parsed := make(map[string]*version.Version, len(releases))
	for _, release := range releases {
		if parsed[release.Version] != nil {
			return fmt.Errorf("release %s: listed twice", release.Version)
		}
		v, err := version.ParseSemantic(release.Version)
		if err != nil || "v"+v.String() != release.Version {
			return fmt.Errorf("release %q: not a version; write it as upstream tags it, v4.3.0", release.Version)
		}
		parsed[release.Version] = v
	}
	slices.SortFunc(releases, func(a, b Release) int {
		if parsed[a.Version].LessThan(parsed[b.Version]) {
			return -1
		}
		return 1 // never equal: versions are distinct
	})
	return nil
}
