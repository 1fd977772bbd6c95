// Program toolbox is what an image of our own has in place of a distribution:
// a POSIX shell and the few tools that manifests, probes and the scripts of
// package multus call. It is one static program. Started by the name of a tool,
// or with that name as its first argument, it is that tool:
//
//	toolbox cp FROM TO
//	sh -c 'cp FROM TO'          (sh is a link to toolbox)
//
// The tools know the flags that those callers use, and refuse others. In the
// shell they run without a process of their own.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	// As the first process of a container it is not ended by a signal that it
	// does not handle.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		if number, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(128 + int(number))
		}
	}()
	os.Exit(run(context.Background(), os.Args, call{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

// call is one use of a tool.
type call struct {
	name   string
	args   []string
	dir    string // what names of files are relative to; "" is the process's own
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// tool does its work and returns the exit status.
type tool func(context.Context, call) int

// tools by name. The shell is not among them: in the shell it is another
// program.
var tools = map[string]tool{
	"cat": cat, "chmod": chmod, "cp": cp, "grep": grep, "ls": ls, "mkdir": mkdir, "mv": mv,
	"rm": rm, "rmdir": rmdir, "sha256sum": sha256sum, "sleep": sleep, "sync": sync,
	"true":  func(context.Context, call) int { return 0 },
	"false": func(context.Context, call) int { return 1 },
}

// run starts the tool that args name.
func run(ctx context.Context, args []string, c call) int {
	for range 2 {
		if len(args) == 0 {
			break
		}
		c.name, c.args = filepath.Base(args[0]), args[1:]
		if c.name == "sh" {
			return shell(ctx, c)
		}
		if t, ok := tools[c.name]; ok {
			return t(ctx, c)
		}
		args = args[1:]
	}
	fmt.Fprintf(c.stderr, "%s: no such tool\n", c.name)
	return 127
}

// path is where a file lies that the caller names. No name is no file, and not
// the directory.
func (c call) path(name string) string {
	if name == "" || c.dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

// fail reports an error and returns the exit status for it.
func (c call) fail(err error) int {
	fmt.Fprintf(c.stderr, "%s: %v\n", c.name, err)
	return 1
}

// flags takes the flags off the arguments: letters after one "-", until "--" or
// the first argument that is none.
func (c call) flags(known string) (set map[rune]bool, rest []string, err error) {
	set, rest = map[rune]bool{}, c.args
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != "-" {
		arg := rest[0]
		rest = rest[1:]
		if arg == "--" {
			break
		}
		for _, letter := range arg[1:] {
			if !strings.ContainsRune(known, letter) {
				return nil, nil, fmt.Errorf("flag -%c: not known; there are %q", letter, known)
			}
			set[letter] = true
		}
	}
	return set, rest, nil
}
