package toolchain

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Target is what programs are compiled for, beside Linux: GOARCH and, for
// "arm", GOARM.
type Target struct {
	Arch, ARM string
}

func (t Target) env() []string { return []string{"GOARCH=" + t.Arch, "GOARM=" + t.ARM} }

// Linked is a module with code in a program.
type Linked struct {
	Path, Version, Sum string
	// Files of the module.
	Files fs.FS
}

// Commands are programs that can be compiled: all their code is there.
type Commands struct {
	source *Source
	target Target
	paths  []string // import paths

	// Modules with code in any of them, by path.
	Modules []Linked
}

// listed is a package as "go list" tells of it.
type listed struct {
	ImportPath, Name string
	DepOnly          bool
	Module           *struct {
		Path, Version, Sum, Dir string
		Replace                 *struct{ Path, Version, Sum, Dir string }
	}
}

// Commands looks for the commands that match patterns, in the order of their
// import paths, and fetches the modules that they need. The error is ErrModule
// if there is none, or a module is not served.
func (s *Source) Commands(ctx context.Context, target Target, patterns ...string) (*Commands, error) {
	args := []string{"list", "-mod=readonly", "-deps", "-json=ImportPath,Name,DepOnly,Module", "--"}
	out, err := s.toolchain.run(ctx, call{dir: s.workspace, env: target.env()}, append(args, patterns...)...)
	if ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, explain(err))
	}
	c := &Commands{source: s, target: target}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: go list: %w", s.name, err)
		}
		c.add(p)
	}
	if len(c.paths) == 0 {
		return nil, fmt.Errorf("%s: %w: it has no command in %q", s.name, ErrModule, patterns)
	}
	slices.Sort(c.paths)
	slices.SortFunc(c.Modules, func(a, b Linked) int { return cmp.Compare(a.Path, b.Path) })
	return c, nil
}

func (c *Commands) add(p listed) {
	if p.Name == "main" && !p.DepOnly {
		c.paths = append(c.paths, p.ImportPath)
	}
	// The module around has no version.
	if p.Module == nil || p.Module.Version == "" {
		return
	}
	m := Linked{Path: p.Module.Path, Version: p.Module.Version, Sum: p.Module.Sum}
	dir := p.Module.Dir
	if r := p.Module.Replace; r != nil {
		m, dir = Linked{Path: r.Path, Version: r.Version, Sum: r.Sum}, r.Dir
	}
	if slices.ContainsFunc(c.Modules, func(have Linked) bool { return have.Path == m.Path }) {
		return
	}
	m.Files = os.DirFS(dir)
	c.Modules = append(c.Modules, m)
}

// Compile compiles the commands and returns the programs by the last parts of
// their import paths. Variables are set as by the linker's flag -X. Packages
// are told on progress when they are about to be compiled; those that are in
// the build cache are not.
func (c *Commands) Compile(ctx context.Context, variables []string, progress func(importPath string)) (fs.FS, error) {
	dir, err := os.MkdirTemp(c.source.toolchain.dir, "programs-*")
	if err != nil {
		return nil, err
	}
	// No symbols, and no build ID: it would differ where nothing else does.
	flags := []string{"-s", "-w", "-buildid="}
	for _, variable := range variables {
		flags = append(flags, "-X", "'"+variable+"'")
	}
	args := []string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-v", "-ldflags=" + strings.Join(flags, " ")}
	args = append(append(args, "-o", dir+string(filepath.Separator), "--"), c.paths...)
	messages := &compilerOutput{progress: progress, messages: tail{most: messageBytes}}
	_, err = c.source.toolchain.run(ctx, call{dir: c.source.workspace, env: c.target.env(), stderr: messages}, args...)
	if ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: for %s: %w%s", c.source.name, c.target.Arch, err, messages.messages.message())
	}
	return os.DirFS(dir), nil
}

// Names are the programs' names, sorted.
func (c *Commands) Names() []string {
	var names []string
	for _, importPath := range c.paths {
		names = append(names, path.Base(importPath))
	}
	slices.Sort(names)
	return names
}

// compilerOutput tells progress from messages in what "go build -v" prints.
type compilerOutput struct {
	progress func(importPath string)
	rest     []byte // of a line that is not complete
	messages tail
}

func (o *compilerOutput) Write(p []byte) (int, error) {
	o.rest = append(o.rest, p...)
	for {
		line, rest, whole := bytes.Cut(o.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		o.rest = rest
		switch text := string(line); {
		case strings.HasPrefix(text, "go: downloading "):
		case text != "" && !strings.ContainsAny(text, " \t:#"): // an import path
			o.progress(text)
		default:
			fmt.Fprintf(&o.messages, "%s\n", line)
		}
	}
}
