package lab

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/multihome/multihome/multus"
)

// images writes the images that every node has, named as the objects that ask for them do, and returns the
// archives.
func (p *programs) images(o Options) ([]string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "multihome", "e2e", "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	images := []image{p.podImage()}
	if o.PrimaryCNI == Flannel {
		images = append(images, p.flannelImage())
	}
	for i, release := range o.Multus {
		wanted, err := p.bundleImages(release, i == 0)
		if err != nil {
			return nil, err
		}
		images = append(images, wanted...)
	}
	if o.Thin {
		images = append(images, p.thinImage())
	}
	var archives []string
	for _, i := range images {
		archive, err := i.write(dir)
		if err != nil {
			return nil, err
		}
		archives = append(archives, archive)
	}
	return sorted(archives), nil
}

// bundleImages are those of a Bundle for Talos. The newest release is snapshot-thick too, which upstream's
// manifest asks for.
func (p *programs) bundleImages(release string, snapshot bool) ([]image, error) {
	bundle, err := multus.Render(multus.Config{Version: release, Platform: multus.Platform{Talos: "v1.13.9"}})
	if err != nil {
		return nil, err
	}
	var images []image
	for _, n := range bundle.Images() {
		repository, _, _ := strings.Cut(n, ":")
		switch {
		case path.Base(repository) != "multus-cni":
			plugins, err := p.pluginsImage(n)
			if err != nil {
				return nil, err
			}
			images = append(images, plugins)
		case snapshot:
			images = append(images, p.multusImage(release, n, repository+":snapshot-thick"))
		default:
			images = append(images, p.multusImage(release, n))
		}
	}
	return images, nil
}

func (p *programs) podImage() image {
	return image{
		names: []string{PodImage}, entrypoint: "/podbox",
		files: map[string]string{"/podbox": filepath.Join(p.own, "podbox")},
	}
}

// multusImage is like upstream's thick image where Multus and its init container notice.
func (p *programs) multusImage(release string, names ...string) image {
	const bin = "/usr/src/multus-cni/bin/"
	i := withShell(image{
		names: names, entrypoint: bin + "multus-daemon", files: map[string]string{},
		text: map[string]string{"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"}, // or the daemon crashes
		// CNI_NETNS is in /var/run/netns, the mount at /run/netns.
		links: map[string]string{"/var/run": "/run"},
	})
	for target, program := range map[string]string{
		"multus-daemon": "multus-daemon", "multus-shim": "multus-shim", "install_multus": "install_multus",
		"passthru": "passthru-cni", // install_multus looks for that name
	} {
		file := filepath.Join(p.multus[release], program)
		if _, err := os.Stat(file); err == nil { // older releases have no passthru
			i.files[bin+target] = file
		}
	}
	return i
}

// pluginsImage holds the reference plugins and what the script that installs them calls.
func (p *programs) pluginsImage(n string) (image, error) {
	i := withShell(image{names: []string{n}, entrypoint: "/bin/sh", files: map[string]string{}, links: map[string]string{}})
	plugins, err := names(p.plugins)
	for _, plugin := range plugins {
		i.files["/plugins/"+plugin] = filepath.Join(p.plugins, plugin)
	}
	return i, err
}

// withShell adds a shell and the tools that a script expects.
func withShell(i image) image {
	i.files[busybox] = busybox
	for _, tool := range []string{"sh", "cat", "chmod", "cp", "grep", "ls", "mkdir", "mv", "rm", "rmdir", "sha256sum", "sleep", "sync"} {
		i.links["/bin/"+tool] = "busybox"
	}
	return i
}
