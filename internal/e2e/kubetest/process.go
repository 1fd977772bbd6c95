package kubetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// process is a running program of the node binary.
type process struct {
	name  string
	log   string // file with what it printed
	cmd   *exec.Cmd
	ended <-chan struct{}
}

// startProcess starts a program of the node binary in dir. What it prints is appended to its log there.
func startProcess(binary, dir, name string, flags ...string) (*process, error) {
	p := &process{
		name: name,
		log:  filepath.Join(dir, name+".log"),
		cmd:  exec.Command(binary, append([]string{name}, flags...)...),
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the program has its own
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	if p.ended, err = startBound(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// kill ends the process at once: its data is thrown away, or it is a crash that the test asked for.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // the only error is that it has already ended
	<-p.ended
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// logTail returns the end of what the process printed.
func (p *process) logTail() string {
	const most = 16 << 10
	log, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(log) > most {
		log = log[len(log)-most:]
		log = append([]byte("...\n"), log[bytes.IndexByte(log, '\n')+1:]...)
	}
	return string(log)
}

// startBound starts a command that ends when this process does, however it does, and closes ended when the
// command is over.
func startBound(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	started, over := make(chan error), make(chan struct{})
	cmd.SysProcAttr = dieWithParent()
	go func() {
		defer close(over)
		// The kernel takes the thread that started a child for its parent: keep the thread as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the exit code is in cmd.ProcessState
		}
	}()
	return over, <-started
}
