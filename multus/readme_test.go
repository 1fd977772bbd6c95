package multus_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/multus"
)

// TestReadmeFixes holds the README's table of fixes against Fixes.
func TestReadmeFixes(t *testing.T) {
	const begin, end = "<!-- fixes: written by go test ./multus -run TestReadmeFixes -update -->\n", "<!-- /fixes -->\n"
	path := "../README.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), begin)
	got, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no table of fixes between %q and %q", path, begin, end)
	}
	var want strings.Builder
	want.WriteString("| fix | reason | source |\n|---|---|---|\n")
	for _, fix := range multus.Fixes() {
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", fix.Name, fix.Reason, fix.Source)
	}
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(before+begin+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("table of fixes in %s (-want +got):\n%s", path, diff)
	}
}
