// Package toymodule is for tests: it serves Go modules from a directory, as a
// module proxy does, so that a build can be tried without a network and without
// compiling much.
package toymodule

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// Proxy is a directory with modules.
type Proxy struct{ dir string }

// New makes a proxy, and lets the Go command of this test take its modules from
// there alone, keep them in a directory of the test, and ask no checksum
// database.
func New(tb testing.TB) *Proxy {
	tb.Helper()
	p := &Proxy{dir: tb.TempDir()}
	cache := tb.TempDir()
	tb.Cleanup(func() { _ = writable(cache) })
	for name, value := range map[string]string{
		"GOPROXY": "file://" + filepath.ToSlash(p.dir), "GOSUMDB": "off", "GOMODCACHE": cache,
		"GONOPROXY": "none", "GONOSUMDB": "", "GOPRIVATE": "", "GOFLAGS": "", "GOENV": "off",
	} {
		tb.Setenv(name, value)
	}
	return p
}

// writable lets the module cache be removed: the Go command writes it for
// reading only.
func writable(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
}

// Add serves a module with the files of a txtar archive, and returns its hash
// and that of its go.mod, as a go.sum has them.
func (p *Proxy) Add(tb testing.TB, path, version, files string) [2]string {
	tb.Helper()
	archive := txtar.Parse([]byte(files))
	var zipped bytes.Buffer
	w := zip.NewWriter(&zipped)
	var mod []byte
	all := map[string][]byte{}
	for _, file := range archive.Files {
		name := path + "@" + version + "/" + file.Name
		all[name] = file.Data
		if file.Name == "go.mod" {
			mod = file.Data
		}
		out, err := w.Create(name)
		if err == nil {
			_, err = out.Write(file.Data)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	dir := filepath.Join(p.dir, filepath.FromSlash(path), "@v")
	err := errors.Join(
		w.Close(), os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, version+".info"), fmt.Appendf(nil, `{"Version":%q,"Time":"2026-01-02T03:04:05Z"}`, version), 0o644),
		os.WriteFile(filepath.Join(dir, version+".mod"), mod, 0o644),
		os.WriteFile(filepath.Join(dir, version+".zip"), zipped.Bytes(), 0o644),
	)
	if err != nil {
		tb.Fatal(err)
	}
	return [2]string{hash(all), hash(map[string][]byte{"go.mod": mod})}
}

// hash is the h1 hash of files: of the list of their checksums and names.
func hash(files map[string][]byte) string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var list strings.Builder
	for _, name := range names {
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(files[name]), name)
	}
	h := sha256.New()
	_, _ = io.WriteString(h, list.String())
	return "h1:" + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Sums are the lines of a go.sum for a module.
func Sums(path, version string, sums [2]string) string {
	return fmt.Sprintf("%s %s %s\n%s %s/go.mod %s\n", path, version, sums[0], path, version, sums[1])
}
