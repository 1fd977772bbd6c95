// Package golden compares what tests produce with txtar files kept in testdata.
//
// A txtar file holds the input of a case and the wanted outputs as sections.
// Run a package's tests with -update to rewrite the wanted sections; read the
// diff before committing it.
package golden

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// update is registered here, once for every test binary that links this package.
var update = flag.Bool("update", false, "rewrite the wanted sections of golden files")

// Archive reads the txtar file at path, for tests that take their input from
// it. A missing file fails the test.
func Archive(tb testing.TB, path string) *txtar.Archive {
	tb.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return archive
}

// Section returns the data of one section of the archive. A missing section
// fails the test.
func Section(tb testing.TB, archive *txtar.Archive, section string) []byte {
	tb.Helper()
	i := index(archive, section)
	if i < 0 {
		tb.Fatalf("golden file has no section %q", section)
	}
	return archive.Files[i].Data
}

// Check compares got with one section of the txtar file at path and reports
// the difference. A section always ends in a newline, so one that got lacks is
// added first. With -update it writes got to the section instead, creating
// file and section where they do not exist; other sections stay as they are.
// Calls for one file must not run in parallel.
func Check(tb testing.TB, path, section string, got []byte) {
	tb.Helper()
	if len(got) > 0 && got[len(got)-1] != '\n' {
		got = append(slices.Clone(got), '\n')
	}
	if *update {
		rewrite(tb, path, section, got)
		return
	}
	want := Section(tb, Archive(tb, path), section)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		tb.Errorf("%s, section %s (-want +got; rewrite with -update):\n%s", path, section, diff)
	}
}

func rewrite(tb testing.TB, path, section string, data []byte) {
	tb.Helper()
	archive, err := txtar.ParseFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		archive, err = new(txtar.Archive), os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		tb.Fatal(err)
	}
	if i := index(archive, section); i >= 0 {
		archive.Files[i].Data = data
	} else {
		archive.Files = append(archive.Files, txtar.File{Name: section, Data: data})
	}
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func index(archive *txtar.Archive, section string) int {
	return slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == section })
}
