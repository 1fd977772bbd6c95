//go:build unix

package toolchain

import (
	"os/exec"
	"syscall"
)

// killGroup lets the end of the context kill the compilers too that the command
// has started: otherwise they work on, and write where all is removed.
func killGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
