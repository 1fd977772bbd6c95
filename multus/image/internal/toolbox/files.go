package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// cp copies files: cp [-f] FROM... TO. What is there is written over in place,
// as cp does it; who must not be seen half done copies beside and renames.
func cp(_ context.Context, c call) int {
	return c.transfer("f", func(from, to string) error {
		in, err := os.Open(from)
		if err != nil {
			return err
		}
		defer in.Close() //nolint:errcheck // it was only read
		info, err := in.Stat()
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%s: is a directory", from)
		}
		if there, err := os.Stat(to); err == nil && os.SameFile(info, there) {
			return fmt.Errorf("%s and %s are the same file", from, to)
		}
		out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Close())
	})
}

// mv renames files: mv [-f] FROM... TO, within one file system.
func mv(_ context.Context, c call) int { return c.transfer("f", os.Rename) }

// transfer does something with each source and the target, or with the file of
// the source's name in the target if that is a directory.
func (c call) transfer(flags string, do func(from, to string) error) int {
	_, names, err := c.flags(flags)
	if err != nil {
		return c.fail(err)
	}
	if len(names) < 2 {
		return c.fail(errors.New("needs what to take and where to put it"))
	}
	from, to := names[:len(names)-1], c.path(names[len(names)-1])
	info, err := os.Stat(to)
	inside := err == nil && info.IsDir()
	if len(from) > 1 && !inside {
		return c.fail(fmt.Errorf("%s: is no directory", to))
	}
	return c.each(from, func(name string) error {
		target := to
		if inside {
			target = filepath.Join(to, filepath.Base(name))
		}
		return do(name, target)
	})
}

// each does something with each name. One that cannot be done does not keep the
// others from it.
func (c call) each(names []string, do func(path string) error) int {
	status := 0
	for _, name := range names {
		if err := do(c.path(name)); err != nil {
			status = c.fail(err)
		}
	}
	return status
}

// withFlags does something with each name behind the flags.
func (c call) withFlags(known string, do func(flags map[rune]bool, path string) error) int {
	flags, names, err := c.flags(known)
	if err != nil {
		return c.fail(err)
	}
	return c.each(names, func(path string) error { return do(flags, path) })
}

// mkdir makes directories: mkdir [-p] DIR...
func mkdir(_ context.Context, c call) int {
	return c.withFlags("p", func(flags map[rune]bool, path string) error {
		if flags['p'] {
			return os.MkdirAll(path, 0o777)
		}
		return os.Mkdir(path, 0o777)
	})
}

// rm removes files: rm [-rRf] FILE... Links are removed, not followed.
func rm(_ context.Context, c call) int {
	return c.withFlags("rRf", func(flags map[rune]bool, path string) error {
		info, err := os.Lstat(path)
		switch {
		case flags['f'] && (path == "" || errors.Is(err, fs.ErrNotExist)):
			return nil
		case err != nil:
			return err
		case flags['r'] || flags['R']:
			return os.RemoveAll(path)
		case info.IsDir():
			return fmt.Errorf("%s: is a directory", path)
		}
		return os.Remove(path)
	})
}

// rmdir removes empty directories.
func rmdir(_ context.Context, c call) int {
	return c.withFlags("", func(_ map[rune]bool, path string) error {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%s: is no directory", path)
		}
		return os.Remove(path)
	})
}

// chmod sets permissions: chmod OCTAL FILE... or chmod +x FILE...
func chmod(_ context.Context, c call) int {
	if len(c.args) < 2 {
		return c.fail(errors.New("needs a mode and files"))
	}
	mode, err := strconv.ParseUint(c.args[0], 8, 12)
	executable := c.args[0] == "+x" || c.args[0] == "a+x"
	if err != nil && !executable {
		return c.fail(fmt.Errorf("mode %q: is neither octal nor +x", c.args[0]))
	}
	return c.each(c.args[1:], func(path string) error {
		if !executable {
			return os.Chmod(path, unixMode(mode))
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode()|0o111)
	})
}

// unixMode is the mode with what Go keeps elsewhere.
func unixMode(mode uint64) fs.FileMode {
	out := fs.FileMode(mode & 0o777)
	for bit, special := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&bit != 0 {
			out |= special
		}
	}
	return out
}

// sync writes files to the disk.
func sync(_ context.Context, c call) int {
	if len(c.args) == 0 {
		return c.fail(errors.New("needs files"))
	}
	return c.withFlags("df", func(_ map[rune]bool, path string) error {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(file.Sync(), file.Close())
	})
}

// ls lists names, one a line: ls [-1adl] [FILE...].
func ls(_ context.Context, c call) int {
	flags, names, err := c.flags("1adl")
	if err != nil {
		return c.fail(err)
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	show := func(info fs.FileInfo, name string) {
		if flags['l'] {
			fmt.Fprintf(c.stdout, "%s %10d ", info.Mode(), info.Size())
		}
		fmt.Fprintln(c.stdout, name)
	}
	return c.each(names, func(path string) error {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() || flags['d'] {
			show(info, path)
			return nil
		}
		entries, err := os.ReadDir(path)
		for _, entry := range entries {
			if entry.Name()[0] == '.' && !flags['a'] {
				continue
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			show(info, entry.Name())
		}
		return err
	})
}
