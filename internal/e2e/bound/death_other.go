//go:build unix && !linux

package bound

import "syscall"

// dieWithParent can only be had on Linux: elsewhere a killed test leaves its processes running.
func dieWithParent(*syscall.SysProcAttr) {}
