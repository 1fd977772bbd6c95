//go:build !unix

package toolchain

import "os/exec"

// killGroup leaves compilers to end by themselves: there are no process groups.
func killGroup(*exec.Cmd) {}
