package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/multihome/multihome/internal/e2e/debian"
	"github.com/multihome/multihome/internal/e2e/gobuild"
	"github.com/multihome/multihome/internal/e2e/kubetest"
)

// programs are the directories with what a lab runs. All of it is built from Go modules.
type programs struct {
	kubernetes string            // node: see the node module
	own        string            // noded, podbox
	runtime    string            // containerd, containerd-shim-runc-v2, ctr
	runc       string            // runc
	plugins    string            // the reference plugins
	flannelCNI string            // the plugin flannel
	flanneld   string            // flanneld, where it is the primary CNI
	multus     map[string]string // by release
	thin       string            // thin Multus, where it is wanted
}

// newestMultus is the release in the labnode module. Each older one has a module of its own below it.
const newestMultus = "v4.3.0"

// releases of Multus that the lab can build.
var releases = []string{"v4.0.2", "v4.1.4", "v4.2.4", newestMultus}

// multusModule is what the import paths of Multus' programs have in common.
const multusModule = "k8snetworkplumbingwg/multus-cni"

// buildPrograms builds what is not there yet, one after the other: each build uses all processors.
func buildPrograms(ctx context.Context, o Options) (*programs, error) {
	e2e, err := gobuild.ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	if err := debian.Need(ctx, o.Progress, debianPackages...); err != nil {
		return nil, err
	}
	binary, err := kubetest.Binary(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	p := &programs{kubernetes: filepath.Dir(binary), multus: map[string]string{}}
	b := builder{ctx: ctx, e2e: e2e, options: o}
	p.own = b.build(gobuild.Programs{
		Name: "lab's own programs", Module: e2e,
		Packages: []string{"./lab/noded", "./lab/podbox"}, Sources: []string{"lab/noded", "lab/podbox", "lab/nodeapi", "lab/cgroups"},
	})
	p.runtime = b.tools("containerd", "", "containerd/containerd", "-tags=no_btrfs,no_zfs,no_devmapper,no_tracing")
	p.runc = b.tools("runc", "", "opencontainers/runc", "-tags=seccomp,urfave_cli_no_docs")
	p.plugins = b.tools("CNI plugins", "", "containernetworking/plugins")
	p.flannelCNI = b.tools("CNI plugin flannel", "flannel-cni", "containernetworking/plugins")
	if o.PrimaryCNI == Flannel {
		p.flanneld = b.build(gobuild.Programs{
			Name: "flanneld", Module: b.module(""), Packages: []string{"./flanneld"}, Sources: []string{"flanneld"},
		})
	}
	for _, release := range o.Multus {
		module := ""
		if release != newestMultus {
			module = "multus-" + release
		}
		p.multus[release] = b.tools("Multus "+release, module, multusModule)
	}
	if o.Thin {
		p.thin = b.tools("Multus "+ThinRelease, "multus-"+ThinRelease, multusModule)
	}
	return p, b.err
}

// builder builds nothing any more after its first error.
type builder struct {
	ctx     context.Context
	e2e     string // directory of the module around this package
	options Options
	err     error
}

// module returns the directory of a module in labnode, or of labnode itself.
func (b *builder) module(name string) string { return filepath.Join(b.e2e, "labnode", name) }

// tools builds those tools of a module in labnode whose import paths hold a string.
func (b *builder) tools(name, module, of string, flags ...string) (dir string) {
	if b.err != nil {
		return ""
	}
	programs := gobuild.Programs{
		Name: name, Module: b.module(module), Flags: flags,
		CGO: name == "runc", // it has C code, which runs before Go can
	}
	programs.Packages, b.err = toolsOf(programs.Module, of)
	return b.build(programs)
}

func (b *builder) build(p gobuild.Programs) (dir string) {
	if b.err != nil {
		return ""
	}
	// Without symbols. The rest is as for the node binary, so that packages of both are compiled once.
	p.Flags = append(p.Flags, "-ldflags=-s -w")
	dir, b.err = p.Build(b.ctx, b.options.Progress)
	return dir
}

// toolsOf returns the import paths of a module's tools that hold a string.
func toolsOf(module, of string) ([]string, error) {
	file := filepath.Join(module, "go.mod")
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	parsed, err := modfile.Parse(file, content, nil)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, tool := range parsed.Tool {
		if strings.Contains(tool.Path, of) {
			out = append(out, tool.Path)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: has no tool of %s", file, of)
	}
	return out, nil
}

// names returns the programs in a directory.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, entry := range entries {
		out = append(out, entry.Name())
	}
	return out, nil
}
