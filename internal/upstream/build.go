package upstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/multihome/multihome/internal/manifest"
)

// Unverified returns the entry of a release whose module cannot be verified,
// from its thick manifest at the git tag of the same name. [Build] accepts it
// only beside a verified release with the same file.
func Unverified(version string, data []byte) Release {
	return Release{
		Version:        version,
		GitTag:         version,
		UpstreamPath:   manifestPaths[0],
		UpstreamSHA256: hash(data),
	}
}

// Tree is what the manifests directory must hold.
type Tree struct {
	Lock  Lock
	Files map[string][]byte // manifests by file name
}

// Build fetches every verified release of the lock again and returns the
// directory that follows from them. Of a release only the version is read, and
// of an unverified one also its gitTag, upstreamPath and upstreamSHA256.
// The errors of all releases are reported at once.
func Build(ctx context.Context, lock Lock, fetch Fetch) (Tree, error) {
	releases := slices.Clone(lock.Releases)
	if err := sortReleases(releases); err != nil {
		return Tree{}, err
	}
	contents := make(map[string][]byte) // canonical manifest by version
	var errs []error
	for i := range releases {
		if releases[i].GitTag != "" {
			continue
		}
		content, err := buildVerified(ctx, &releases[i], fetch)
		if ctx.Err() != nil {
			return Tree{}, err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("release %s: %w", releases[i].Version, err))
			continue
		}
		contents[releases[i].Version] = content
	}
	if err := errors.Join(errs...); err != nil {
		return Tree{}, err
	}
	for i := range releases {
		if releases[i].GitTag == "" {
			continue
		}
		if err := matchVerified(&releases[i], releases); err != nil {
			return Tree{}, err
		}
		contents[releases[i].Version] = contents[releases[i].SameAs]
	}
	return newTree(releases, contents), nil
}

// buildVerified fills in the release from its module and returns its manifest.
func buildVerified(ctx context.Context, release *Release, fetch Fetch) ([]byte, error) {
	module, err := fetch(ctx, release.Version)
	if err != nil {
		return nil, err
	}
	if err := module.checkLicence(); err != nil {
		return nil, err
	}
	path, data, err := module.Manifest()
	if err != nil {
		return nil, err
	}
	*release = Release{
		Version:        release.Version,
		Module:         ModulePath + "@" + release.Version,
		ModuleSum:      module.Sum,
		UpstreamPath:   path,
		UpstreamSHA256: hash(data),
		Licence:        licence,
	}
	content, err := canonical(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return content, nil
}

// matchVerified fills in an unverified release from the oldest verified one
// with the same file.
func matchVerified(release *Release, releases []Release) error {
	i := slices.IndexFunc(releases, func(r Release) bool {
		return r.Verified() && r.UpstreamSHA256 == release.UpstreamSHA256
	})
	if i < 0 {
		return fmt.Errorf("release %s: no verified release has a file with sha256 %s; "+
			"its manifest cannot be embedded", release.Version, release.UpstreamSHA256)
	}
	*release = Release{
		Version:        release.Version,
		GitTag:         release.GitTag,
		SameAs:         releases[i].Version,
		UpstreamPath:   release.UpstreamPath,
		UpstreamSHA256: release.UpstreamSHA256,
		Licence:        releases[i].Licence,
	}
	return nil
}

// newTree gives each distinct manifest the name of the first release that has it.
func newTree(releases []Release, contents map[string][]byte) Tree {
	tree := Tree{Files: make(map[string][]byte)}
	byHash := make(map[string]string)
	for i := range releases {
		content := contents[releases[i].Version]
		sum := hash(content)
		if byHash[sum] == "" {
			file := releases[i].Version + ".yaml"
			byHash[sum] = file
			tree.Files[file] = content
			tree.Lock.Manifests = append(tree.Lock.Manifests, Manifest{File: file, SHA256: sum})
		}
		releases[i].Manifest = byHash[sum]
	}
	tree.Lock.Releases = releases
	return tree
}

// Write makes dir hold the tree: manifests that are not in it are removed, the
// lock is written last.
func (t Tree) Write(dir string) error {
	lock, err := t.Lock.format()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := manifestFiles(dir)
	if err != nil {
		return err
	}
	for _, file := range old {
		if _, keep := t.Files[file]; keep {
			continue
		}
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	for file, content := range t.Files {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, LockFile), lock, 0o644)
}

// manifestFiles returns the names of the manifests in dir.
func manifestFiles(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	return paths, nil
}

// canonical returns upstream's file as it is embedded.
func canonical(data []byte) ([]byte, error) {
	objects, err := manifest.Parse(data)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, errors.New("holds no objects")
	}
	return manifest.Format(objects...)
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
