package multihome_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestOnePackageDoc: a package comment in two files is printed as one text.
func TestOnePackageDoc(t *testing.T) {
	for dir, files := range goPackages(t) {
		var documented []string
		for name, file := range files {
			if file.Doc != nil && !strings.HasSuffix(name, "_test.go") {
				documented = append(documented, name)
			}
		}
		if len(documented) != 1 && hasCode(files) {
			t.Errorf("%s: %d files have a package comment, want one: %q", dir, len(documented), documented)
		}
	}
}

// TestExportedFunctionsHaveExamples: what a stranger calls first, he can copy.
func TestExportedFunctionsHaveExamples(t *testing.T) {
	for dir, files := range goPackages(t) {
		if private(dir) || !hasCode(files) {
			continue
		}
		fset := token.NewFileSet() // doc.NewFromFiles changes what it is given
		var parsed []*ast.File
		for name := range files {
			file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, file)
		}
		pkg, err := doc.NewFromFiles(fset, parsed, modulePath+"/"+filepath.ToSlash(dir))
		if err != nil {
			t.Fatal(err)
		}
		funcs := pkg.Funcs
		for _, typ := range pkg.Types {
			funcs = append(funcs, typ.Funcs...)
		}
		for _, f := range funcs {
			checked := func(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput }
			if !slices.ContainsFunc(f.Examples, checked) {
				t.Errorf("%s: func %s has no Example%[2]s with // Output:", dir, f.Name)
			}
		}
	}
}

// TestFilesAreShort: one concept one file.
func TestFilesAreShort(t *testing.T) {
	const most = 500
	for path, content := range textFiles(t) {
		if lines := bytes.Count(content, []byte("\n")); strings.HasSuffix(path, ".go") && lines > most {
			t.Errorf("%s: has %d lines, at most %d are allowed; split it by concept", path, lines, most)
		}
	}
}

// TestGoMod: the go command ignores replace in a module that is a dependency,
// and tools would become everybody's dependencies.
func TestGoMod(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct{ Replace, Tool, Exclude []any }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace)+len(mod.Tool)+len(mod.Exclude) > 0 {
		t.Errorf("go.mod: has replace %v, tool %v, exclude %v; want none", mod.Replace, mod.Tool, mod.Exclude)
	}
}

// TestNoMachineNames: nothing in the repository depends on where it was written.
func TestNoMachineNames(t *testing.T) {
	// Written so that this file does not match itself.
	paths := regexp.MustCompile(`(^|[^\w.~/-])/(?:wor[k]|hom[e]|roo[t]|User[s])/\w`)
	hosts := regexp.MustCompile(`\bprox[y]\.golang\.org|\bgo[p]roxy\.|\bsu[m]\.golang\.org`)
	for path, content := range textFiles(t) {
		number := 0
		for line := range bytes.Lines(content) {
			number++
			for _, pattern := range []*regexp.Regexp{paths, hosts} {
				if match := pattern.Find(line); match != nil {
					t.Errorf("%s:%d: names a machine or a registry: %q", path, number, match)
				}
			}
		}
	}
}

// private reports whether users cannot or do not import the package.
func private(dir string) bool {
	parts := strings.Split(filepath.ToSlash(dir), "/")
	return slices.Contains(parts, "internal") || parts[0] == "examples"
}

func hasCode(files map[string]*ast.File) bool {
	for name := range files {
		if !strings.HasSuffix(name, "_test.go") {
			return true
		}
	}
	return false
}

// goPackages returns the Go files of all modules by directory and name.
func goPackages(t *testing.T) map[string]map[string]*ast.File {
	t.Helper()
	packages := make(map[string]map[string]*ast.File)
	for path, content := range textFiles(t) {
		if filepath.Ext(path) != ".go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, content, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir, name := filepath.Dir(path), filepath.Base(path)
		if packages[dir] == nil {
			packages[dir] = make(map[string]*ast.File)
		}
		packages[dir][name] = file
	}
	return packages
}

// textFiles returns the repository's text files by path: those git tracks and
// those it would, or in a copy without git all of them.
func textFiles(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := gitFiles(t)
	if err != nil {
		t.Logf("no git checkout, looking at every file: %v", err)
		paths, err = allFiles()
	}
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // deleted, not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		if utf8.Valid(content) {
			files[path] = content
		}
	}
	if len(files) == 0 {
		t.Fatal("found no files")
	}
	return files
}

func gitFiles(t *testing.T) ([]string, error) {
	t.Helper()
	if _, err := os.Stat(".git"); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), nil
}

func allFiles() ([]string, error) {
	var paths []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.Name() == ".git" {
			return fs.SkipDir
		}
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	return paths, err
}
