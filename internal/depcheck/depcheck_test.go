package depcheck_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/depcheck"
)

func TestCheck(t *testing.T) {
	packages := []depcheck.Package{
		{ImportPath: "example.com/m", Imports: []string{"heavy.org/lib"}},
		{ImportPath: "example.com/m/a", Imports: []string{"heavy.org/lib/sub", "heavy.org/library"}},
		{ImportPath: "example.com/m/a/b", Imports: []string{"example.com/m/a", "heavy.org/lib"}},
		{ImportPath: "example.com/m/ab", Imports: []string{"fmt"}},
	}
	tests := []struct {
		name string
		ban  depcheck.Ban
		want []string // packages that break it
	}{
		{"one package", depcheck.Ban{Import: "heavy.org/lib", Only: []string{"a"}}, []string{"example.com/m", "example.com/m/a/b"}},
		{"a tree", depcheck.Ban{Import: "heavy.org/lib", Only: []string{"a/..."}}, []string{"example.com/m"}},
		{"the root", depcheck.Ban{Import: "heavy.org/lib", Only: []string{"."}}, []string{"example.com/m/a", "example.com/m/a/b"}},
		{"nobody", depcheck.Ban{Import: "fmt"}, []string{"example.com/m/ab"}},
		{"inside the banned tree", depcheck.Ban{Import: "example.com/m/a"}, nil},
		{"not imported", depcheck.Ban{Import: "heavy.org/li"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.ban.Reason = "it is heavy"
			var got []string
			if err := depcheck.Check("example.com/m", packages, []depcheck.Ban{tt.ban}); err != nil {
				for line := range strings.SplitSeq(err.Error(), "\n") {
					path, rest, _ := strings.Cut(line, " imports ")
					got = append(got, path)
					if !strings.HasSuffix(rest, "because it is heavy") {
						t.Errorf("error %q lacks the reason", line)
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":      "module example.com/m\n\ngo 1.26.0\n",
		"m.go":        "package m\n\nimport _ \"example.com/m/a\"\n",
		"m_test.go":   "package m\n\nimport _ \"testing\"\n",
		"a/a.go":      "package a\n\nimport _ \"unsafe\"\n",
		"a/a_test.go": "package a\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	imports := func(deps bool, pattern string) map[string][]string {
		t.Helper()
		packages, err := depcheck.List(t.Context(), dir, deps, pattern)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string][]string)
		for _, p := range packages {
			got[p.ImportPath] = p.Imports
		}
		return got
	}
	want := map[string][]string{"example.com/m": {"example.com/m/a"}, "example.com/m/a": {"unsafe"}}
	if diff := cmp.Diff(want, imports(false, "./...")); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	want["unsafe"] = nil
	if diff := cmp.Diff(want, imports(true, ".")); diff != "" {
		t.Errorf("with deps (-want +got):\n%s", diff)
	}
	if _, err := depcheck.List(t.Context(), dir, false, "./missing"); err == nil || !strings.Contains(err.Error(), "go list ./missing: ") {
		t.Errorf("no such package: got error %v", err)
	}
}

func TestModules(t *testing.T) {
	// The module this test belongs to: cmp comes from another one.
	const own = "github.com/multihome/multihome"
	for _, tt := range []struct {
		name, pattern string
		want          []string
	}{
		{"standard library only", own + "/internal/depcheck", nil},
		{"one module", "github.com/google/go-cmp/cmp", []string{"github.com/google/go-cmp"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packages, err := depcheck.List(t.Context(), ".", true, tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, depcheck.Modules(own, packages)); diff != "" {
				t.Errorf("modules (-want +got):\n%s", diff)
			}
		})
	}
}
