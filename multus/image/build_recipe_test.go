package image_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/image"
)

// TestSumsAreOnRecord: each release that has a module has its hash here, the one
// that the manifests were taken from.
func TestSumsAreOnRecord(t *testing.T) {
	lock, err := os.ReadFile("../manifests/manifests.lock")
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, version := range multus.Versions() {
		if strings.HasPrefix(version, "v4.0.") {
			continue
		}
		sums, ok := image.MultusSums[version]
		if !ok {
			missing = append(missing, version)
			continue
		}
		entry := regexp.MustCompile(`multus-cni\.v4@` + regexp.QuoteMeta(version) + `\n\s+moduleSum: (\S+)\n`).FindSubmatch(lock)
		if entry == nil || string(entry[1]) != sums[0] {
			t.Errorf("%s: hash %s, the lock says %q", version, sums[0], entry)
		}
	}
	if diff := cmp.Diff([]string{"v4.2.1"}, missing); diff != "" {
		t.Errorf("releases without a hash (-want +got):\n%s", diff)
	}
	for version, sums := range image.MultusSums {
		if !slices.Contains(multus.Versions(), version) || len(sums[1]) != len(sums[0]) {
			t.Errorf("%s: %q", version, sums)
		}
	}
}

// TestToolboxIsWhole: what an image's toolbox is compiled from is what is
// tested, with the same versions.
func TestToolboxIsWhole(t *testing.T) {
	embedded := image.Toolbox()
	files, err := filepath.Glob("internal/toolbox/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			want = append(want, filepath.Base(file))
		}
	}
	if diff := cmp.Diff(append(want, "go.mod", "go.sum"), slices.SortedFunc(maps.Keys(embedded), func(a, b string) int {
		return strings.Compare(filepath.Ext(a)+a, filepath.Ext(b)+b)
	})); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	// The versions: golang.org/x is raised by hand when the root's is.
	line := regexp.MustCompile(`(?m)^\s*(?:require )?(\S+\.\S+/\S+) (v\S+)`)
	for _, root := range []struct{ file, name string }{{"../../go.mod", "go.mod"}, {"../../go.sum", "go.sum"}} {
		content, err := os.ReadFile(root.file)
		if err != nil {
			t.Fatal(err)
		}
		requirements := line.FindAllStringSubmatch(embedded["go.mod"], -1)
		if len(requirements) != 3 {
			t.Fatalf("requirements %q, want three", requirements)
		}
		for _, requirement := range requirements {
			if !strings.Contains(string(content), requirement[1]+" "+requirement[2]) {
				t.Errorf("%s has not %s %s", root.file, requirement[1], requirement[2])
			}
			if root.name != "go.sum" {
				continue
			}
			for _, version := range []string{requirement[2] + " h1:", requirement[2] + "/go.mod h1:"} {
				pattern := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(requirement[1]+" "+version) + `\S+$`)
				if sum := pattern.FindString(embedded["go.sum"]); sum == "" || !strings.Contains(string(content), sum+"\n") {
					t.Errorf("%s has not %q", root.file, sum)
				}
			}
		}
	}
}

// TestToolsOfScripts: each tool that an image links to toolbox is one of its.
func TestToolsOfScripts(t *testing.T) {
	main := image.Toolbox()["main.go"]
	files := string(golden.Section(t, golden.Archive(t, "testdata/build.txtar"), "files"))
	links := regexp.MustCompile(`(?m)^/bin/(\w+): -> toolbox$`).FindAllStringSubmatch(files, -1)
	if len(links) < 10 {
		t.Fatalf("links %q", links)
	}
	for _, link := range links {
		if link[1] != "sh" && !strings.Contains(main, `"`+link[1]+`":`) {
			t.Errorf("toolbox has no %s", link[1])
		}
	}
}
