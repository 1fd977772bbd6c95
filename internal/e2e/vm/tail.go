package vm

import (
	"bytes"
	"io"
	"sync"
)

// tail passes on what is written to it and keeps the end of it.
type tail struct {
	next io.Writer

	mu  sync.Mutex
	end []byte
}

// tailSize is how many bytes of a console are in an error: a crash with what led to it.
const tailSize = 4 << 10

// Write never fails, whatever the next writer does.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if surplus := len(t.end) - tailSize; surplus > 0 {
		t.end = bytes.Clone(t.end[surplus:])
	}
	_, _ = t.next.Write(p)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}
