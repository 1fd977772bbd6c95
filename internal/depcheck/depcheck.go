// Package depcheck holds packages to an import budget, for tests: what a
// package may import is decided once, with a reason, and a new import that
// breaks the decision fails a test instead of growing every user's binary.
package depcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// Package is a package as the go command sees it, without its test files.
type Package struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Module     *struct{ Path string }
}

// Ban reserves an import for a few packages. It looks at what packages import
// themselves, not at what their imports import.
type Ban struct {
	// Import is the banned package; packages below it are banned too.
	Import string
	// Only are the packages that may import it, relative to the module:
	// "multus" is that package, "examples/..." also all packages below it and
	// "." the package in the module's root.
	Only []string
	// Reason says why, for whoever breaks the ban.
	Reason string
}

// List returns the packages that match the patterns, as "go list" in dir sees
// them; with deps also everything they are linked with.
func List(ctx context.Context, dir string, deps bool, patterns ...string) ([]Package, error) {
	args := []string{"list", "-json=ImportPath,Standard,Imports,Module"}
	if deps {
		args = append(args, "-deps")
	}
	command := exec.CommandContext(ctx, "go", append(append(args, "--"), patterns...)...)
	command.Dir = dir
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w\n%s", strings.Join(patterns, " "), err, &stderr)
	}
	var packages []Package
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list %s: %w", strings.Join(patterns, " "), err)
		}
		packages = append(packages, p)
	}
}

// Check returns an error for each import that breaks a ban. The packages are
// those of the module with that path.
func Check(module string, packages []Package, bans []Ban) error {
	var errs []error
	for _, ban := range bans {
		for _, p := range packages {
			if ban.allows(module, p.ImportPath) {
				continue
			}
			for _, path := range p.Imports {
				if within(path, ban.Import) {
					errs = append(errs, fmt.Errorf("%s imports %s: only %q may, because %s",
						p.ImportPath, path, ban.Only, ban.Reason))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// allows reports whether the package may import what is banned: it is listed,
// or it is a part of the banned tree itself.
func (b Ban) allows(module, path string) bool {
	return within(path, b.Import) || slices.ContainsFunc(b.Only, func(pattern string) bool {
		if pattern == "." {
			return path == module
		}
		tree, isTree := strings.CutSuffix(module+"/"+pattern, "/...")
		return path == tree || isTree && within(path, tree)
	})
}

// Modules returns the paths of the modules, other than the named one, that
// linking the packages takes, sorted.
func Modules(module string, packages []Package) []string {
	var paths []string
	for _, p := range packages {
		if p.Module != nil && p.Module.Path != module {
			paths = append(paths, p.Module.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// within reports whether the path is the tree's root or below it.
func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}
