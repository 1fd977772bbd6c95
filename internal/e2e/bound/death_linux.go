package bound

import "syscall"

// dieWithParent makes a child end with its parent, also where the parent is killed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
