package image

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome/multus"
)

// target is the repository that the image is copied to, and its tag, if it has
// one.
func (m *mirror) target(registry string) (name.Repository, string, error) {
	ref, err := reference.ParseNormalizedNamed(m.image)
	if err != nil {
		return name.Repository{}, "", err
	}
	tag := ""
	if tagged, ok := ref.(reference.Tagged); ok {
		tag = tagged.Tag()
	} else if _, pinned := ref.(reference.Digested); !pinned {
		tag = "latest" // as a container runtime reads it
	}
	parsed, err := m.options.Registry.parse(strings.TrimSuffix(registry, "/") + "/" + reference.Path(ref))
	if err != nil {
		return name.Repository{}, "", fmt.Errorf("registry %q: %w", registry, err)
	}
	return parsed.Context(), tag, nil
}

// mirroredConfig is the Config of the Bundle with the copies in place of the
// images.
func mirroredConfig(bundle *multus.Bundle, copied map[string]string) multus.Config {
	var config multus.Config
	bundle.Config.DeepCopyInto(&config)
	config.Version = bundle.Version
	config.Registry, config.PinDigest = "", false
	// This fix is the one that uses Image.
	config.Skip = slices.DeleteFunc(config.Skip, func(fix string) bool { return fix == "image-pin" })
	first := bundle.DaemonSets[0]
	config.Image = copied[imageOf(first.Spec.Template.Spec.Containers, "kube-multus")]
	if plugins := imageOf(first.Spec.Template.Spec.InitContainers, "install-reference-plugins"); plugins != "" {
		config.ReferencePlugins.Image = copied[plugins]
	}
	for _, ds := range bundle.DaemonSets[1:] {
		arch, _ := strings.CutPrefix(ds.Name, first.Name+"-")
		if _, ok := config.ArchImages[arch]; ok {
			config.ArchImages[arch] = copied[imageOf(ds.Spec.Template.Spec.Containers, "kube-multus")]
		}
	}
	if len(config.Patches) > 0 {
		config.Patches = append(config.Patches, mirrorPatch(copied))
	}
	return config
}

func imageOf(containers []corev1.Container, name string) string {
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == name })
	if i < 0 {
		return ""
	}
	return containers[i].Image
}

// mirrorPatch replaces images that patches before it bring.
func mirrorPatch(copied map[string]string) multus.Patch {
	return multus.Patch{
		Name: "mirror", Reason: "images of other patches come from the mirror too",
		Apply: func(b *multus.Bundle) error {
			for _, ds := range b.DaemonSets {
				for _, containers := range [][]corev1.Container{ds.Spec.Template.Spec.InitContainers, ds.Spec.Template.Spec.Containers} {
					for i := range containers {
						if to, ok := copied[containers[i].Image]; ok {
							containers[i].Image = to
						}
					}
				}
			}
			return nil
		},
	}
}
