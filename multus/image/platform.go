package image

import (
	"cmp"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// platform is an operating system and an architecture, with its variant in the
// one spelling that container runtimes compare: "linux/arm64" and
// "linux/arm64/v8" are one.
type platform struct{ os, arch, variant string }

// parsePlatform reads "linux/arm64".
func parsePlatform(text string) (platform, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return platform{}, fmt.Errorf("platform %q: write it as linux/arm64", text)
	}
	if _, known := machines[parts[1]]; !known {
		return platform{}, fmt.Errorf("platform %q: architecture %q is none that Linux nodes have", text, parts[1])
	}
	p := platform{os: parts[0], arch: parts[1]}
	if len(parts) == 3 {
		p.variant = parts[2]
	}
	return p.normal(), nil
}

// normal leaves out the variant that goes without saying.
func (p platform) normal() platform {
	switch p.arch + "/" + p.variant {
	case "arm64/v8", "arm64/8", "amd64/v1":
		p.variant = ""
	case "arm/7", "arm/":
		p.variant = "v7"
	case "arm/5", "arm/6", "arm/8":
		p.variant = "v" + p.variant
	}
	return p
}

// platformOf is what an index or a configuration says.
func platformOf(said v1.Platform) platform {
	return platform{os: said.OS, arch: said.Architecture, variant: said.Variant}.normal()
}

// String is "linux/arm64" or "linux/arm/v7".
func (p platform) String() string {
	out := cmp.Or(p.os, "unknown") + "/" + cmp.Or(p.arch, "unknown")
	if p.variant != "" {
		out += "/" + p.variant
	}
	return out
}

// known reports whether it says something: what builders attach to an index
// beside images (attestations) does not.
func (p platform) known() bool {
	return p.os != "" && p.os != "unknown" && p.arch != "" && p.arch != "unknown"
}

// taken returns what a node of p takes from an index, best first: containerd
// falls back to older and narrower architectures where its own is missing
// (containerd/platforms, compare.go).
func (p platform) taken() []platform {
	out := []platform{p}
	arm := func(variants ...string) {
		for _, v := range variants {
			out = append(out, platform{os: p.os, arch: "arm", variant: v})
		}
	}
	switch p.arch + "/" + p.variant {
	case "arm64/":
		arm("v8", "v7", "v6", "v5")
	case "arm/v8":
		arm("v7", "v6", "v5")
	case "arm/v7":
		arm("v6", "v5")
	case "arm/v6":
		arm("v5")
	case "amd64/":
		out = append(out, platform{os: p.os, arch: "386"})
	}
	return out
}
