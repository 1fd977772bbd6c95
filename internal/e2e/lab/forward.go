package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/kubetest"
)

// forwarder brings TCP connections from this machine's loopback to the API server in the router's namespace, so
// that any client reaches it: kubectl, and client-go where it has no dialer to replace. Where nobody listens
// there, as after [Cluster.StopAPIServer], it is closed: clients are to be refused, not reset, which client-go
// would try again for ten seconds.
type forwarder struct {
	into   namespace
	target string
	port   kubetest.Port

	mu       sync.Mutex
	listener net.Listener // nil while it is closed
	conns    map[net.Conn]bool
	wait     sync.WaitGroup
}

// newForwarder returns a forwarder that is closed.
func newForwarder(into namespace, target string) (*forwarder, error) {
	port, err := kubetest.ReservePort(0)
	if err != nil {
		return nil, fmt.Errorf("forward %s: %w", target, err)
	}
	return &forwarder{into: into, target: target, port: port, conns: map[net.Conn]bool{}}, nil
}

func (f *forwarder) address() string { return net.JoinHostPort("127.0.0.1", f.port.String()) }

// open takes connections.
func (f *forwarder) open(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil {
		return nil
	}
	shared := net.ListenConfig{Control: func(_, _ string, socket syscall.RawConn) error {
		var set error
		err := socket.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(err, set)
	}}
	listener, err := shared.Listen(ctx, "tcp", f.address())
	if err != nil {
		return fmt.Errorf("forward %s: %w", f.target, err)
	}
	f.listener = listener
	f.wait.Go(func() { f.accept(listener) })
	return nil
}

// close breaks all connections and refuses new ones.
func (f *forwarder) close() {
	f.mu.Lock()
	if f.listener != nil {
		_ = f.listener.Close()
		f.listener = nil
	}
	for conn := range f.conns {
		_ = conn.Close()
	}
	f.mu.Unlock()
	f.wait.Wait()
}

// release closes it for ever.
func (f *forwarder) release() {
	f.close()
	f.port.Release()
}

func (f *forwarder) accept(listener net.Listener) {
	for {
		outside, err := listener.Accept()
		if err != nil {
			return // closed
		}
		f.wait.Go(func() { f.forward(outside.(*net.TCPConn)) })
	}
}

func (f *forwarder) forward(outside *net.TCPConn) {
	var inside *net.TCPConn
	err := f.into.do(func() error {
		conn, err := net.Dial("tcp", f.target)
		if err == nil {
			inside = conn.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		_ = outside.SetLinger(0) // reset: the client is to see an error, not an end
		_ = outside.Close()
		return
	}
	defer f.forget(outside, inside)
	if !f.remember(outside, inside) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { relay(inside, outside) })
	both.Go(func() { relay(outside, inside) })
	both.Wait()
}

// relay copies one direction to its end.
func relay(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.SetLinger(0)
		_ = to.Close()
		return
	}
	_ = to.CloseWrite()
}

func (f *forwarder) remember(conns ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener == nil {
		return false // closed
	}
	for _, conn := range conns {
		f.conns[conn] = true
	}
	return true
}

func (f *forwarder) forget(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(f.conns, conn)
	}
}
