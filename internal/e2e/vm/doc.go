// Package vm runs commands in a virtual machine with Debian's kernel, for what the kernel at hand cannot do: version 2
// of cgroups, or links of types that it lacks.
//
//	code, err := vm.Run(ctx, []string{"ip", "link", "add", "net1", "type", "ipvlan", "link", "eth0"}, vm.Options{})
//
// The command cmd/vm does that. With it go test runs the tests of any package in there:
//
//	go test -exec 'vm -memory 2048' ./lab
//
// # How it works
//
// QEMU emulates the processors, so that no KVM is needed. The kernel is that of Debian's package, the newest that
// apt-get knows of. It boots from an archive in memory with the program init, a few modules and the command, and shuts
// down after it.
//
// The command sees the machine's files, read-only, over 9p, and above them a file system in memory, so that it can
// write everywhere and nothing is kept. /proc, /sys, /dev and /run are the virtual machine's own. Beside lo it has no
// network. It runs as root, with the environment and the working directory that it is given, and its output comes back
// while it runs.
//
// # When it goes wrong
//
// A virtual machine ends with its context, and with the process that runs it, in whatever way that ends; it leaves no
// file. Its process 1 gives a sign of life every few seconds: a virtual machine without any is ended. The error holds
// the end of the kernel's console.
//
// # What to expect
//
// Each processor is 10 to 30 times slower than the real one, and there is no use in having more than the machine has.
// A boot takes some seconds. Linux on amd64 only, with Debian's apt-get; QEMU and kmod are installed as root where
// they are missing.
package vm
