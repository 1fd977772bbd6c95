package kubetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/multihome/multihome/internal/e2e/bound"
)

// process is a running program of the node binary.
type process struct {
	name  string
	log   string // file with what it printed
	cmd   *exec.Cmd
	ended <-chan struct{}
}

// startProcess starts a program of the node binary in the server's directory. What it prints is appended to its
// log there.
func (s *Server) startProcess(name string, flags ...string) (*process, error) {
	p := &process{
		name: name,
		log:  filepath.Join(s.dir, name+".log"),
		cmd:  exec.Command(s.binary, append([]string{name}, flags...)...),
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the program has its own
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, log, log
	if p.ended, err = bound.Start(p.cmd, s.network.Enter); err != nil {
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
