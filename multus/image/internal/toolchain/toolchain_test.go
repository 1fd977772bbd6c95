package toolchain_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/multus/image/internal/toolchain"
	"github.com/multihome/multihome/multus/image/internal/toymodule"
)

func containsZombie(stat string) bool { return strings.Contains(stat, ") Z ") }

func open(t *testing.T, command string) *toolchain.Toolchain {
	t.Helper()
	tool, err := toolchain.Open(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tool.Close(); err != nil {
			t.Error(err)
		}
	})
	return tool
}

func TestOpen(t *testing.T) {
	tool := open(t, "")
	if !strings.HasPrefix(tool.Version, "go1.") {
		t.Errorf("version %q", tool.Version)
	}
	if _, err := fs.Stat(tool.Root, "src/runtime"); err != nil {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	tests := []struct {
		name    string
		command func(t *testing.T) string
		want    string
	}{
		{"none", func(t *testing.T) string { return filepath.Join(t.TempDir(), "go") }, "install Go"},
		{"not in PATH", func(t *testing.T) string { t.Setenv("PATH", t.TempDir()); return "" }, "install Go"},
		{"another program", func(t *testing.T) string { return fakeGo(t, "junk") }, `is not the Go command: it answers "hello\n"`},
		{"a broken one", func(t *testing.T) string { return fakeGo(t, "fails") }, "exit status 3: this is broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmp := t.TempDir()
			t.Setenv("TMPDIR", tmp)
			_, err := toolchain.Open(t.Context(), tt.command(t))
			if !errors.Is(err, toolchain.ErrToolchain) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want ErrToolchain and %q", err, tt.want)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestOpenEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := toolchain.Open(ctx, ""); !errors.Is(err, context.Canceled) || errors.Is(err, toolchain.ErrToolchain) {
		t.Errorf("error %v, want the context's alone", err)
	}
}

func TestOpenWithoutRoom(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if _, err := toolchain.Open(t.Context(), ""); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, toolchain.ErrToolchain) {
		t.Errorf("error %v, want that the directory is missing", err)
	}
}

const (
	path    = "example.com/m"
	version = "v1.0.0"
)

// module is one with a command, a package, and a dependency.
func module(t *testing.T, proxy *toymodule.Proxy, replace ...string) toolchain.Module {
	t.Helper()
	dep := proxy.Add(t, "example.com/dep", "v1.2.3", "-- go.mod --\nmodule example.com/dep\n\ngo 1.21\n-- dep.go --\npackage dep\n\nconst Text = \"dep\"\n")
	files := strings.NewReplacer(replace...).Replace(`
-- go.mod --
module example.com/m

go 1.21

require example.com/dep v1.2.3
-- go.sum --
` + toymodule.Sums("example.com/dep", "v1.2.3", dep) + `-- cmd/b/main.go --
package main

func main() { println("b") }
-- cmd/a/main.go --
package main

import "example.com/m/lib"

func main() { println(lib.Text) }
-- lib/lib.go --
package lib

import "example.com/dep"

var Text = dep.Text
`)
	sums := proxy.Add(t, path, version, files)
	return toolchain.Module{Path: path, Version: version, Sum: sums[0], GoModSum: sums[1]}
}

var here = toolchain.Target{Arch: "amd64"}

func compile(t *testing.T, tool *toolchain.Toolchain, m toolchain.Module, progress func(string)) (*toolchain.Commands, fs.FS) {
	t.Helper()
	source, err := tool.Module(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	commands, err := source.Commands(t.Context(), here, path+"/cmd/...")
	if err != nil {
		t.Fatal(err)
	}
	programs, err := commands.Compile(t.Context(), []string{path + "/lib.Text=set by the linker"}, progress)
	if err != nil {
		t.Fatal(err)
	}
	return commands, programs
}

// TestCompile: what comes out depends on nothing around.
func TestCompile(t *testing.T) {
	m := module(t, toymodule.New(t))
	commands, programs := compile(t, open(t, ""), m, func(string) {})
	if diff := cmp.Diff([]string{"a", "b"}, commands.Names()); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	var modules []string
	for _, m := range commands.Modules {
		modules = append(modules, m.Path+"@"+m.Version+" "+m.Sum)
		if _, err := fs.Stat(m.Files, "go.mod"); err != nil {
			t.Error(err)
		}
	}
	if len(modules) != 2 || modules[1] != path+"@"+version+" "+m.Sum || !strings.HasPrefix(modules[0], "example.com/dep@v1.2.3 h1:") {
		t.Errorf("modules %q", modules)
	}

	t.Setenv("TMPDIR", t.TempDir())
	for name, value := range map[string]string{
		"GOFLAGS": "-race -mod=vendor", "CGO_ENABLED": "1", "GOOS": "windows", "GOARCH": "s390x", "GOAMD64": "v3", "GOWORK": "nowhere", "GOEXPERIMENT": "nothing",
	} {
		t.Setenv(name, value)
	}
	_, again := compile(t, open(t, ""), m, func(string) {})
	for _, name := range commands.Names() {
		want, err := fs.ReadFile(programs, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fs.ReadFile(again, name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s: another program, of %d bytes and not %d", name, len(got), len(want))
		}
	}
	a, err := fs.ReadFile(programs, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{os.TempDir(), os.Getenv("GOMODCACHE")} {
		if bytes.Contains(a, []byte(place)) {
			t.Errorf("a program holds %s", place)
		}
	}
	if !bytes.Contains(a, []byte("set by the linker")) {
		t.Error("a variable was not set")
	}
}

func TestModuleErrors(t *testing.T) {
	tests := []struct {
		name    string
		replace []string
		change  func(*toolchain.Module)
		want    error
		text    string
	}{
		{name: "not served", change: func(m *toolchain.Module) { m.Version = "v9.0.0" }, want: toolchain.ErrModule, text: "example.com/m@v9.0.0"},
		{name: "another hash", change: func(m *toolchain.Module) { m.Sum = "h1:" + strings.Repeat("A", 43) + "=" }, want: toolchain.ErrModule, text: "checksum mismatch"},
		{name: "another go.mod", change: func(m *toolchain.Module) { m.GoModSum = "h1:" + strings.Repeat("A", 43) + "=" }, want: toolchain.ErrModule, text: "checksum mismatch"},
		{name: "no hash and no database", change: func(m *toolchain.Module) { m.Sum, m.GoModSum = "", "" }, want: toolchain.ErrModule, text: "GOSUMDB is off"},
		{name: "newer Go", replace: []string{"go 1.21\n\nrequire", "go 1.999\n\nrequire"}, want: toolchain.ErrToolchain, text: "requires go >= 1.999"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := module(t, toymodule.New(t), tt.replace...)
			if tt.change != nil {
				tt.change(&m)
			}
			_, err := open(t, "").Module(t.Context(), m)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %v, %q and the module", err, tt.want, tt.text)
			}
		})
	}
}

// TestModuleAsksDatabase: without a hash on record, the user's settings exempt
// no module.
func TestModuleAsksDatabase(t *testing.T) {
	m := module(t, toymodule.New(t))
	m.Sum, m.GoModSum = "", ""
	t.Setenv("GOSUMDB", "db.invalid+00000000+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	t.Setenv("GOPRIVATE", "example.com")
	t.Setenv("GONOSUMDB", "example.com")
	if _, err := open(t, "").Module(t.Context(), m); !errors.Is(err, toolchain.ErrModule) || !strings.Contains(err.Error(), "GOSUMDB") {
		t.Errorf("error %v, want one of the database", err)
	}
}

func TestCommandsErrors(t *testing.T) {
	tests := []struct {
		name    string
		replace []string
		pattern string
		text    string
	}{
		{name: "no command", pattern: path + "/lib", text: "it has no command"},
		{name: "no package", pattern: path + "/none", text: "example.com/m/none"},
		{name: "dependency without a hash", replace: []string{"example.com/dep v1.2.3 h1:", "example.com/other v1.2.3 h1:"}, pattern: path + "/cmd/...", text: "go.sum"},
		{name: "dependency with another hash", replace: []string{"example.com/dep v1.2.3 h1:", "example.com/dep v1.2.3 h1:AAAA"}, pattern: path + "/cmd/...", text: "example.com/dep@v1.2.3"},
		{name: "dependency not served", replace: []string{"require example.com/dep v1.2.3", "require example.com/dep v1.2.4"}, pattern: path + "/cmd/...", text: "example.com/dep@v1.2.4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := module(t, toymodule.New(t), tt.replace...)
			source, err := open(t, "").Module(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Commands(t.Context(), here, tt.pattern)
			if !errors.Is(err, toolchain.ErrModule) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want ErrModule and %q", err, tt.text)
			}
		})
	}
}

// TestCompileError: the error says what the compiler says.
func TestCompileError(t *testing.T) {
	m := module(t, toymodule.New(t), `var Text = dep.Text`, `var Text = dep.Text + noSuchName`)
	source, err := open(t, "").Module(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	commands, err := source.Commands(t.Context(), here, path+"/cmd/...")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	_, err = commands.Compile(t.Context(), nil, func(importPath string) { told = append(told, importPath) })
	if err == nil || !strings.Contains(err.Error(), "undefined: noSuchName") || !strings.Contains(err.Error(), "for amd64") {
		t.Errorf("error %v, want the compiler's words", err)
	}
	if !strings.Contains(strings.Join(told, " "), path+"/lib") {
		t.Errorf("progress %q, want %s/lib in it", told, path)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := commands.Compile(ctx, nil, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if _, err := source.Commands(ctx, here, path+"/cmd/..."); !errors.Is(err, context.Canceled) || errors.Is(err, toolchain.ErrModule) {
		t.Errorf("error %v, want the context's alone", err)
	}
	if _, err := open(t, "").Module(ctx, m); !errors.Is(err, context.Canceled) || errors.Is(err, toolchain.ErrModule) {
		t.Errorf("error %v, want the context's alone", err)
	}
}

func TestSources(t *testing.T) {
	files := map[string]string{
		"go.mod":  "module example.invalid/tool\n\ngo 1.21\n",
		"main.go": "package main\n\nfunc main() { println(\"tool\") }\n",
	}
	source, err := open(t, "").Sources(files)
	if err != nil {
		t.Fatal(err)
	}
	commands, err := source.Commands(t.Context(), here, ".")
	if err != nil {
		t.Fatal(err)
	}
	programs, err := commands.Compile(t.Context(), nil, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := fs.Stat(programs, "tool"); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("program %v, %v", info, err)
	}
	if len(commands.Modules) > 0 {
		t.Errorf("modules %v, want none", commands.Modules)
	}
	if _, err := open(t, fakeGo(t, "old")).Sources(files); !errors.Is(err, toolchain.ErrToolchain) {
		t.Errorf("error %v, want that go1.20 is too old", err)
	}
}
