package multihome_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goBlock is a Go block of a Markdown file.
var goBlock = regexp.MustCompile("(?ms)^```go$\n(.*?)^```$")

// TestSnippets: a Go block in the documentation is a complete program, then it
// must compile as it stands, or a part of a file in examples/ or of a test,
// line by line, so that it compiles there and stays true.
func TestSnippets(t *testing.T) {
	files := textFiles(t)
	var sources, programs []string
	for path, content := range files {
		if strings.HasPrefix(filepath.ToSlash(path), "examples/") || strings.HasSuffix(path, "_test.go") {
			sources = append(sources, string(content))
		}
	}
	for path, content := range files {
		if filepath.Ext(path) != ".md" {
			continue
		}
		for _, match := range goBlock.FindAllSubmatch(content, -1) {
			snippet := string(match[1])
			switch {
			case strings.HasPrefix(snippet, "package "):
				programs = append(programs, snippet)
			case !slices.ContainsFunc(sources, func(source string) bool { return contains(source, snippet) }):
				t.Errorf("%s: this Go block is no program and not part of a file in examples/ or of a test:\n%s", path, snippet)
			}
		}
	}
	if out, err := compile(t, programs); err != nil {
		t.Errorf("programs in the documentation: %v\n%s", err, out)
	}
}

func TestCompile(t *testing.T) {
	good, bad := "package main\n\nfunc main() {}\n", "package main\n\nfunc main() { missing() }\n"
	if out, err := compile(t, []string{good, good}); err != nil {
		t.Errorf("two programs: %v\n%s", err, out)
	}
	if out, err := compile(t, []string{good, bad}); err == nil || !strings.Contains(out, "undefined: missing") {
		t.Errorf("a program that does not compile: got error %v and output %q", err, out)
	}
}

// compile compiles each program as a package of this module that exists only
// for the compiler, and returns what that says.
func compile(t *testing.T, programs []string) (string, error) {
	t.Helper()
	if len(programs) == 0 {
		return "", nil
	}
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	var packages []string
	for i, program := range programs {
		name := fmt.Sprintf("snippet%d", i+1)
		overlay.Replace[filepath.Join(root, name, "main.go")] = write(name+".go", program)
		packages = append(packages, "./"+name)
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	// Unlike go build, list -export compiles programs without linking them.
	args := append([]string{"list", "-export", "-overlay", write("overlay.json", string(data)), "--"}, packages...)
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	return string(out), err
}

func TestContains(t *testing.T) {
	const source = "func f() {\n\tif x {\n\t\ta()\n\n\t\t\tb()\n\t}\n}\n"
	tests := []struct {
		name, snippet string
		want          bool
	}{
		{"as it stands", "func f() {\n\tif x {\n", true},
		{"indented less", "a()\n\n\tb()\n", true},
		{"lines left out", "a()\n\tb()\n", false},
		{"part of a line", "func f()\n", false},
		{"another indentation inside", "a()\n\nb()\n", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := contains(source, tt.snippet); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// contains reports whether the snippet's lines follow each other in the source,
// all of them indented by the same number of further tabs.
func contains(source, snippet string) bool {
	if strings.TrimSpace(snippet) == "" {
		return false
	}
	for indent := range 5 {
		var b strings.Builder
		for line := range strings.Lines(snippet) {
			if line != "\n" {
				b.WriteString(strings.Repeat("\t", indent))
			}
			b.WriteString(line)
		}
		if strings.Contains("\n"+source, "\n"+b.String()) {
			return true
		}
	}
	return false
}
