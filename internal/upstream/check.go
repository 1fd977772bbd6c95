package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Report says how far a [Check] reached.
type Report struct {
	Upstream   []string // releases compared with upstream's file
	LockOnly   []string // verified releases whose module was not at hand: compared with the lock
	Unverified []string // releases without a verified module: their recorded sha256 was compared
}

// Check compares dir with its lock, and the lock with the modules that fetch
// has; a release for which fetch returns [ErrNotCached] is compared with the
// lock only and reported so. All differences are reported at once.
func Check(ctx context.Context, dir string, fetch Fetch) (Report, error) {
	lock, err := ReadLock(dir)
	if err != nil {
		return Report{}, err
	}
	if len(lock.Releases) == 0 {
		return Report{}, fmt.Errorf("%s: names no release", filepath.Join(dir, LockFile))
	}
	files, errs := readFiles(dir, lock)
	errs = append(errs, checkLock(dir, lock)...)

	var report Report
	for _, release := range lock.Releases {
		if !release.Verified() {
			report.Unverified = append(report.Unverified, release.Version)
			continue
		}
		err := checkRelease(ctx, release, files[release.Manifest], fetch)
		switch {
		case ctx.Err() != nil:
			return Report{}, err
		case errors.Is(err, ErrNotCached):
			report.LockOnly = append(report.LockOnly, release.Version)
		case err != nil:
			errs = append(errs, fmt.Errorf("release %s: %w", release.Version, err))
		default:
			report.Upstream = append(report.Upstream, release.Version)
		}
	}
	return report, errors.Join(errs...)
}

// readFiles reads the manifests of the lock and reports those that differ from
// it, are missing or are too many.
func readFiles(dir string, lock Lock) (map[string][]byte, []error) {
	var errs []error
	files := make(map[string][]byte)
	for _, m := range lock.Manifests {
		content, err := os.ReadFile(filepath.Join(dir, m.File))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if got := hash(content); got != m.SHA256 {
			errs = append(errs, fmt.Errorf("%s: sha256 is %s, the lock says %s", m.File, got, m.SHA256))
		}
		files[m.File] = content
	}
	present, err := manifestFiles(dir)
	if err != nil {
		errs = append(errs, err)
	}
	for _, file := range present {
		if !slices.ContainsFunc(lock.Manifests, func(m Manifest) bool { return m.File == file }) {
			errs = append(errs, fmt.Errorf("%s: not in the lock", file))
		}
	}
	return files, errs
}

// checkLock reports what in the lock contradicts itself.
func checkLock(dir string, lock Lock) []error {
	var errs []error
	for _, release := range lock.Releases {
		switch same, found := lock.Find(release.SameAs); {
		case !slices.ContainsFunc(lock.Manifests, func(m Manifest) bool { return m.File == release.Manifest }):
			errs = append(errs, fmt.Errorf("release %s: manifest %q is not in the lock", release.Version, release.Manifest))
		case release.Verified() == (release.GitTag != ""):
			errs = append(errs, fmt.Errorf("release %s: needs either a module or a gitTag", release.Version))
		case release.Verified():
		case !found || !same.Verified() || same.UpstreamSHA256 != release.UpstreamSHA256 || same.Manifest != release.Manifest:
			errs = append(errs, fmt.Errorf("release %s: sameAs %q is not a verified release with the same file",
				release.Version, release.SameAs))
		}
	}
	want, err := lock.format()
	if err != nil {
		return append(errs, err)
	}
	got, err := os.ReadFile(filepath.Join(dir, LockFile))
	if err != nil {
		return append(errs, err)
	}
	if !bytes.Equal(got, want) {
		errs = append(errs, fmt.Errorf("%s: not as the generator writes it", LockFile))
	}
	return errs
}

// checkRelease compares a verified release and its embedded manifest with the module.
func checkRelease(ctx context.Context, want Release, embedded []byte, fetch Fetch) error {
	got := Release{Version: want.Version}
	content, err := buildVerified(ctx, &got, fetch)
	if err != nil {
		return err
	}
	got.Manifest = want.Manifest
	if got != want {
		return fmt.Errorf("upstream is %+v, the lock says %+v", got, want)
	}
	if !bytes.Equal(content, embedded) {
		return fmt.Errorf("%s: differs from upstream's %s", want.Manifest, want.UpstreamPath)
	}
	return nil
}
