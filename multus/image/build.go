package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/image/internal/toolchain"
)

// Errors of [Build] that are found before anything is compiled.
var (
	// ErrToolchain says that there is no Go command, it cannot be run, or it is too old
	// for what it is to compile.
	ErrToolchain = toolchain.ErrToolchain
	// ErrModule says that a Go module is not served, cannot be verified, or is not what
	// it was when its hash was recorded.
	ErrModule = toolchain.ErrModule
)

// BuildOptions say what image [Build] makes. The zero value is the default
// release of Multus for linux/amd64 and linux/arm64.
type BuildOptions struct {
	// Version of Multus, v4.1.0 or newer. Empty: multus.DefaultVersion.
	Version string
	// Platforms that the image is for: linux/amd64, linux/arm64, linux/arm/v7,
	// linux/ppc64le, linux/s390x. Empty: the first two.
	Platforms []string
	// Plugins adds the reference CNI plugins in /plugins, so that the image can
	// be multus.ReferencePlugins.Image too.
	Plugins bool
	// Go is the Go command, a path or a name to look for in PATH. Empty: "go".
	Go string
	// Annotations are added to the index and to each image, and take the place
	// of those with the same key that Build sets itself.
	Annotations map[string]string
	// Progress is told what is being done, one call at a time, and should
	// return soon. Nil: nobody is.
	Progress func(BuildEvent)
}

// BuildStep is a part of a build.
type BuildStep string

// The steps of a build, in order. The second and third are taken for each
// platform.
const (
	BuildStepFetch   BuildStep = "fetch"   // modules are looked for, fetched and verified
	BuildStepCompile BuildStep = "compile" // packages are compiled
	BuildStepPack    BuildStep = "pack"    // layers are compressed
)

// BuildEvent says what a build does now.
type BuildEvent struct {
	Step BuildStep
	// Platform it is done for. Empty: for all of them.
	Platform string
	// Subject is the module, the package or the layer.
	Subject string
}

// String is one line: "linux/arm64: compile k8s.io/client-go/rest".
func (e BuildEvent) String() string {
	line := string(e.Step) + " " + e.Subject
	if e.Platform != "" {
		line = e.Platform + ": " + line
	}
	return line
}

// Build makes an image of thick Multus from its Go module, with the Go command
// of this machine and nothing else: no Docker, no base image, no emulation. It
// holds what upstream's image holds, at the same paths, and in place of a
// distribution one static program that is a shell and the tools that manifests,
// probes and fixes of package multus call.
//
// Modules come from where the Go command is told to get them (GOPROXY). Their
// hashes are verified, from the release of Multus downwards. Compiling takes
// some minutes for each platform the first time, and seconds once the build
// cache has the packages.
//
// The same options with the same Go release and the same version of this
// library give the same bytes, wherever it is done. Another Go release gives
// others; the annotation github.com/multihome/multihome/go says which it was.
//
// The result is held in memory, compressed: 100 MB for each platform. [Push],
// [WriteLayout] and [WriteTarball] take it from there.
//
// Bad options give all their problems at once. [ErrToolchain] and [ErrModule]
// are found before anything is compiled. When ctx ends, the compilers are
// killed, what they wrote is removed, and the error is the context's cause.
// Builds may run at the same time.
func Build(ctx context.Context, options BuildOptions) (v1.ImageIndex, error) {
	options.Version = cmp.Or(options.Version, multus.DefaultVersion)
	return build(ctx, options, recipeFor(options.Version, options.Plugins))
}

// builder is one Build under way.
type builder struct {
	options   BuildOptions
	recipe    recipe
	platforms []platform
	toolchain *toolchain.Toolchain
	sources   []*toolchain.Source // by component
}

func build(ctx context.Context, options BuildOptions, r recipe) (_ v1.ImageIndex, err error) {
	b := &builder{options: options, recipe: r}
	if b.platforms, err = options.check(); err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	if b.toolchain, err = toolchain.Open(ctx, options.Go); err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	index, err := b.build(ctx)
	if err := errors.Join(err, b.toolchain.Close()); err != nil {
		return nil, fmt.Errorf("build image of Multus %s: %w", options.Version, err)
	}
	return index, nil
}

var buildVersion = regexp.MustCompile(`^v4\.(\d+)\.\d+(-[0-9A-Za-z.-]+)?$`)

// check returns the platforms, or what is wrong with the options.
func (o BuildOptions) check() (platforms []platform, err error) {
	var errs []error
	match := buildVersion.FindStringSubmatch(o.Version)
	if match == nil {
		errs = append(errs, fmt.Errorf("version %q: is none of Multus 4, such as %s", o.Version, multus.DefaultVersion))
	} else if minor, err := strconv.Atoi(match[1]); err != nil || minor < 1 {
		errs = append(errs, fmt.Errorf("version %s: is older than v4.1.0, which is the first that builds as a module", o.Version))
	}
	names := o.Platforms
	if len(names) == 0 {
		names = []string{"linux/amd64", "linux/arm64"}
	}
	for _, name := range names {
		p, err := parsePlatform(name)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !slices.Contains(buildable, p):
			errs = append(errs, fmt.Errorf("platform %s: cannot be built; there are %s", name, buildableNames()))
		case slices.Contains(platforms, p):
			errs = append(errs, fmt.Errorf("platform %s: named twice", p))
		default:
			platforms = append(platforms, p)
		}
	}
	if slices.Contains(slices.Collect(maps.Keys(o.Annotations)), "") {
		errs = append(errs, errors.New("annotations: one has no key"))
	}
	slices.SortFunc(platforms, func(a, b platform) int { return cmp.Compare(a.String(), b.String()) })
	return platforms, errors.Join(errs...)
}

// buildable are the platforms that upstream builds its images for.
var buildable = []platform{
	{"linux", "amd64", ""}, {"linux", "arm64", ""}, {"linux", "arm", "v7"}, {"linux", "ppc64le", ""}, {"linux", "s390x", ""},
}

func buildableNames() string {
	var names []string
	for _, p := range buildable {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

// target is what the Go command calls a platform.
func (p platform) target() toolchain.Target {
	return toolchain.Target{Arch: p.arch, ARM: strings.TrimPrefix(p.variant, "v")}
}

func (b *builder) tell(step BuildStep, platform, subject string) {
	if b.options.Progress != nil {
		b.options.Progress(BuildEvent{Step: step, Platform: platform, Subject: subject})
	}
}

// build fetches all that is needed before it compiles anything.
func (b *builder) build(ctx context.Context) (v1.ImageIndex, error) {
	if err := b.fetch(ctx); err != nil {
		return nil, err
	}
	commands := map[platform][]*toolchain.Commands{}
	for _, p := range b.platforms {
		for i, c := range b.recipe {
			found, err := b.sources[i].Commands(ctx, p.target(), c.patterns...)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
			commands[p] = append(commands[p], found)
		}
	}
	var images []platformImage
	for _, p := range b.platforms {
		image, err := b.image(ctx, p, commands[p])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		images = append(images, platformImage{p, image})
	}
	return b.labels().index(images), nil
}

func (b *builder) fetch(ctx context.Context) error {
	for _, c := range b.recipe {
		var source *toolchain.Source
		var err error
		if c.sources != nil {
			source, err = b.toolchain.Sources(c.sources)
		} else {
			b.tell(BuildStepFetch, "", c.module.String())
			source, err = b.toolchain.Module(ctx, c.module)
		}
		if err != nil {
			return err
		}
		b.sources = append(b.sources, source)
	}
	return nil
}

// image compiles and packs the image of one platform.
func (b *builder) image(ctx context.Context, p platform, commands []*toolchain.Commands) (v1.Image, error) {
	var layers []namedLayer
	var modules []toolchain.Linked
	pack := func(name string, files []layerFile) error {
		b.tell(BuildStepPack, p.String(), name)
		layer, err := packLayer(ctx, files)
		layers = append(layers, namedLayer{name, layer})
		return err
	}
	for i, c := range b.recipe {
		programs, err := commands[i].Compile(ctx, c.variables, func(importPath string) {
			b.tell(BuildStepCompile, p.String(), importPath)
		})
		if err != nil {
			return nil, err
		}
		files, err := c.files(moduleFiles{b.sources[i].Files}, programs, commands[i].Names())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if err := pack(c.name, files); err != nil {
			return nil, fmt.Errorf("layer %s: %w", c.name, err)
		}
		modules = append(modules, commands[i].Modules...)
	}
	modules = append(modules, toolchain.Linked{Path: "std", Version: b.toolchain.Version, Files: b.toolchain.Root})
	files, err := b.documents(p, modules)
	if err != nil {
		return nil, err
	}
	if err := pack("documents", files); err != nil {
		return nil, err
	}
	return b.labels().image(p, layers)
}

// files are those of a component's layer.
func (c component) files(module moduleFiles, programs fs.FS, names []string) ([]layerFile, error) {
	var files []layerFile
	if c.more != nil {
		more, err := c.more(module)
		if err != nil {
			return nil, err
		}
		files = more
	}
	for _, name := range names {
		files = append(files, layerFile{path: c.place(name), mode: 0o755, from: programs, name: name})
	}
	return files, nil
}
