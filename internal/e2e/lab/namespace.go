package lab

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace. It is gone, with its links, when it is closed and no process is in it.
type namespace struct{ file *os.File }

// newNamespace makes a network namespace with nothing in it.
func newNamespace() (n namespace, err error) {
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		n, err = currentNamespace()
		return err
	})
	return n, err
}

func currentNamespace() (namespace, error) {
	file, err := os.Open("/proc/thread-self/ns/net")
	return namespace{file}, err
}

func (n namespace) fd() int { return int(n.file.Fd()) }

func (n namespace) close() { _ = n.file.Close() }

// enter moves the calling thread into the namespace.
func (n namespace) enter() error {
	return os.NewSyscallError("setns", unix.Setns(n.fd(), unix.CLONE_NEWNET))
}

// do calls f on a thread in the namespace.
func (n namespace) do(f func() error) error {
	return onThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

// onThread calls f on a thread that may leave its network namespace.
func onThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		origin, err := currentNamespace()
		if err != nil {
			result <- err
			return
		}
		defer origin.close()
		err = f()
		if origin.enter() == nil {
			runtime.UnlockOSThread() // else the thread ends with this goroutine
		}
		result <- err
	}()
	return <-result
}
