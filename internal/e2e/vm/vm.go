package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/multihome/multihome/internal/e2e/debian"
)

// Options says what the virtual machine is like. The zero value will do.
type Options struct {
	// Memory in MiB, for processes and for files that they write. Zero: 2048.
	Memory int
	// CPUs is the number of processors. Zero: as many as this machine has, at most 4.
	CPUs int
	// Env is the environment of the command, but for TMPDIR, which is the virtual machine's own. nil: that of this process.
	Env []string
	// Dir is where the command runs. Empty: where this process does.
	Dir string
	// Stdout and Stderr get what the command prints. nil: nobody does.
	Stdout, Stderr io.Writer
	// Console gets what the kernel prints. nil: nobody does, but for the end of it in an error.
	Console io.Writer
	// Silence is how long the virtual machine may give no sign of life, from the start of its boot on. Zero: 5 minutes.
	Silence time.Duration
	// Progress is told what is downloaded and built. nil: standard error.
	Progress io.Writer
}

// ErrSilent is the error of a virtual machine that gave no sign of life and was ended.
var ErrSilent = errors.New("no sign of life")

// Run boots a virtual machine, runs a command in it and returns its exit code. Where there is an error instead, the
// command was not run, or did not end: the context did, the kernel crashed, or the error is [ErrSilent].
func Run(ctx context.Context, command []string, o Options) (exitCode int, err error) {
	if len(command) == 0 {
		return 0, errors.New("vm: command: is empty")
	}
	if err := o.complete(); err != nil {
		return 0, fmt.Errorf("vm: %w", err)
	}
	h, err := prepare(ctx, command, o)
	if err != nil {
		return 0, fmt.Errorf("vm: %w", err)
	}
	exitCode, err = h.run(ctx)
	if err != nil {
		return 0, fmt.Errorf("vm: %w", err)
	}
	return exitCode, nil
}

// qemu is the package with the emulator.
var qemu = debian.Package{Name: "qemu-system-x86", File: "/usr/bin/qemu-system-x86_64", Purpose: "the virtual machine"}

// complete puts defaults in place of zero fields.
func (o *Options) complete() (err error) {
	if platform := runtime.GOOS + "/" + runtime.GOARCH; platform != "linux/amd64" {
		return errors.New(platform + ": not supported, only linux/amd64 is")
	}
	if o.Memory < 0 || o.CPUs < 0 {
		return fmt.Errorf("memory %d MiB, %d processors: must not be negative", o.Memory, o.CPUs)
	}
	o.Memory = cmp.Or(o.Memory, 2048)
	o.CPUs = cmp.Or(o.CPUs, min(runtime.NumCPU(), 4))
	o.Silence = cmp.Or(o.Silence, 5*time.Minute)
	if o.Env == nil {
		o.Env = os.Environ()
	}
	if o.Dir == "" {
		o.Dir, err = os.Getwd()
	}
	for _, w := range []*io.Writer{&o.Stdout, &o.Stderr, &o.Console} {
		if *w == nil {
			*w = io.Discard
		}
	}
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	return err
}
