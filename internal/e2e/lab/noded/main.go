// Noded is process 1 of a node of package lab: it makes the node's file system, then starts and stops programs
// for whoever holds the other end of its socket. When that end is closed it ends, and with it the whole node.
//
// It is started in new mount, PID, IPC and UTS namespaces:
//
//	noded enter CONFIG   joins the node's cgroups and makes them the root of a cgroup namespace, then goes on as
//	noded boot CONFIG    which makes the file system and serves package nodeapi's calls
//
// And on the machine itself:
//
//	noded clean DIR [CGROUP]...   removes them once its standard input ends
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "noded:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) >= 2 && args[0] == "clean" {
		return clean(args[1], args[2:])
	}
	if len(args) != 2 {
		return errors.New("usage: noded enter|boot CONFIG, or noded clean DIR [CGROUP]")
	}
	var config nodeapi.Config
	if err := json.Unmarshal([]byte(args[1]), &config); err != nil {
		return err
	}
	if args[0] == "enter" {
		return enter(config, args[1])
	}
	if err := boot(config); err != nil {
		return err
	}
	return serve()
}

// enter joins the cgroups and becomes noded boot in a cgroup namespace whose root they are.
func enter(config nodeapi.Config, argument string) error {
	for _, cgroup := range config.Cgroups {
		if err := os.WriteFile(filepath.Join(cgroup.Dir, "cgroup.procs"), []byte("0"), 0); err != nil {
			return err
		}
	}
	// A namespace is a thread's until exec makes this thread the only one.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.NewSyscallError("exec", unix.Exec(self, []string{self, "boot", argument}, os.Environ()))
}

// serve answers calls until the other end of the socket is closed.
func serve() error {
	unix.CloseOnExec(nodeapi.Socket)
	conn, err := net.FileConn(os.NewFile(nodeapi.Socket, "socket"))
	if err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Node", newNode()); err != nil {
		return err
	}
	go reap()
	server.ServeConn(conn)
	return nil
}
