package main // a program cannot be imported

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// box is a directory in which tools run.
type box struct {
	t   *testing.T
	dir string
}

func newBox(t *testing.T, files map[string]string) box {
	t.Helper()
	b := box{t, t.TempDir()}
	for name, content := range files {
		path := filepath.Join(b.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// run returns what a tool prints, errors included, and its status.
func (b box) run(stdin string, args ...string) (string, int) {
	b.t.Helper()
	// A file, as it is for a program: from another reader the shell would copy
	// what its programs may want to read, at a time of its own.
	input, err := os.Create(filepath.Join(b.t.TempDir(), "stdin"))
	if err == nil {
		_, err = input.WriteString(stdin)
	}
	if err == nil {
		_, err = input.Seek(0, io.SeekStart)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	defer input.Close() //nolint:errcheck // it was only read
	var out bytes.Buffer
	status := run(b.t.Context(), args, call{dir: b.dir, stdin: input, stdout: &out, stderr: &out})
	return strings.ReplaceAll(out.String(), b.dir, "DIR"), status
}

// files returns what is in the directory, by path.
func (b box) files() map[string]string {
	b.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(b.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == b.dir {
			return err
		}
		name, _ := filepath.Rel(b.dir, path)
		switch {
		case entry.IsDir():
			out[name] = "directory"
		case entry.Type() == os.ModeSymlink:
			target, _ := os.Readlink(path)
			out[name] = "-> " + target
		default:
			content, err := os.ReadFile(path)
			out[name] = string(content)
			return err
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func TestTools(t *testing.T) {
	files := map[string]string{"a": "one\ntwo\n", "b": "three", "dir/c": "c", "link": "-> a", "lost": "-> nowhere"}
	tests := []struct {
		name   string
		args   []string
		stdin  string
		out    string
		status int
		// changes of the directory: "" for what is gone.
		changes map[string]string
	}{
		{name: "cat", args: []string{"cat", "a", "-", "b"}, stdin: "in ", out: "one\ntwo\nin three"},
		{name: "cat by path", args: []string{"/bin/cat"}, stdin: "in", out: "in"},
		{name: "cat through toolbox", args: []string{"/bin/toolbox", "cat", "b"}, out: "three"},
		{name: "cat without a file", args: []string{"cat", "none", "b"}, out: "cat: open DIR/none: no such file or directory\nthree", status: 1},
		{name: "cat a directory", args: []string{"cat", "dir"}, out: "cat: read DIR/dir: is a directory\n", status: 1},
		{name: "cat with a flag", args: []string{"cat", "-x"}, out: "cat: flag -x: not known; there are \"u\"\n", status: 1},
		{name: "no tool", args: []string{"toolbox", "awk"}, out: "awk: no such tool\n", status: 127},
		{name: "no tool named", args: []string{"toolbox"}, out: "toolbox: no such tool\n", status: 127},
		{name: "true", args: []string{"true"}},
		{name: "false", args: []string{"false"}, status: 1},

		{name: "cp", args: []string{"cp", "a", "new"}, changes: map[string]string{"new": "one\ntwo\n"}},
		{name: "cp over", args: []string{"cp", "-f", "a", "b"}, changes: map[string]string{"b": "one\ntwo\n"}},
		{name: "cp into", args: []string{"cp", "a", "b", "dir"}, changes: map[string]string{"dir/a": "one\ntwo\n", "dir/b": "three"}},
		{name: "cp many onto one", args: []string{"cp", "a", "b", "new"}, out: "cp: DIR/new: is no directory\n", status: 1},
		{name: "cp onto itself", args: []string{"cp", "a", "link"}, out: "cp: DIR/a and DIR/link are the same file\n", status: 1},
		{name: "cp a directory", args: []string{"cp", "dir", "new"}, out: "cp: DIR/dir: is a directory\n", status: 1},
		{name: "cp nothing", args: []string{"cp", "none", "new"}, out: "cp: open DIR/none: no such file or directory\n", status: 1},
		{name: "cp to nowhere", args: []string{"cp", "a", "none/new"}, out: "cp: open DIR/none/new: no such file or directory\n", status: 1},
		{name: "cp one", args: []string{"cp", "a"}, out: "cp: needs what to take and where to put it\n", status: 1},
		{name: "cp with a flag", args: []string{"cp", "-r", "a", "b"}, out: "cp: flag -r: not known; there are \"f\"\n", status: 1},
		{name: "mv", args: []string{"mv", "-f", "a", "b"}, changes: map[string]string{"a": "", "b": "one\ntwo\n"}},
		{name: "mv into", args: []string{"mv", "lost", "dir"}, changes: map[string]string{"lost": "", "dir/lost": "-> nowhere"}},

		{name: "rm", args: []string{"rm", "a", "link"}, changes: map[string]string{"a": "", "link": ""}},
		{name: "rm nothing", args: []string{"rm", "none", "a"}, out: "rm: lstat DIR/none: no such file or directory\n", status: 1, changes: map[string]string{"a": ""}},
		{name: "rm -f nothing", args: []string{"rm", "-f", "none", ""}},
		{name: "rm a directory", args: []string{"rm", "-f", "dir"}, out: "rm: DIR/dir: is a directory\n", status: 1},
		{name: "rm -rf", args: []string{"rm", "-rf", "dir", "--", "none"}, changes: map[string]string{"dir": "", "dir/c": ""}},
		{name: "rm -R a link", args: []string{"rm", "-R", "lost"}, changes: map[string]string{"lost": ""}},
		{name: "rm behind --", args: []string{"rm", "--", "-f"}, out: "rm: lstat DIR/-f: no such file or directory\n", status: 1},
		{name: "rm with a flag", args: []string{"rm", "-i", "a"}, out: "rm: flag -i: not known; there are \"rRf\"\n", status: 1},
		{name: "rmdir", args: []string{"rmdir", "dir"}, out: "rmdir: remove DIR/dir: directory not empty\n", status: 1},
		{name: "rmdir a file", args: []string{"rmdir", "a", "none"}, out: "rmdir: DIR/a: is no directory\nrmdir: lstat DIR/none: no such file or directory\n", status: 1},
		{name: "mkdir", args: []string{"mkdir", "x", "dir"}, out: "mkdir: mkdir DIR/dir: file exists\n", status: 1, changes: map[string]string{"x": "directory"}},
		{name: "mkdir -p", args: []string{"mkdir", "-p", "dir/d/e", "dir"}, changes: map[string]string{"dir/d": "directory", "dir/d/e": "directory"}},

		{name: "chmod without files", args: []string{"chmod", "755"}, out: "chmod: needs a mode and files\n", status: 1},
		{name: "chmod in words", args: []string{"chmod", "u=rwx", "a"}, out: "chmod: mode \"u=rwx\": is neither octal nor +x\n", status: 1},
		{name: "chmod nothing", args: []string{"chmod", "+x", "none"}, out: "chmod: stat DIR/none: no such file or directory\n", status: 1},
		{name: "sync", args: []string{"sync", "a", "dir"}},
		{name: "sync nothing", args: []string{"sync", "none"}, out: "sync: open DIR/none: no such file or directory\n", status: 1},
		{name: "sync all", args: []string{"sync"}, out: "sync: needs files\n", status: 1},

		{name: "ls", args: []string{"ls"}, out: "a\nb\ndir\nlink\nlost\n"},
		{name: "ls files", args: []string{"ls", "-1", "-a", "a", "dir", "none"}, out: "DIR/a\nc\nls: lstat DIR/none: no such file or directory\n", status: 1},
		{name: "ls -ld", args: []string{"ls", "-ld", "b"}, out: "-rw-r--r--          5 DIR/b\n"},
		{name: "ls with a flag", args: []string{"ls", "-R"}, out: "ls: flag -R: not known; there are \"1adl\"\n", status: 1},

		{name: "sha256sum", args: []string{"sha256sum"}, stdin: "abc", out: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n"},
		{name: "sha256sum of a file", args: []string{"sha256sum", "dir/c", "dir"}, out: "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6  dir/c\nsha256sum: read DIR/dir: is a directory\n", status: 1},
		{name: "sha256sum with a flag", args: []string{"sha256sum", "-c"}, out: "sha256sum: flag -c: not known; there are \"b\"\n", status: 1},

		{name: "grep", args: []string{"grep", "o"}, stdin: "one\ntwo\nthree", out: "one\ntwo\n"},
		{name: "grep last line", args: []string{"grep", "e"}, stdin: "one\ntwo\nthree", out: "one\nthree\n"},
		{name: "grep none", args: []string{"grep", "x", "a"}, status: 1},
		{name: "grep names files", args: []string{"grep", "t", "a", "b"}, out: "a:two\nb:three\n"},
		{name: "grep -v", args: []string{"grep", "-v", "two", "a"}, out: "one\n"},
		{name: "grep -qx", args: []string{"grep", "-qx", "two", "none", "a"}, out: "grep: open DIR/none: no such file or directory\n"},
		{name: "grep -qx part", args: []string{"grep", "-qx", "tw", "a"}, status: 1},
		{name: "grep -qs", args: []string{"grep", "-qsxE", "two|four", "none", "a"}},
		{name: "grep lost file", args: []string{"grep", "-s", "two", "none", "a"}, out: "a:two\n", status: 2},
		{name: "grep -F", args: []string{"grep", "-F", "a.c"}, stdin: "abc\na.c", out: "a.c\n"},
		{name: "grep basic", args: []string{"grep", `\(a\|b\)+[(]\.`}, stdin: "a+(.\naa(.\nb+(x", out: "a+(.\n"},
		{name: "grep basic backslash", args: []string{"grep", `a\`}, out: "grep: error parsing regexp: trailing backslash at end of expression: ``\n", status: 2},
		{name: "grep bad pattern", args: []string{"grep", "-E", "("}, out: "grep: error parsing regexp: missing closing ): `(`\n", status: 2},
		{name: "grep without pattern", args: []string{"grep"}, out: "grep: needs a pattern\n", status: 2},

		{name: "sleep", args: []string{"sleep", "0.001"}},
		{name: "sleep with a unit", args: []string{"sleep", "0m"}},
		{name: "sleep in words", args: []string{"sleep", "long"}, out: "sleep: duration \"long\": write seconds, or 5m, 2h or infinity\n", status: 1},
		{name: "sleep without", args: []string{"sleep"}, out: "sleep: needs one duration\n", status: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, files)
			want := b.files()
			for name, content := range tt.changes {
				want[name] = content
				if content == "" {
					delete(want, name)
				}
			}
			out, status := b.run(tt.stdin, tt.args...)
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if diff := cmp.Diff(tt.out, out); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, b.files()); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestModes(t *testing.T) {
	b := newBox(t, map[string]string{"a": "a"})
	for _, step := range []struct {
		args []string
		file string
		want os.FileMode
	}{
		{[]string{"chmod", "0640", "a"}, "a", 0o640},
		{[]string{"chmod", "+x", "a"}, "a", 0o751},
		{[]string{"cp", "a", "b"}, "b", 0o751},
		{[]string{"chmod", "4755", "b"}, "b", 0o755 | os.ModeSetuid},
	} {
		if out, status := b.run("", step.args...); status != 0 {
			t.Errorf("%q: status %d: %s", step.args, status, out)
		}
		if info, err := os.Stat(filepath.Join(b.dir, step.file)); err != nil || info.Mode() != step.want {
			t.Errorf("%q: mode %v, want %v; error %v", step.args, info.Mode(), step.want, err)
		}
	}
}

func TestSleepEnds(t *testing.T) {
	for _, duration := range []string{"infinity", "3h"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if status := run(ctx, []string{"sleep", duration}, call{}); status != 1 {
			t.Errorf("%s: status %d, want 1", duration, status)
		}
	}
}

func TestShell(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte(`echo "${0##*/} $# $1"; exit 4`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		args   []string
		stdin  string
		out    string
		status int
	}{
		{name: "-c", args: []string{"-c", `echo "$0 $# $1 $2"`, "a name", "a b", "-x"}, out: "a name 2 a b -x\n"},
		{name: "-c without a name", args: []string{"-c", `echo "$0 $#"`}, out: "sh 0\n"},
		{name: "options", args: []string{"-ec", "false; echo not"}, status: 1},
		{name: "options of their own", args: []string{"-u", "-c", `echo "$none"; echo not`}, out: "none: unbound variable\n", status: 1},
		{name: "unknown option", args: []string{"-Q", "-c", "true"}, out: "sh: invalid option: \"-Q\"\n", status: 1},
		{name: "tools", args: []string{"-c", `for i in 1 2 3; do echo "line $i"; done | grep -v 2 | cat; sha256sum </dev/null | grep -q e3b0 && echo sum`}, out: "line 1\nline 3\nsum\n"},
		{name: "status of a tool", args: []string{"-c", "grep x </dev/null; echo $?; cat /nonexistent 2>/dev/null || exit 9"}, out: "1\n", status: 9},
		{name: "no tool", args: []string{"-c", "PATH=; awk"}, out: "\"awk\": executable file not found in $PATH\n", status: 127},
		{name: "exec", args: []string{"-c", "exec sleep 0; echo not"}},
		{name: "syntax", args: []string{"-c", "if"}, out: "sh:1:1: `if` must be followed by a statement list\n", status: 2},
		{name: "file", args: []string{script, "a"}, out: "script 1 a\n", status: 4},
		{name: "file behind --", args: []string{"--", script}, out: "script 0 \n", status: 4},
		{name: "no file", args: []string{"/nonexistent"}, out: "sh: open /nonexistent: no such file or directory\n", status: 1},
		{name: "standard input", stdin: "x=1\nif true; then\necho $x; fi\nfalse\n", out: "1\n", status: 1},
		{name: "exit in standard input", stdin: "exit 5\necho not\n", status: 5},
		{name: "syntax in standard input", stdin: "echo )\n", out: "1:6: a command can only contain words and redirects; encountered `)`\n", status: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, status := newBox(t, nil).run(tt.stdin, append([]string{"sh"}, tt.args...)...)
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if diff := cmp.Diff(tt.out, out); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close() //nolint:errcheck // it was only read
	var out bytes.Buffer
	if status := run(t.Context(), []string{"sh"}, call{stdin: null, stdout: &out, stderr: &out}); status != 0 || out.String() != "# " {
		t.Errorf("status %d, output %q, want a prompt for a device", status, out.String())
	}
}
