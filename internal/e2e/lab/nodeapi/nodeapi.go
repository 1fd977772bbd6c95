// Package nodeapi is what package lab and a node's process 1, the program noded, say to each other: a Config when
// the node boots, then calls of net/rpc over a socket that both have from the start.
package nodeapi

import (
	"io/fs"
	"syscall"
)

// Socket is the file descriptor of noded's end of the socket.
const Socket = 3

// Config is how a node is made. It is noded's argument, as JSON.
type Config struct {
	Hostname string
	// Root is the directory on the machine that is the node's file system. What is below it outlives the node,
	// but for what is a tmpfs.
	Root string
	// Cgroups are the node's own cgroups: one in each hierarchy of version 1, or one of version 2.
	Cgroups []Cgroup
	// Mounts are directories of the machine that the node sees, read-only.
	Mounts []Mount
	// RunDir is what /var/run is.
	RunDir RunDir
	// VolatileCNI makes /etc/cni empty after each boot.
	VolatileCNI bool
	// OSName is PRETTY_NAME in /etc/os-release: what kubectl calls the OS image.
	OSName string
	// BootID is the kernel's name for this boot. The kubelet tells a restart by it.
	BootID string
}

// Cgroup is a directory in a cgroup hierarchy.
type Cgroup struct {
	// Controllers of the hierarchy as in /proc/self/cgroup. Empty: version 2.
	Controllers string
	Dir         string
}

// Mount is a directory of the machine in the node.
type Mount struct{ Source, Target string }

// RunDir is what /var/run is on a node.
type RunDir string

// What /var/run can be.
const (
	// RunDirDirectory is a directory of its own, emptied at boot: Talos up to 1.8.0.
	RunDirDirectory RunDir = "directory"
	// RunDirAbsolute is a link to /run: Talos since 1.10.
	RunDirAbsolute RunDir = "/run"
	// RunDirRelative is a link to ../run: Debian.
	RunDirRelative RunDir = "../run"
)

// Command is a program to run in the node, until it ends or as a service.
type Command struct {
	// Name of a service: its log is /var/log/NAME.log.
	Name string
	Args []string
	// Env is added to PATH and HOME.
	Env   []string
	Stdin []byte
}

// Output is what a Command said.
type Output struct {
	Stdout, Stderr []byte
	ExitCode       int
}

// Signal is a signal to every process of a program.
type Signal struct {
	// Program is the file name of the process's first argument.
	Program string
	Signal  syscall.Signal
}

// File is a regular file, a symbolic link or a directory.
type File struct {
	Mode fs.FileMode
	// Content of a file, target of a link.
	Content []byte
}

// WriteFile is a file to write, with the directories that it needs.
type WriteFile struct {
	Name string
	File File
}

// None is no argument and no result.
type None struct{}

// PodNetwork is what the program podbox tells of the network that it sees.
type PodNetwork struct {
	Interfaces []Interface
	// Routes are those of IPv4.
	Routes []Route
}

// Interface is a network interface. Addresses have their prefix length.
type Interface struct {
	Name, MAC string
	MTU       int
	Addresses []string
}

// Route is a route. Destination is a prefix, Gateway empty for what is on the link.
type Route struct{ Interface, Destination, Gateway string }
