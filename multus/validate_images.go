package multus

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateImages looks at image references and at what they run on.
func (c Config) validateImages(r release) field.ErrorList {
	var errs field.ErrorList
	if c.Image != "" {
		errs = append(errs, validateMultusImage(field.NewPath("image"), c.Image)...)
	}
	for _, arch := range slices.Sorted(maps.Keys(c.ArchImages)) {
		at := field.NewPath("archImages").Key(arch)
		if !slices.Contains(architectures, arch) {
			errs = append(errs, field.NotSupported(at, arch, architectures))
		}
		errs = append(errs, validateMultusImage(at, c.ArchImages[arch])...)
	}
	if c.ReferencePlugins.Image != "" {
		errs = append(errs, validateReference(field.NewPath("referencePlugins", "image"), c.ReferencePlugins.Image)...)
	}
	if c.Registry != "" && !isRegistry(c.Registry) {
		errs = append(errs, field.Invalid(field.NewPath("registry"), c.Registry, "must be a registry host, with a path if need be, and no scheme: registry.example.com/mirror"))
	}
	if c.PinDigest && c.Image != "" {
		errs = append(errs, field.Forbidden(field.NewPath("pinDigest"), "the digest on record is the official image's; give image with its digest instead"))
	} else if c.PinDigest && r.digest == "" {
		errs = append(errs, field.Invalid(field.NewPath("pinDigest"), true, "no digest is on record for "+r.version+"; give image with its digest instead"))
	}
	return append(errs, c.validateArchitectures()...)
}

// validateArchitectures refuses nodes whose image is not built for them, and
// images of several releases.
func (c Config) validateArchitectures() field.ErrorList {
	var errs field.ErrorList
	main := imageReference{upstream: true, tag: cmp.Or(c.Version, DefaultVersion) + "-thick"}
	if c.Image != "" {
		main = parseImage(c.Image)
	}
	archs := slices.Sorted(maps.Keys(c.ArchImages))
	for _, arch := range c.Platform.Architectures {
		if slices.Contains(architectures, arch) && !slices.Contains(archs, arch) {
			archs = append(archs, arch)
		}
	}
	for _, arch := range archs {
		at := field.NewPath("archImages").Key(arch)
		image := main
		if own, ok := c.ArchImages[arch]; ok {
			image = parseImage(own)
			if a, b := image.release(), main.release(); a != "" && b != "" && a != b {
				errs = append(errs, field.Invalid(at, own, fmt.Sprintf("is %s while other nodes run %s; give all nodes images of one release", a, b)))
			}
		}
		if built := image.architectures(); built != nil && !slices.Contains(built, arch) {
			errs = append(errs, field.Required(at, fmt.Sprintf(
				"the official image of %s is built for %s and cannot start on %s nodes; %s",
				image.release(), strings.Join(built, ", "), arch, remedyFor(arch))))
		}
	}
	return errs
}

func remedyFor(arch string) string {
	newest := imageReference{upstream: true, tag: DefaultVersion + "-thick"}
	if slices.Contains(newest.architectures(), arch) {
		return "use v4.1.0 or newer, or give an image for them"
	}
	return "give an image for them"
}

// validateMultusImage looks at an image that has to hold the daemon.
func validateMultusImage(at *field.Path, image string) field.ErrorList {
	if errs := validateReference(at, image); len(errs) > 0 {
		return errs
	}
	if parseImage(image).thin() {
		return field.ErrorList{field.Invalid(at, image, "is the thin image, which lacks the daemon; use a tag that ends in -thick")}
	}
	return nil
}

func validateReference(at *field.Path, image string) field.ErrorList {
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return field.ErrorList{field.Invalid(at, image, "does not parse as an image reference: "+err.Error())}
	}
	return nil
}

// isRegistry reports whether images can be rewritten to it: the container
// runtime must not take its first part for a path on Docker Hub.
func isRegistry(registry string) bool {
	ref, err := reference.ParseNormalizedNamed(strings.TrimSuffix(registry, "/") + "/a/b")
	host, _, _ := strings.Cut(registry, "/")
	return err == nil && reference.Domain(ref) == host
}
