package vm

import (
	"fmt"
	"io"
	"path"
)

// cpioWriter writes an archive in the one format that Linux unpacks as its first file system, "newc": a header of
// hexadecimal numbers, a name, a content, each padded to four bytes.
type cpioWriter struct {
	w           io.Writer
	written     int
	entries     int
	directories map[string]bool
	err         error
}

// Types of entries, as in stat's st_mode.
const (
	cpioDirectory = 0o040755
	cpioProgram   = 0o100755
)

// file adds a file that everybody may execute, and the directories that it is in.
func (c *cpioWriter) file(name string, content []byte) {
	c.directory(path.Dir(name))
	c.entry(name, cpioProgram, content)
}

func (c *cpioWriter) directory(name string) {
	if name == "." || c.directories[name] {
		return
	}
	c.directory(path.Dir(name))
	if c.directories == nil {
		c.directories = map[string]bool{}
	}
	c.directories[name] = true
	c.entry(name, cpioDirectory, nil)
}

// close writes what ends an archive. It returns the first error of all calls.
func (c *cpioWriter) close() error {
	c.entry("TRAILER!!!", 0, nil)
	return c.err
}

func (c *cpioWriter) entry(name string, mode int, content []byte) {
	c.entries++
	const magic = "070701"
	c.printf(magic)
	for _, number := range []int{
		c.entries, // inode
		mode,
		0, 0, // user, group
		1, // links
		0, // time
		len(content),
		0, 0, 0, 0, // devices that it is on and that it is
		len(name) + 1, // with the zero that ends it
		0,             // no checksum
	} {
		c.printf("%08X", number)
	}
	c.printf("%s\x00", name)
	c.pad()
	c.write(content)
	c.pad()
}

func (c *cpioWriter) pad() { c.write(make([]byte, -c.written&3)) }

func (c *cpioWriter) printf(format string, args ...any) { c.write(fmt.Appendf(nil, format, args...)) }

func (c *cpioWriter) write(p []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(p)
		c.written += len(p)
	}
}
