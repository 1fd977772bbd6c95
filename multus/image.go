package multus

import (
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// upstreamPath is the path of upstream's repository on any registry that
// mirrors it.
const upstreamPath = "k8snetworkplumbingwg/multus-cni"

// releaseTag is how upstream tags thick images.
var releaseTag = regexp.MustCompile(`^(v\d+\.\d+\.\d+)-thick$`)

// movingTags name another image every so often; "" stands for latest.
var movingTags = []string{"", "latest", "latest-thick", "snapshot-thick", "stable-thick"}

// imageReference is what the reference of a Multus image tells.
type imageReference struct {
	// upstream: it is upstream's own image or a mirror's copy of it.
	upstream bool
	tag      string
	pinned   bool // by digest
}

// parseImage reads a reference. One that does not parse tells nothing.
func parseImage(image string) imageReference {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return imageReference{}
	}
	out := imageReference{upstream: strings.HasSuffix("/"+reference.Path(ref), "/"+upstreamPath)}
	if tagged, ok := ref.(reference.Tagged); ok {
		out.tag = tagged.Tag()
	}
	_, out.pinned = ref.(reference.Digested)
	return out
}

// release is the Multus release that the tag names, "" if it does not name one.
func (i imageReference) release() string {
	match := releaseTag.FindStringSubmatch(i.tag)
	if match == nil {
		return ""
	}
	return match[1]
}

// thin reports whether it is an image of the thin plugin, which holds no
// daemon and no shell (multus-cni #1103, #1251).
func (i imageReference) thin() bool {
	return i.upstream && !strings.Contains(i.tag, "thick") && (i.tag != "" || !i.pinned)
}

// moves reports whether the same reference can mean another image tomorrow.
func (i imageReference) moves() bool { return !i.pinned && slices.Contains(movingTags, i.tag) }

// architectures that the image is built for, nil if not known. Upstream's
// thick images are amd64 only before v4.1.0 (multus-cni #1297).
func (i imageReference) architectures() []string {
	switch release := i.release(); {
	case !i.upstream || release == "":
		return nil
	case !versionAtLeast(release, "v4.1.0"):
		return []string{"amd64"}
	default:
		return []string{"amd64", "arm", "arm64", "ppc64le", "s390x"}
	}
}

// imageRelease is the Multus release that an image's tag names, "" if it does
// not name one.
func imageRelease(image string) string { return parseImage(image).release() }

// mirrored puts another registry, and a path on it, in place of the image's
// own registry. An image that does not parse stays as it is.
func mirrored(image, registry string) string {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	suffix := strings.TrimPrefix(ref.String(), ref.Name())
	return strings.TrimSuffix(registry, "/") + "/" + reference.Path(ref) + suffix
}
