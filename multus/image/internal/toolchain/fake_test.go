package toolchain_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fakeGo makes this test binary the Go command, which then behaves as told.
func fakeGo(t *testing.T, behaviour string) string {
	t.Helper()
	t.Setenv("FAKE_GO", behaviour)
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_GOROOT", strings.TrimSpace(string(root)))
	command, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return command
}

func TestMain(m *testing.M) {
	if behaviour := os.Getenv("FAKE_GO"); behaviour != "" {
		os.Exit(beGo(behaviour))
	}
	os.Exit(m.Run())
}

func beGo(behaviour string) int {
	answer := fmt.Sprintf(`{"GOVERSION":"go1.20.1 X:nothing","GOROOT":%q}`, os.Getenv("FAKE_GOROOT"))
	switch {
	case behaviour == "junk":
		fmt.Println("hello")
		return 0
	case behaviour == "fails":
		fmt.Fprintln(os.Stderr, "this is broken")
		return 3
	case os.Args[1] == "env":
		fmt.Println(answer)
		return 0
	case behaviour == "old":
		return 0
	}
	// "hangs": a compiler is at work, and one below it.
	pids := os.Getenv("FAKE_PIDS")
	if err := os.WriteFile(filepath.Join(pids, strconv.Itoa(os.Getpid())), nil, 0o600); err != nil {
		return 1
	}
	if len(os.Args) < 3 || os.Args[2] != "child" {
		_ = exec.Command(os.Args[0], "compile", "child").Run()
	}
	time.Sleep(time.Hour)
	return 0
}
