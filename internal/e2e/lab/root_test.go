package lab_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/multihome/multihome/internal/e2e/lab"
)

// TestWithoutRoot: a test that needs a cluster is skipped for want of root, and fails in CI. It runs itself again
// as nobody.
func TestWithoutRoot(t *testing.T) {
	const again = "LAB_TEST_WITHOUT_ROOT"
	if os.Getenv(again) != "" {
		lab.New(t, lab.Options{})
		t.Error("got a cluster")
	}
	lab.NeedRoot(t) // to become nobody
	for _, tt := range []struct{ name, ci, want string }{
		{"locally", "", "--- SKIP: TestWithoutRoot"},
		{"in CI", "true", "--- FAIL: TestWithoutRoot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestWithoutRoot$", "-test.v")
			cmd.Dir = "/"
			cmd.Env = []string{again + "=1", "CI=" + tt.ci}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, err := cmd.CombinedOutput()
			if (err != nil) != (tt.ci == "true") {
				t.Errorf("ended with %v", err)
			}
			for _, want := range []string{tt.want, "needs root"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("output lacks %q:\n%s", want, out)
				}
			}
		})
	}
}
