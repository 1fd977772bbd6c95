// Package guest is what package vm and a virtual machine's process 1, the program init, say to each other: a Job,
// which is a file of the initramfs, then Reports, each a line of JSON on a port.
package guest

import (
	"os"
	"time"
)

// Files and directories of the initramfs.
const (
	// InitFile is the program init.
	InitFile = "init"
	// JobFile is a Job as JSON.
	JobFile = "job.json"
	// ModulesDir holds the modules that the kernel needs before it sees the machine's files.
	ModulesDir = "modules"
)

// MountTag is the 9p share with the machine's root directory.
const MountTag = "machine"

// The numbers of the virtio-serial ports: port N is /dev/vportXpN, where X is the device's number.
const (
	StdoutPort = 1 + iota
	StderrPort
	ReportPort
)

// ScratchDir is a directory of the virtual machine on a file system of its own in memory. It is TMPDIR.
const ScratchDir = "/scratch"

// Job is a command to run.
type Job struct {
	Args []string
	// Env is the whole environment.
	Env []string
	Dir string
	// Boot lists the files in ModulesDir, in the order in which they can be loaded.
	Boot []string
	// KernelDir is the machine's directory with lib/modules/VERSION of the kernel that runs.
	KernelDir string
	// Load names modules to load that no use of them would.
	Load []string
}

// Report is what init says. Each has one field set.
type Report struct {
	// Alive comes every AliveInterval, the first time when the command starts.
	Alive bool `json:",omitempty"`
	// ExitCode of the command, which is over.
	ExitCode *int `json:",omitempty"`
	// Error is why the command was not run.
	Error string `json:",omitempty"`
}

// AliveInterval is the time between two signs of life.
const AliveInterval = 2 * time.Second

// variable is the environment variable by which programs in the virtual machine know where they are.
const variable = "E2E_VIRTUAL_MACHINE"

// Env is what init adds to the environment of the command.
func Env() []string { return []string{"TMPDIR=" + ScratchDir, variable + "=true"} }

// Patience returns how long to wait for something that takes at most d on real processors: several times as long on
// those that a virtual machine of package vm has.
func Patience(d time.Duration) time.Duration {
	if os.Getenv(variable) == "" {
		return d
	}
	return 5 * d
}
