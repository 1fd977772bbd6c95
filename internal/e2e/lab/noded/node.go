package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// searchPath is that of every program in the node, the lab's own first.
const searchPath = "/lab/programs:/lab/kubernetes:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Node answers package nodeapi's calls.
type Node struct {
	mu       sync.Mutex
	services map[string]*service
}

// service is a program that runs until it is stopped.
type service struct {
	process *os.Process
	ended   chan struct{}
}

func newNode() *Node { return &Node{services: map[string]*service{}} }

func command(c nodeapi.Command) (*exec.Cmd, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("command: has no arguments")
	}
	program, err := lookPath(c.Args[0])
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, c.Args[1:]...)
	cmd.Args[0] = c.Args[0]
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=" + searchPath, "HOME=/root"}, c.Env...)
	return cmd, nil
}

// lookPath finds a program in searchPath: this process's own PATH is the machine's.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(searchPath) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: not found in %s", name, searchPath)
}

// Run runs a command to its end.
func (n *Node) Run(c nodeapi.Command, out *nodeapi.Output) error {
	cmd, err := command(c)
	if err != nil {
		return err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Stdin), &stdout, &stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", c.Args[0], err)
	}
	*out = nodeapi.Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), ExitCode: cmd.ProcessState.ExitCode()}
	return nil
}

// Start starts a service.
func (n *Node) Start(c nodeapi.Command, _ *nodeapi.None) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.services[c.Name]; s != nil && !s.hasEnded() {
		return fmt.Errorf("start %s: it runs; stop it first", c.Name)
	}
	cmd, err := command(c)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join("/var/log", c.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the program has its own
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	s := &service{process: cmd.Process, ended: make(chan struct{})}
	n.services[c.Name] = s
	go func() {
		defer close(s.ended)
		_ = cmd.Wait()
		fmt.Fprintf(os.Stderr, "noded: %s ended: %s\n", c.Name, cmd.ProcessState)
	}()
	return nil
}

// Stop ends a service: with SIGTERM, after 10 s with SIGKILL. One that has ended is no error.
func (n *Node) Stop(name string, _ *nodeapi.None) error {
	n.mu.Lock()
	s := n.services[name]
	n.mu.Unlock()
	if s == nil {
		return errors.New("it was never started")
	}
	_ = s.process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		_ = s.process.Kill()
		<-s.ended
	}
	return nil
}

// Running tells whether a service runs.
func (n *Node) Running(name string, running *bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.services[name]
	*running = s != nil && !s.hasEnded()
	return nil
}

func (s *service) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Signal signals every process of a program, in containers too, and counts them.
func (n *Node) Signal(s nodeapi.Signal, signalled *int) error {
	for pid, args := range processes() {
		if filepath.Base(args[0]) != s.Program {
			continue
		}
		if err := syscall.Kill(pid, s.Signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal %s, process %d: %w", s.Program, pid, err)
		}
		*signalled++
	}
	return nil
}

// processes returns the arguments of the node's processes.
func processes() map[int][]string {
	out := map[int][]string{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err == nil && len(line) > 0 {
			out[pid] = strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		}
	}
	return out
}

// reap takes the exit codes of processes that lost their parent: process 1 is everybody's last parent. Those
// that it started itself are left to os/exec, which needs less than a second for them.
func reap() {
	seen := map[int]bool{}
	for range time.Tick(time.Second) {
		zombies := zombieChildren()
		for pid := range zombies {
			if seen[pid] {
				_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			}
		}
		seen = zombies
	}
}

// zombieChildren returns the children of this process that have ended.
func zombieChildren() map[int]bool {
	out := map[int]bool{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// "pid (name) state ppid ...", and the name may be anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && fields[0] == "Z" && fields[1] == "1" {
			out[pid] = true
		}
	}
	return out
}
