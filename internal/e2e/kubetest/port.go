package kubetest

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// port is a TCP port on loopback that nobody else on the machine gets until it is released. A program that
// sets SO_REUSEPORT can listen on it, end, and listen on it again: the port is held by a socket that is bound
// and does not listen, so connections are refused while no program listens.
type port struct {
	fd     int
	number int
}

func reservePort() (port, error) {
	syscall.ForkLock.RLock() // no child may inherit the socket
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return port{}, os.NewSyscallError("socket", err)
	}
	p := port{fd: fd}
	if err := p.bind(); err != nil {
		p.release()
		return port{}, fmt.Errorf("reserve a port on loopback: %w", err)
	}
	return p, nil
}

func (p *port) bind() error {
	if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(p.fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	bound, err := unix.Getsockname(p.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	p.number = bound.(*unix.SockaddrInet4).Port
	return nil
}

func (p port) release() { _ = unix.Close(p.fd) }

func (p port) url(scheme string) string {
	return scheme + "://" + net.JoinHostPort("127.0.0.1", p.String())
}

func (p port) String() string { return strconv.Itoa(p.number) }
