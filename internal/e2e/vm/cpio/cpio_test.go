package cpio_test

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/e2e/vm/cpio"
)

// TestWriter: what is written is what the format says, and whole. That Linux reads it, every virtual machine shows.
func TestWriter(t *testing.T) {
	var archive bytes.Buffer
	w := cpio.NewWriter(&archive)
	w.File("init", []byte("#!"))
	w.File("lib/modules/a.ko", []byte("12345"))
	w.File("lib/b", nil)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := []entry{
		{"init", 0o100755, "#!"},
		{"lib", 0o040755, ""},
		{"lib/modules", 0o040755, ""},
		{"lib/modules/a.ko", 0o100755, "12345"},
		{"lib/b", 0o100755, ""},
	}
	if diff := cmp.Diff(want, read(t, archive.Bytes())); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
}

// TestWriterError: the first error is not lost, whichever call it comes from.
func TestWriterError(t *testing.T) {
	full := errors.New("disk full")
	for n := range 3 {
		w := cpio.NewWriter(&failing{after: n, err: full})
		w.File("a/b", []byte("content"))
		if err := w.Close(); !errors.Is(err, full) {
			t.Errorf("entry %d fails: got %v, want %v", n, err, full)
		}
	}
}

// failing is a writer that fails after a number of writes.
type failing struct {
	after int
	err   error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.after == 0 {
		return 0, f.err
	}
	f.after--
	return len(p), nil
}

type entry struct {
	Name    string
	Mode    int64
	Content string
}

// read reads an archive as the kernel's documentation of initramfs describes it, up to its trailer.
func read(t *testing.T, archive []byte) []entry {
	t.Helper()
	r := &reader{Reader: bytes.NewReader(archive)}
	var entries []entry
	for {
		if magic := r.text(t, 6); magic != "070701" {
			t.Fatalf("entry %d begins with %q", len(entries), magic)
		}
		var numbers [13]int64
		for i := range numbers {
			number, err := strconv.ParseInt(r.text(t, 8), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			numbers[i] = number
		}
		name := r.text(t, numbers[11])
		r.align(t)
		e := entry{strings.TrimSuffix(name, "\x00"), numbers[1], r.text(t, numbers[6])}
		r.align(t)
		if e.Name+"\x00" != name {
			t.Errorf("name %q does not end with a zero", name)
		}
		if e.Name == "TRAILER!!!" {
			if r.Len() > 0 {
				t.Errorf("%d bytes after the trailer", r.Len())
			}
			return entries
		}
		entries = append(entries, e)
	}
}

type reader struct{ *bytes.Reader }

func (r *reader) text(t *testing.T, length int64) string {
	t.Helper()
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// align skips to a multiple of four bytes.
func (r *reader) align(t *testing.T) {
	t.Helper()
	if padding := r.text(t, int64(r.Len()%4)); strings.Trim(padding, "\x00") != "" {
		t.Errorf("padding %q", padding)
	}
}
