package kubetest

import "syscall"

// dieWithParent makes a child end with its parent, also where the parent is killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
