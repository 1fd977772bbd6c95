package kubetest

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Port is a TCP port on loopback that nobody else on the machine gets until it is released. A program that
// sets SO_REUSEPORT can listen on it, end, and listen on it again: the port is held by a socket that is bound
// and does not listen, so connections are refused while no program listens.
type Port struct {
	fd     int
	number int
}

// ReservePort reserves the port of that number, or any for 0.
func ReservePort(number int) (Port, error) {
	syscall.ForkLock.RLock() // no child may inherit the socket
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return Port{}, os.NewSyscallError("socket", err)
	}
	p := Port{fd: fd}
	if err := p.bind(number); err != nil {
		p.Release()
		return Port{}, fmt.Errorf("reserve a port on loopback: %w", err)
	}
	return p, nil
}

func (p *Port) bind(number int) error {
	if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(p.fd, &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	bound, err := unix.Getsockname(p.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	p.number = bound.(*unix.SockaddrInet4).Port
	return nil
}

// Release lets others have the port.
func (p Port) Release() { _ = unix.Close(p.fd) }

func (p Port) url(scheme string) string {
	return scheme + "://" + net.JoinHostPort("127.0.0.1", p.String())
}

// String returns the number.
func (p Port) String() string { return strconv.Itoa(p.number) }
