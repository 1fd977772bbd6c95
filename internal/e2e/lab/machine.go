package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/bound"
	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// machine is a node that runs: its process 1 and the namespaces that hang on it.
type machine struct {
	network namespace
	ended   <-chan struct{}
	process *os.Process
	client  *rpc.Client
}

// startMachine starts noded in namespaces of its own. What it says is appended to log.
func startMachine(ctx context.Context, noded, log string, network namespace, config nodeapi.Config) (*machine, error) {
	argument, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	messages, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	defer func() { _ = messages.Close() }()
	cmd := exec.Command(noded, "enter", string(argument))
	cmd.Dir = filepath.Dir(log)
	cmd.Stdout, cmd.Stderr = messages, messages
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Setsid:     true, // an interrupt from the terminal is not for it
	}
	ended, err := bound.Start(cmd, network.enter)
	_ = theirs.Close() // before the first call: if noded ends, the socket is to be closed on that side
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	m := &machine{network: network, ended: ended, process: cmd.Process, client: rpc.NewClient(ours)}
	var booted bool
	if err := m.call(ctx, "Running", "", &booted); err != nil { // answered once it has booted
		m.kill()
		said, _ := os.ReadFile(log)
		return nil, fmt.Errorf("boot: %w\n%s", err, said)
	}
	return m, nil
}

// call calls a method of noded's Node. It is given up when ctx ends; what was asked for may still happen.
func (m *machine) call(ctx context.Context, method string, in, out any) error {
	call := m.client.Go("Node."+method, in, out, make(chan *rpc.Call, 1))
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-call.Done:
		return call.Error
	}
}

// kill ends process 1 and so, by the kernel, every process of the node: a power cut.
func (m *machine) kill() {
	_ = m.process.Kill() // the only error is that it has already ended
	<-m.ended
	_ = m.client.Close()
}

// socketPair returns the two ends of a socket, one for this process and one for a child.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	file := os.NewFile(uintptr(fds[0]), "socket")
	defer func() { _ = file.Close() }() // FileConn has a copy
	ours, err = net.FileConn(file)
	theirs = os.NewFile(uintptr(fds[1]), "socket")
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}
