// Package cpio writes archives in the one format that Linux unpacks as its first file system, "newc": for each file a
// header of hexadecimal numbers, a name and a content, name and content padded to four bytes.
package cpio

import (
	"fmt"
	"io"
	"path"
)

// Writer writes an archive. Everybody may read and execute what is in it. It does nothing any more after its first
// error, which [Writer.Close] returns.
type Writer struct {
	w           io.Writer
	entries     int
	directories map[string]bool
	err         error
}

// NewWriter returns a Writer of an empty archive.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, directories: map[string]bool{".": true}} }

// Types of entries with their permissions, as stat's st_mode has them.
const (
	typeDirectory = 0o040755
	typeProgram   = 0o100755
)

// File adds a file and the directories that it is in. Its name is relative to the root.
func (w *Writer) File(name string, content []byte) {
	w.directory(path.Dir(name))
	w.entry(name, typeProgram, content)
}

// directory adds a directory and those that it is in, unless they are there.
func (w *Writer) directory(name string) {
	if w.directories[name] {
		return
	}
	w.directories[name] = true
	w.directory(path.Dir(name))
	w.entry(name, typeDirectory, nil)
}

// Close ends the archive and returns the first error of all calls. It does not close what is written to.
func (w *Writer) Close() error {
	w.entry("TRAILER!!!", 0, nil)
	return w.err
}

func (w *Writer) entry(name string, mode int, content []byte) {
	w.entries++
	entry := []byte("070701") // the format
	for _, number := range []int{
		w.entries, // inode
		mode,
		0, 0, // user, group
		1, // links
		0, // time
		len(content),
		0, 0, 0, 0, // devices that it is on and that it is
		len(name) + 1, // with the zero that ends it
		0,             // no checksum
	} {
		entry = fmt.Appendf(entry, "%08X", number)
	}
	entry = pad(fmt.Appendf(entry, "%s\x00", name))
	entry = pad(append(entry, content...))
	if w.err == nil {
		_, w.err = w.w.Write(entry)
	}
}

// pad fills up to a multiple of four bytes.
func pad(p []byte) []byte { return append(p, make([]byte, -len(p)&3)...) }
