package gobuild

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// Output takes what `go build -v` prints and tells its progress from its messages. It is safe for
// concurrent use.
type Output struct {
	mu       sync.Mutex
	rest     []byte // of a line that is not complete
	messages strings.Builder
	compiled int
	last     string // progress line
}

// Write never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, whole := bytes.Cut(o.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		o.rest = rest
		o.line(string(line))
	}
}

func (o *Output) line(line string) {
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		o.last = strings.TrimPrefix(line, "go: ")
	case line != "" && !strings.ContainsAny(line, " \t:#"): // an import path: the package is being compiled
		o.compiled++
		o.last = line
	default:
		fmt.Fprintln(&o.messages, line)
	}
}

// Progress says in one line how far the build is.
func (o *Output) Progress() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprintf("%d packages compiled, now %s", o.compiled, o.last)
}

// Messages returns everything printed that was not progress.
func (o *Output) Messages() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.messages.String() + string(o.rest)
}
