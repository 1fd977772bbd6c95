package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/debian"
	"github.com/multihome/multihome/internal/e2e/gobuild"
	"github.com/multihome/multihome/internal/e2e/vm/cpio"
	"github.com/multihome/multihome/internal/e2e/vm/guest"
)

// bootModules are those that the kernel needs to see the machine's files and to speak through its ports.
var bootModules = []string{"virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console"}

// loadedModules are not loaded by their first use: there is no udev that would make the device by whose use they are.
var loadedModules = []string{"tun"}

// initramfs returns the kernel's first file system: the program init and what it works with.
func initramfs(ctx context.Context, kernel debian.Kernel, job guest.Job, progress io.Writer) ([]byte, error) {
	program, err := buildInit(ctx, progress)
	if err != nil {
		return nil, err
	}
	modules, err := kernel.ModuleFiles(bootModules...)
	if err != nil {
		return nil, err
	}
	files := map[string]string{guest.InitFile: program}
	for _, file := range modules {
		job.Boot = append(job.Boot, filepath.Base(file))
		files[path.Join(guest.ModulesDir, filepath.Base(file))] = file
	}
	job.KernelDir, job.Load = kernel.Dir, loadedModules

	var archive bytes.Buffer
	w := cpio.NewWriter(&archive)
	for target, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		w.File(target, content)
	}
	content, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	w.File(guest.JobFile, content)
	return archive.Bytes(), w.Close()
}

// buildInit returns the program init.
func buildInit(ctx context.Context, progress io.Writer) (string, error) {
	// Where this file was compiled: with go test's -exec, the working directory is in any module.
	_, file, _, _ := runtime.Caller(0)
	dir, err := gobuild.Programs{
		Name: "virtual machine's init", Module: filepath.Dir(filepath.Dir(file)), Flags: []string{"-ldflags=-s -w"},
		Packages: []string{"./vm/init"}, Sources: []string{"vm/init", "vm/guest"},
	}.Build(ctx, progress)
	return filepath.Join(dir, "init"), err
}

// inMemory returns a file with the content that goes with the processes that have it.
func inMemory(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := file.Write(content); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
