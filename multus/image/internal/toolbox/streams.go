package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
)

// inputs reads each file, or standard input if there is none or it is "-". What
// cannot be read is reported, unless quiet, and does not keep the others from
// being read.
func (c call) inputs(names []string, quiet bool, read func(name string, content io.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := 0
	for _, name := range names {
		err := c.input(name, read)
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			status = 1
			if !quiet {
				_ = c.fail(err)
			}
		}
	}
	return status
}

// errEnough ends the reading.
var errEnough = errors.New("enough")

func (c call) input(name string, read func(name string, content io.Reader) error) error {
	if name == "-" {
		return read(name, c.stdin)
	}
	file, err := os.Open(c.path(name))
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	return read(name, file)
}

// cat copies files to standard output.
func cat(_ context.Context, c call) int {
	_, names, err := c.flags("u")
	if err != nil {
		return c.fail(err)
	}
	return c.inputs(names, false, func(_ string, content io.Reader) error {
		_, err := io.Copy(c.stdout, content)
		return err
	})
}

// sha256sum prints a checksum and the name for each file.
func sha256sum(_ context.Context, c call) int {
	_, names, err := c.flags("b")
	if err != nil {
		return c.fail(err)
	}
	return c.inputs(names, false, func(name string, content io.Reader) error {
		h := sha256.New()
		if _, err := io.Copy(h, content); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.stdout, "%x  %s\n", h.Sum(nil), name)
		return err
	})
}

// grep prints lines that match: grep [-EFqsvx] PATTERN [FILE...]. Its status is
// 0 if there is one, 1 if there is none, and 2 if a file could not be read,
// unless -q found a match.
func grep(_ context.Context, c call) int {
	flags, args, err := c.flags("EFqsvx")
	if err != nil || len(args) == 0 {
		_ = c.fail(errors.Join(err, errors.New("needs a pattern")))
		return 2
	}
	pattern, err := grepPattern(args[0], flags)
	if err != nil {
		_ = c.fail(err)
		return 2
	}
	found := false
	status := c.inputs(args[1:], flags['s'], func(name string, content io.Reader) error {
		lines := bufio.NewReader(content)
		for {
			line, err := lines.ReadString('\n')
			if err != nil && line == "" {
				if errors.Is(err, io.EOF) {
					err = nil
				}
				return err
			}
			line = strings.TrimSuffix(line, "\n")
			if pattern.MatchString(line) == flags['v'] {
				continue
			}
			found = true
			if flags['q'] {
				return errEnough
			}
			if len(args) > 2 {
				fmt.Fprint(c.stdout, name+":")
			}
			fmt.Fprintln(c.stdout, line)
		}
	})
	switch {
	case found && (flags['q'] || status == 0):
		return 0
	case status != 0:
		return 2
	}
	return 1
}

// grepPattern compiles what a line must match.
func grepPattern(pattern string, flags map[rune]bool) (*regexp.Regexp, error) {
	switch {
	case flags['F']:
		pattern = regexp.QuoteMeta(pattern)
	case !flags['E']:
		pattern = extended(pattern)
	}
	if flags['x'] {
		pattern = "^(" + pattern + ")$"
	}
	return regexp.CompilePOSIX(pattern)
}

// extended turns a basic regular expression into an extended one: what is
// special with a backslash in the one is special without it in the other.
func extended(basic string) string {
	const swapped = "(){}|+?"
	var out strings.Builder
	escaped, bracket := false, false
	for _, letter := range basic {
		special := strings.ContainsRune(swapped, letter) && !bracket
		switch {
		case escaped:
			if !special {
				out.WriteByte('\\')
			}
			out.WriteRune(letter)
			escaped = false
		case letter == '\\' && !bracket:
			escaped = true
		default:
			if special {
				out.WriteByte('\\')
			}
			out.WriteRune(letter)
			bracket = letter == '[' || bracket && letter != ']'
		}
	}
	if escaped {
		out.WriteByte('\\')
	}
	return out.String()
}

// sleep waits: sleep 1.5, sleep 3m, sleep infinity.
func sleep(ctx context.Context, c call) int {
	if len(c.args) != 1 {
		return c.fail(errors.New("needs one duration"))
	}
	if c.args[0] == "infinity" {
		<-ctx.Done()
		return 1
	}
	text := c.args[0]
	if !strings.HasSuffix(text, "s") && !strings.HasSuffix(text, "m") && !strings.HasSuffix(text, "h") {
		text += "s"
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration < 0 {
		return c.fail(fmt.Errorf("duration %q: write seconds, or 5m, 2h or infinity", c.args[0]))
	}
	select {
	case <-time.After(duration):
		return 0
	case <-ctx.Done():
		return 1
	}
}
