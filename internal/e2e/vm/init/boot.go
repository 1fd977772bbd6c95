package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/vm/guest"
)

// newRoot is where the root is put together.
const newRoot = "/merged"

// boot makes the file system of the machine the root, below one in memory that takes all that is written.
func boot(job guest.Job) error {
	b := &booting{}
	for _, module := range job.Boot {
		b.do("load "+module, load(path.Join("/", guest.ModulesDir, module)))
	}
	b.mount("devtmpfs", "/dev", "devtmpfs", 0, "")
	b.mount(guest.MountTag, "/machine", "9p", unix.MS_RDONLY, "trans=virtio,version=9p2000.L,msize=512000,cache=loose")
	b.mount("tmpfs", "/memory", "tmpfs", 0, "size=90%")
	b.mkdir("/memory/files", "/memory/work", "/memory/scratch", newRoot)
	b.mount("overlay", newRoot, "overlay", 0, "lowerdir=/machine,upperdir=/memory/files,workdir=/memory/work")
	b.mount("proc", newRoot+"/proc", "proc", 0, "")
	b.mount("sysfs", newRoot+"/sys", "sysfs", 0, "")
	b.mount("cgroup2", newRoot+"/sys/fs/cgroup", "cgroup2", 0, "")
	b.mount("devtmpfs", newRoot+"/dev", "devtmpfs", 0, "")
	b.mount("devpts", newRoot+"/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "ptmxmode=0666")
	b.mount("tmpfs", newRoot+"/dev/shm", "tmpfs", 0, "")
	b.mount("mqueue", newRoot+"/dev/mqueue", "mqueue", 0, "")
	b.mount("tmpfs", newRoot+"/run", "tmpfs", 0, "mode=755")
	// A file system of its own, because overlayfs, which container runtimes use, does not work on itself.
	b.mount("/memory/scratch", newRoot+guest.ScratchDir, "", unix.MS_BIND, "")
	b.enter(newRoot)
	b.devices()
	b.modules(job)
	b.do("lo", bringUp("lo"))
	return b.err
}

// booting does nothing any more after its first error.
type booting struct{ err error }

func (b *booting) do(what string, err error) {
	if b.err == nil && err != nil {
		b.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (b *booting) mkdir(names ...string) {
	for _, name := range names {
		if b.err == nil {
			b.err = os.MkdirAll(name, 0o755)
		}
	}
}

func (b *booting) mount(source, target, kind string, flags uintptr, data string) {
	b.mkdir(target)
	if b.err == nil {
		b.do("mount "+target, unix.Mount(source, target, kind, flags, data))
	}
}

// enter makes a mount the root. The first file system cannot be left by pivot_root: the mount is moved over it.
func (b *booting) enter(root string) {
	if b.err != nil {
		return
	}
	b.do("chdir", unix.Chdir(root))
	b.do("move "+root, unix.Mount(".", "/", "", unix.MS_MOVE, ""))
	b.do("chroot", unix.Chroot("."))
	b.do("chdir", unix.Chdir("/"))
}

// devices makes the links in /dev that udev makes elsewhere.
func (b *booting) devices() {
	if b.err != nil {
		return
	}
	b.err = os.Symlink("/proc/self/fd", "/dev/fd")
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		b.err = errors.Join(b.err, os.Symlink(fmt.Sprintf("/proc/self/fd/%d", i), "/dev/"+name))
	}
}

// modules lets the kernel load its modules when it needs one, with the machine's modprobe.
func (b *booting) modules(job guest.Job) {
	var name unix.Utsname
	b.do("uname", unix.Uname(&name))
	version := unix.ByteSliceToString(name.Release[:])
	b.mkdir("/lib/modules")
	if b.err != nil {
		return
	}
	installed := path.Join("/lib/modules", version)
	b.do("kernel's modules", errors.Join(
		os.RemoveAll(installed),
		os.Symlink(path.Join(job.KernelDir, installed), installed),
	))
	if b.err == nil {
		out, err := exec.Command("/sbin/modprobe", append([]string{"--all"}, job.Load...)...).CombinedOutput()
		b.do("modprobe "+strings.Join(job.Load, " ")+": "+string(out), err)
	}
}

// bringUp brings a network interface up.
func bringUp(name string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(socket) }()
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request))
}

// load loads a module, which may be there.
func load(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := unix.FinitModule(int(file.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
