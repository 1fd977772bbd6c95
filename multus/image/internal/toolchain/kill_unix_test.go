//go:build unix

package toolchain_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/multihome/multihome/multus/image/internal/toolchain"
)

// TestEndOfContextKillsAll: no compiler works on when a build is called off.
func TestEndOfContextKillsAll(t *testing.T) {
	pids, tmp := t.TempDir(), t.TempDir()
	t.Setenv("FAKE_PIDS", pids)
	t.Setenv("TMPDIR", tmp)
	tool := open(t, fakeGo(t, "hangs"))
	calledOff := errors.New("called off")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := tool.Module(ctx, toolchain.Module{Path: "example.com/m", Version: "v1.0.0", Sum: "h1:x", GoModSum: "h1:y"})
		ended <- err
	}()
	for {
		entries, err := os.ReadDir(pids)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel(calledOff)
	if err := <-ended; !errors.Is(err, calledOff) {
		t.Errorf("error %v, want the cause", err)
	}
	entries, err := os.ReadDir(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		// The child becomes a child of init, which may take a moment.
		for alive(t, pid) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := tool.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// alive reports whether a process runs. One that has ended and that nobody has
// asked for does not.
func alive(t *testing.T, pid int) bool {
	t.Helper()
	if err := syscall.Kill(pid, 0); err != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	return !containsZombie(string(stat))
}
