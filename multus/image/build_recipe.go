package image

import (
	_ "embed"
	"path"
	"strings"

	"github.com/multihome/multihome/multus/image/internal/toolchain"
)

// Modules that images are built from.
const (
	multusModule   = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
	pluginsModule  = "github.com/containernetworking/plugins"
	pluginsVersion = "v1.9.1"
)

// multusSums are the hashes of the releases of Multus, and of their go.mod, as
// the checksum database has them: with these on record a module is verified
// where the database cannot be asked. For v4.2.1 it has none.
var multusSums = map[string][2]string{
	"v4.1.0": {"h1:NXTa5NYhbsmQwhtUdSUuT8cwm48wCNpd1SXHSzgg7XI=", "h1:7Hf0iSEGFFUJ1/bD87pkCC1rKGCuyWawst7U4YHqOiw="},
	"v4.1.1": {"h1:nczaBi4g5SLkknDkWqYsmsD11JCjvykLR9a0y+bcTyA=", "h1:Tr72nXPae7Q1jtrkl+OXMY7C3Q2fL9EkzoXm3TyOhBE="},
	"v4.1.2": {"h1:WlsNIV3g9BAHX6f6HbCmXqwphePyFTeMf/o6mMK/srU=", "h1:tDBw1dugyqB3rHi8EbXUQusalu/VWQg6gbVlIgCpHa4="},
	"v4.1.3": {"h1:3ZWD4HY6Ybcshw1JPZ9JgpN7E+8qua6abBdwIflRJzQ=", "h1:JzERWSpaMAHHSIGP7tUiCzENwBb21NzVoXxYDuirpJE="},
	"v4.1.4": {"h1:+/aWUXBRWdNaEwjV74ExSP0J9OTd1z+ZcELPtywc1zg=", "h1:UwswLRnssTB8pkghJOa+C30ghyXLwRSAbOIVAWbRNvA="},
	"v4.2.0": {"h1:GxEdBuQohpg8cgPbhRKEyHF+zbrFaHbuE78KYPsgAN0=", "h1:VI/X1+BzpwTKFv3yItWwNjkiOMEqjKmFW9Bpvxg7cvU="},
	"v4.2.2": {"h1:4RN85m1tvk4mF92NgXX2UO5tKxsdJpE8kOlK7aAH9DE=", "h1:riY8/U2dSjStqzhDmbXEkDxmAb/MV1e2Fc7zQ9GxGd4="},
	"v4.2.3": {"h1:bvYZ4IAOM7JXHZAUuMykB5pAxJZbqhqhecVbmSz8O3Y=", "h1:5gCGKjZtvBTW8uzoaNumoumXIl1bdNFPGWuKFiwjKv0="},
	"v4.2.4": {"h1:g6NbzY8atlR1OvOTzOW43i7hCLiIZmg1I6UxJJ7/FVM=", "h1:0zZL8OlrgJyLZUKfjltGLY3S4gItY27+jEZhi0C7cFE="},
	"v4.3.0": {"h1:kPiUUo48VIwd2oIHydo2kkvHkrnJ+E6Pz+KWziqkpFg=", "h1:PggEEd8fi0TFugzRoiMG4ghprW5l+yQT9aQTPwgErQA="},
}

// pluginsSums are those of the reference plugins.
var pluginsSums = [2]string{"h1:8oU6WsIsU3bpnNZuvHp74a6cE1MJwbj2P7s4/yTUNlA=", "h1:fj7kS55qg3o/RgS+WGsF3+ZxwIImMPusQZKzBpcSr4c="}

// component is a set of commands of one module, and a layer of the image.
type component struct {
	name   string
	module toolchain.Module
	// sources in place of a module: files of one of our own.
	sources  map[string]string
	patterns []string
	// variables that the linker sets.
	variables []string
	// place is where a program goes in the image.
	place func(program string) string
	// more files besides the programs, given those of the module.
	more func(module moduleFiles) ([]layerFile, error)
}

// recipe is what an image is made of.
type recipe []component

// recipeFor returns the recipe of a release.
func recipeFor(version string, plugins bool) recipe {
	r := recipe{toolboxComponent(), multusComponent(version)}
	if plugins {
		r = append(r, pluginsComponent())
	}
	return r
}

// multusBin is where upstream's image has its programs: install_multus and
// every manifest know the path.
const multusBin = "usr/src/multus-cni/bin/"

// multusComponent has all commands of Multus, as upstream's image has.
func multusComponent(version string) component {
	sums := multusSums[version]
	return component{
		name:     "multus",
		module:   toolchain.Module{Path: multusModule, Version: version, Sum: sums[0], GoModSum: sums[1]},
		patterns: []string{multusModule + "/cmd/..."},
		variables: []string{
			multusModule + "/pkg/multus.version=" + version,
			multusModule + "/pkg/multus.gitTreeState=built by multihome",
		},
		place: func(program string) string {
			if program == "passthru-cni" {
				program = "passthru" // the name that install_multus looks for
			}
			return multusBin + program
		},
		more: func(module moduleFiles) ([]layerFile, error) {
			texts, err := module.texts("LICENSE", "NOTICE")
			if err != nil {
				return nil, err
			}
			files := []layerFile{{path: "cert-approver", link: "/" + multusBin + "cert-approver"}}
			for name, text := range texts {
				files = append(files, layerFile{path: "usr/src/multus-cni/" + name, mode: 0o644, data: text})
			}
			return files, nil
		},
	}
}

// pluginsComponent has the reference plugins where the reference-plugins fix of
// package multus looks for them.
func pluginsComponent() component {
	const all = pluginsModule + "/plugins/"
	return component{
		name:      "plugins",
		module:    toolchain.Module{Path: pluginsModule, Version: pluginsVersion, Sum: pluginsSums[0], GoModSum: pluginsSums[1]},
		patterns:  []string{all + "main/...", all + "meta/...", all + "ipam/..."},
		variables: []string{pluginsModule + "/pkg/utils/buildversion.BuildVersion=" + pluginsVersion},
		place:     func(program string) string { return "plugins/" + program },
	}
}

// The program toolbox is compiled where the image is built, from these files.
var (
	//go:embed internal/toolbox/main.go
	toolboxMain string
	//go:embed internal/toolbox/shell.go
	toolboxShell string
	//go:embed internal/toolbox/files.go
	toolboxFiles string
	//go:embed internal/toolbox/streams.go
	toolboxStreams string
	//go:embed internal/toolbox/toolbox.mod
	toolboxMod string
	//go:embed internal/toolbox/toolbox.sum
	toolboxSum string
)

// toolboxTools are the names under which toolbox is found.
const toolboxTools = "cat chmod cp false grep ls mkdir mv rm rmdir sh sha256sum sleep sync true"

// toolboxComponent is what an image needs besides Multus: the tools, and what a
// distribution would have.
func toolboxComponent() component {
	return component{
		name: "toolbox",
		sources: map[string]string{
			"main.go": toolboxMain, "shell.go": toolboxShell, "files.go": toolboxFiles, "streams.go": toolboxStreams,
			"go.mod": toolboxMod, "go.sum": toolboxSum,
		},
		patterns: []string{"."},
		place:    func(program string) string { return path.Join("bin", program) },
		more: func(moduleFiles) ([]layerFile, error) {
			files := []layerFile{
				{path: "root", mode: 0o700, dir: true},
				{path: "run", mode: 0o755, dir: true},
				{path: "tmp", mode: 0o1777, dir: true},
				// CNI_NETNS is in /var/run/netns, the mount at /run/netns.
				{path: "var/run", link: "/run"},
				// Without root in it the daemon crashes.
				{path: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
				{path: "etc/group", mode: 0o644, data: []byte("root:x:0:\nnobody:x:65534:\n")},
			}
			for tool := range strings.FieldsSeq(toolboxTools) {
				files = append(files, layerFile{path: "bin/" + tool, link: "toolbox"})
			}
			return files, nil
		},
	}
}
