package image

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/multihome/multihome"
)

// entry is one image of an index, and what platform it is said to be for.
type entry struct {
	v1.Descriptor
	platform platform
	document *document // if it was read already
}

// mostNested indexes may lie in one another.
const mostNested = 4

// entries returns the images of an index, those of indexes in it too, or the
// one image that there is.
func (v *verification) entries(ctx context.Context, root document) ([]entry, error) {
	if root.image != nil {
		p, err := v.saidBy(ctx, root)
		return []entry{{Descriptor: root.Descriptor, platform: p, document: &root}}, err
	}
	var out []entry
	err := v.collect(ctx, root, &out, 0)
	return out, err
}

func (v *verification) collect(ctx context.Context, from document, out *[]entry, depth int) error {
	for _, desc := range from.index.Manifests {
		if len(*out) >= v.limits.Manifests {
			return &LimitError{What: "number of images in the index", Limit: int64(v.limits.Manifests)}
		}
		switch {
		case desc.MediaType.IsIndex():
			if depth >= mostNested {
				return &LimitError{What: "number of indexes within one another", Limit: mostNested}
			}
			nested, err := v.source.get(ctx, desc)
			if err != nil {
				return err
			}
			if nested.index == nil {
				return fmt.Errorf("index %s: is an image", desc.Digest)
			}
			// An index without images is not free.
			v.limits.Manifests--
			if err := v.collect(ctx, nested, out, depth+1); err != nil {
				return err
			}
		case desc.Platform != nil:
			*out = append(*out, entry{Descriptor: desc, platform: platformOf(*desc.Platform)})
		default: // then its configuration counts, as it does for containerd
			doc, err := v.source.get(ctx, desc)
			if err != nil {
				return err
			}
			p, err := v.saidBy(ctx, doc)
			if err != nil {
				return err
			}
			*out = append(*out, entry{Descriptor: desc, platform: p, document: &doc})
		}
	}
	return nil
}

// saidBy is the platform in an image's configuration, the zero one for what has
// none.
func (v *verification) saidBy(ctx context.Context, doc document) (platform, error) {
	config, err := v.config(ctx, doc)
	return config.platform(), err
}

// configFile is what is needed of an image's configuration.
type configFile struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant"`
	Config       struct {
		Env []string `json:"Env"`
	} `json:"config"`
}

func (c configFile) platform() platform {
	return platformOf(v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant})
}

// path is where a container runtime looks for a program that has no path.
func (c configFile) path() []string {
	for _, env := range c.Config.Env {
		if value, ok := strings.CutPrefix(env, "PATH="); ok {
			return strings.Split(value, ":")
		}
	}
	// containerd's own, oci.WithDefaultPathEnv.
	return []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
}

func (v *verification) config(ctx context.Context, doc document) (configFile, error) {
	var config configFile
	if doc.image == nil {
		return config, nil
	}
	body, err := v.source.blob(ctx, doc.image.Config)
	if err != nil {
		return config, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	raw, err := readAll(ctx, body, "configuration", doc.image.Config, v.limits.Manifest)
	v.fetched += int64(len(raw))
	if err != nil {
		return config, err
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return config, fmt.Errorf("configuration %s: %w", digestName(doc.image.Config.Digest), err)
	}
	return config, nil
}

// choose returns the entry that a node of p takes.
func choose(entries []entry, p platform) (entry, bool) {
	for _, taken := range p.taken() {
		if i := slices.IndexFunc(entries, func(e entry) bool { return e.platform == taken }); i >= 0 {
			return entries[i], true
		}
	}
	return entry{}, false
}

// reportOthers lists what else the index holds, and tells of the entry that
// upstream's build gets wrong.
func (v *verification) reportOthers(entries []entry, wanted []platform) {
	for _, e := range entries {
		if !e.platform.known() || slices.Contains(wanted, e.platform) || slices.Contains(v.report.Others, e.platform.String()) {
			continue
		}
		v.report.Others = append(v.report.Others, e.platform.String())
		arm64 := platform{os: e.platform.os, arch: "arm64"}
		if e.platform == (platform{os: e.platform.os, arch: "arm", variant: "v8"}) && slices.Contains(wanted, arm64) {
			if first, _ := choose(entries, arm64); first.platform == arm64 {
				v.add(multihome.SeverityInfo, "image/arm-v8", e.platform,
					"is an entry that no node asks for, beside linux/arm64; in official images it holds amd64 programs", "",
					"multus-cni hack/build-go.sh has no case for linux/arm/v8; ef8f01b29")
			}
		}
	}
}
