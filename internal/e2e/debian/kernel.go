package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Kernel is Debian's kernel as its package has it, with the index of its modules that modprobe reads.
type Kernel struct {
	// Version as uname -r prints it: 6.1.0-48-amd64.
	Version string
	// Dir is the directory on this machine that holds what the package has: boot/vmlinuz-VERSION and
	// lib/modules/VERSION.
	Dir string
}

// Image is the file to boot.
func (k Kernel) Image() string { return filepath.Join(k.Dir, "boot", "vmlinuz-"+k.Version) }

// Modules is the directory of the kernel's modules.
func (k Kernel) Modules() string { return filepath.Join(k.Dir, "lib", "modules", k.Version) }

// kmod brings depmod, and modprobe for those who use the modules.
var kmod = Package{"kmod", "/sbin/depmod", "indexes and loads the kernel's modules"}

// FetchKernel returns the newest kernel that apt-get knows of for this machine's architecture. It is kept in the
// user's cache directory, under multihome/e2e, 400 MB a version. Nothing is installed but, where it is missing, kmod.
func FetchKernel(ctx context.Context, progress io.Writer) (Kernel, error) {
	if err := Need(ctx, progress, kmod); err != nil {
		return Kernel{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Kernel{}, err
	}
	name, version, err := newestKernel(ctx)
	if err != nil {
		return Kernel{}, err
	}
	k := Kernel{
		Version: strings.TrimPrefix(name, imagePrefix),
		Dir:     filepath.Join(cache, "multihome", "e2e", name+"_"+version),
	}
	if _, err := os.Stat(k.Dir); err == nil {
		return k, nil
	}
	fmt.Fprintf(progress, "e2e: downloading %s %s into %s\n", name, version, k.Dir)
	if err := k.fetch(ctx, name+"="+version); err != nil {
		return Kernel{}, fmt.Errorf("%s %s: %w", name, version, err)
	}
	return k, nil
}

// fetch puts the package's content into k.Dir, so that it is whole or not there.
func (k Kernel) fetch(ctx context.Context, wanted string) error {
	if err := os.MkdirAll(filepath.Dir(k.Dir), 0o755); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(k.Dir), "unfinished-kernel-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	content := filepath.Join(unfinished, "content")
	if _, err := output(ctx, unfinished, "apt-get", "--quiet=2", "download", wanted); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(unfinished, "*.deb"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("apt-get download: made the files %q, want one: %w", archives, err)
	}
	if _, err := output(ctx, "", "dpkg-deb", "--extract", archives[0], content); err != nil {
		return err
	}
	if _, err := output(ctx, "", kmod.File, "--basedir", content, k.Version); err != nil {
		return err
	}
	err = os.Rename(content, k.Dir)
	if errors.Is(err, os.ErrExist) { // somebody else was faster
		return nil
	}
	return err
}

const imagePrefix = "linux-image-"

// newestKernel returns the package, and its version, that the newest kernel of this architecture is.
func newestKernel(ctx context.Context) (name, version string, err error) {
	newest := imagePrefix + runtime.GOARCH
	out, err := output(ctx, "", "apt-cache", "show", "--no-all-versions", newest)
	if err != nil { // a machine that has never fetched the lists
		if err := update(ctx); err != nil {
			return "", "", err
		}
		if out, err = output(ctx, "", "apt-cache", "show", "--no-all-versions", newest); err != nil {
			return "", "", err
		}
	}
	if name, version, err = ImageDependency(string(out)); err != nil {
		return "", "", fmt.Errorf("package %s: %w", newest, err)
	}
	return name, version, nil
}

// ImageDependency returns the kernel's package and its version that a package without content of its own, such as
// linux-image-amd64, depends on, from what apt-cache show prints of that.
func ImageDependency(control string) (name, version string, err error) {
	for line := range strings.Lines(control) {
		// "Depends: linux-image-6.1.0-48-amd64 (= 6.1.172-1)"
		depends, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: ")
		if !ok {
			continue
		}
		for dependency := range strings.SplitSeq(depends, ", ") {
			name, version, exact := strings.Cut(strings.TrimSuffix(dependency, ")"), " (= ")
			if exact && strings.HasPrefix(name, imagePrefix) {
				return name, version, nil
			}
		}
	}
	return "", "", errors.New("depends on no kernel of one version")
}
