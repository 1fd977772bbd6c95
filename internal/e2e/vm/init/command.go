package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/vm/guest"
)

// execute runs the command and takes the exit codes of all processes that lose their parent: process 1 is
// everybody's last parent.
func execute(job guest.Job, stdout, stderr *os.File) (exitCode int, err error) {
	environment := slices.Concat(job.Env, guest.Env())
	program, err := lookPath(job.Args[0], environment)
	if err != nil {
		return 0, err
	}
	process, err := os.StartProcess(program, job.Args, &os.ProcAttr{
		Dir: job.Dir, Env: environment, Files: []*os.File{nil, stdout, stderr},
	})
	if err != nil {
		return 0, err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case pid != process.Pid:
		case status.Signaled():
			return 128 + int(status.Signal()), nil // as shells say it
		default:
			return status.ExitStatus(), nil
		}
	}
}

// lookPath finds a program by the PATH of an environment that is not this process's.
func lookPath(name string, environment []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, variable := range environment {
		list, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			if program, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return program, nil
			}
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}
