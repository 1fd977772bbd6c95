package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/multihome/multihome/internal/e2e/bound"
	"github.com/multihome/multihome/internal/e2e/debian"
	"github.com/multihome/multihome/internal/e2e/vm/guest"
)

// hypervisor is QEMU with the pipes through which the virtual machine speaks.
type hypervisor struct {
	cmd     *exec.Cmd
	silence time.Duration
	console *tail
	reports chan guest.Report
	readers sync.WaitGroup
	theirs  []*os.File // its files, to be closed here when it has started
}

// prepare gets what is missing, and ready to run.
func prepare(ctx context.Context, command []string, o Options) (*hypervisor, error) {
	if err := debian.Need(ctx, o.Progress, qemu); err != nil {
		return nil, err
	}
	kernel, err := debian.FetchKernel(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	archive, err := initramfs(ctx, kernel, guest.Job{Args: command, Env: o.Env, Dir: o.Dir}, o.Progress)
	if err != nil {
		return nil, err
	}
	h := &hypervisor{silence: o.Silence, console: &tail{next: o.Console}, reports: make(chan guest.Report)}
	if err := h.assemble(kernel, archive, o); err != nil {
		closeAll(h.theirs) // which ends the readers
		return nil, err
	}
	return h, nil
}

// assemble writes QEMU's command line. Each file that it opens is one that it is given.
func (h *hypervisor) assemble(kernel debian.Kernel, archive []byte, o Options) error {
	initrd, err := inMemory("initramfs", archive)
	if err != nil {
		return err
	}
	h.theirs = append(h.theirs, initrd)
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-accel", "tcg,thread=multi", "-cpu", "max",
		"-smp", strconv.Itoa(o.CPUs), "-m", strconv.Itoa(o.Memory),
		"-kernel", kernel.Image(), "-initrd", inherited(0),
		// A crash is the end: panic=-1 reboots at once, -no-reboot makes an end of that.
		"-append", "console=ttyS0 panic=-1 apparmor=0 mitigations=off",
		"-virtfs", "local,path=/,security_model=none,readonly=on,multidevs=remap,mount_tag=" + guest.MountTag,
		"-device", "virtio-serial-pci",
	}
	for _, p := range []struct {
		name   string
		device string
		read   func(io.Reader)
	}{
		{"console", "isa-serial", copyTo(h.console)},
		{"stdout", port(guest.StdoutPort), copyTo(o.Stdout)},
		{"stderr", port(guest.StderrPort), copyTo(o.Stderr)},
		{"reports", port(guest.ReportPort), h.readReports},
	} {
		ours, theirs, err := os.Pipe()
		if err != nil {
			return err
		}
		number := len(h.theirs)
		h.theirs = append(h.theirs, theirs)
		args = append(args,
			"-add-fd", fmt.Sprintf("fd=%d,set=%d", firstInherited+number, number),
			"-chardev", fmt.Sprintf("file,id=%s,path=/dev/fdset/%d,append=on", p.name, number), // a pipe cannot be emptied
			"-device", p.device+",chardev="+p.name)
		h.readers.Go(func() {
			defer func() { _ = ours.Close() }()
			p.read(ours)
		})
	}
	h.cmd = exec.Command(qemu.File, args...)
	h.cmd.ExtraFiles = h.theirs
	h.cmd.Stdout, h.cmd.Stderr = h.console, h.console
	return nil
}

// firstInherited is the file descriptor in a child of the first of its ExtraFiles.
const firstInherited = 3

// inherited is the name of one of QEMU's ExtraFiles for QEMU.
func inherited(number int) string { return fmt.Sprintf("/proc/self/fd/%d", firstInherited+number) }

func port(number int) string { return fmt.Sprintf("virtserialport,nr=%d", number) }

func copyTo(w io.Writer) func(io.Reader) {
	return func(r io.Reader) {
		_, err := io.Copy(w, r)
		if err != nil { // nobody listens any more; the virtual machine goes on
			_, _ = io.Copy(io.Discard, r)
		}
	}
}

// readReports passes on what init says, until it says no more.
func (h *hypervisor) readReports(r io.Reader) {
	defer close(h.reports)
	for decoder := json.NewDecoder(r); ; {
		var report guest.Report
		if err := decoder.Decode(&report); err != nil {
			_, _ = io.Copy(io.Discard, r)
			return
		}
		h.reports <- report
	}
}

// shutdown is how long a virtual machine may take to turn itself off.
const shutdown = 30 * time.Second

// run runs the virtual machine to its end.
func (h *hypervisor) run(ctx context.Context) (exitCode int, err error) {
	ended, err := bound.Start(h.cmd, nil)
	closeAll(h.theirs) // now QEMU's alone: the pipes end with it
	if err != nil {
		return 0, err
	}
	result, err := h.await(ctx)
	left := time.Duration(0)
	if result != nil {
		left = shutdown
	}
	kill := time.AfterFunc(left, func() { _ = h.cmd.Process.Kill() })
	defer kill.Stop()
	h.drain()
	<-ended
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w; the end of the console:\n%s", err, h.console)
	case result == nil:
		return 0, fmt.Errorf("the virtual machine ended before the command: %s; the end of the console:\n%s", h.cmd.ProcessState, h.console)
	case result.Error != "":
		return 0, errors.New(result.Error)
	}
	return *result.ExitCode, nil
}

// drain reads what is still to come until QEMU ends.
func (h *hypervisor) drain() {
	for range h.reports { // nothing after the result is of interest
	}
	h.readers.Wait()
}

// await returns the command's result. Without one and without an error the virtual machine has ended.
func (h *hypervisor) await(ctx context.Context) (*guest.Report, error) {
	silent := time.NewTimer(h.silence)
	defer silent.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-silent.C:
			return nil, fmt.Errorf("%w for %s", ErrSilent, h.silence)
		case report, open := <-h.reports:
			if !open {
				return nil, nil
			}
			if !report.Alive {
				return &report, nil
			}
			silent.Reset(h.silence)
		}
	}
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}
