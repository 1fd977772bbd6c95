// Package bound starts commands that do not outlive this process.
//
//	ended, err := bound.Start(cmd, nil)
//	<-ended // cmd.ProcessState says how
package bound

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts a command that ends when this process does, however it does (on Linux), and closes ended when
// the command is over. Its SysProcAttr is kept but for Pdeathsig.
//
// enter, if not nil, is called first on the thread that starts the command, which belongs to the command alone:
// the namespaces that it enters are the command's.
func Start(cmd *exec.Cmd, enter func() error) (ended <-chan struct{}, err error) {
	started, over := make(chan error), make(chan struct{})
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(cmd.SysProcAttr)
	go func() {
		defer close(over)
		// The kernel takes the thread that started a child for its parent: keep the thread as long as the child.
		runtime.LockOSThread()
		if enter == nil {
			defer runtime.UnlockOSThread() // else the thread ends: nobody else may run in other namespaces
		} else if err := enter(); err != nil {
			started <- err
			return
		}
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the exit code is in cmd.ProcessState
		}
	}()
	return over, <-started
}
