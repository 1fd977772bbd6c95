// Command typecheck type-checks the packages of the module in the current
// directory, tests too, for other platforms than this one:
//
//	typecheck darwin/arm64 windows/amd64
//
// It finds what go vet would find on these platforms before its analyzers run,
// at a tenth of the price: of dependencies nothing is compiled, and only what
// they export is looked at.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: typecheck GOOS/GOARCH...")
		os.Exit(2)
	}
	failed := false
	for _, platform := range os.Args[1:] {
		problems, err := check(platform)
		if err != nil {
			problems = []string{err.Error()}
		}
		for _, problem := range problems {
			fmt.Fprintf(os.Stderr, "%s: %s\n", platform, problem)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// check returns what is wrong with the module's packages on a platform.
func check(platform string) ([]string, error) {
	system, arch, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, fmt.Errorf("is no platform, which is written GOOS/GOARCH")
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedDeps | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedModule,
		Env:   append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0"),
		Tests: true,
		ParseFile: func(fset *token.FileSet, name string, src []byte) (*ast.File, error) {
			file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
			if file != nil && !strings.HasPrefix(name, here+string(os.PathSeparator)) {
				dropBodies(file)
			}
			return file, err
		},
	}, "./...")
	if err != nil {
		return nil, err
	}
	var problems []string
	checked := 0
	packages.Visit(loaded, nil, func(p *packages.Package) {
		generated := strings.HasSuffix(p.PkgPath, ".test") // the go command's main of a test
		if p.Module == nil || !p.Module.Main || generated {
			return
		}
		checked++
		for _, problem := range p.Errors {
			problems = append(problems, problem.Error())
		}
	})
	if checked == 0 {
		return nil, fmt.Errorf("no package of a module is in %s", here)
	}
	fmt.Printf("%s: %d packages\n", platform, checked)
	return problems, nil
}

// dropBodies leaves of a file what others see of it.
func dropBodies(file *ast.File) {
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			f.Body = nil
		}
	}
}
