package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// boot makes the node's file system and makes it the root of this process. No mount reaches the machine.
func boot(config nodeapi.Config) error {
	b := &booting{Config: config}
	b.do("make mounts private", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	b.bind(config.Root, "", 0)
	b.directories()
	b.etc()
	b.runDir()
	b.dev()
	b.kernel()
	for _, m := range config.Mounts {
		b.mkdir(m.Target)
		b.bind(m.Source, m.Target, unix.MS_RDONLY)
	}
	b.do("set hostname", unix.Sethostname([]byte(config.Hostname)))
	b.pivot()
	return b.err
}

// booting does nothing any more after its first error.
type booting struct {
	nodeapi.Config
	err error
}

func (b *booting) do(what string, err error) {
	if b.err == nil && err != nil {
		b.err = fmt.Errorf("%s: %w", what, err)
	}
}

// path of a name in the node, before it is the root.
func (b *booting) path(name string) string { return filepath.Join(b.Root, name) }

func (b *booting) mkdir(names ...string) {
	for _, name := range names {
		if b.err == nil {
			b.err = os.MkdirAll(b.path(name), 0o755)
		}
	}
}

func (b *booting) write(name, content string) {
	if b.err == nil {
		b.err = os.WriteFile(b.path(name), []byte(content), 0o644)
	}
}

// link makes name a symbolic link, whatever it was.
func (b *booting) link(target, name string) {
	if b.err == nil {
		b.err = errors.Join(os.RemoveAll(b.path(name)), os.Symlink(target, b.path(name)))
	}
}

func (b *booting) mount(source, target, kind string, flags uintptr, data string) {
	if b.err == nil {
		b.do("mount "+kind+" on "+target, unix.Mount(source, b.path(target), kind, flags, data))
	}
}

// bind mounts a directory or file of the machine.
func (b *booting) bind(source, target string, flags uintptr) {
	b.mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
	if flags != 0 {
		b.mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|flags, "")
	}
}

func (b *booting) tmpfs(target, options string) {
	b.mkdir(target)
	b.mount("tmpfs", target, "tmpfs", 0, options)
}

func (b *booting) directories() {
	b.mkdir("usr", "etc/cni/net.d", "opt/cni/bin", "proc", "sys", "root", "var/lib", "var/log", "var/tmp")
	b.bind("/usr", "usr", unix.MS_RDONLY)
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if info, err := os.Lstat("/" + name); err == nil && info.Mode()&os.ModeSymlink != 0 {
			b.link("usr/"+name, name)
		}
	}
	b.tmpfs("run", "mode=755")
	b.tmpfs("tmp", "mode=1777")
	b.mkdir("run/lock")
}

func (b *booting) etc() {
	if b.VolatileCNI {
		b.tmpfs("etc/cni", "mode=755")
		b.mkdir("etc/cni/net.d")
	}
	for _, name := range []string{"passwd", "group", "nsswitch.conf", "ld.so.cache"} {
		if content, err := os.ReadFile("/etc/" + name); err == nil {
			b.write("etc/"+name, string(content))
		}
	}
	if _, err := os.Stat("/etc/alternatives"); err == nil { // iptables is a link into it
		b.mkdir("etc/alternatives")
		b.bind("/etc/alternatives", "etc/alternatives", unix.MS_RDONLY)
	}
	b.write("etc/hosts", "127.0.0.1 localhost\n")
	b.write("etc/resolv.conf", "")
	b.write("etc/machine-id", strings.ReplaceAll(b.BootID, "-", "")+"\n")
	b.write("etc/os-release", fmt.Sprintf("PRETTY_NAME=%q\n", b.OSName))
}

// runDir makes /var/run what it is on the OS.
func (b *booting) runDir() {
	if b.RunDir != nodeapi.RunDirDirectory {
		b.link(string(b.RunDir), "var/run")
		return
	}
	b.do("empty /var/run", os.RemoveAll(b.path("var/run")))
	b.mkdir("var/run/lock")
}

// dev makes /dev with the devices that do no harm: privileged containers get all that are there.
func (b *booting) dev() {
	b.tmpfs("dev", "mode=755")
	b.mkdir("dev/net", "dev/pts", "dev/shm", "dev/mqueue")
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "kmsg", "net/tun"} {
		var device unix.Stat_t
		if err := unix.Stat("/dev/"+name, &device); err == nil {
			b.do("make /dev/"+name, unix.Mknod(b.path("dev/"+name), device.Mode, int(device.Rdev)))
		}
	}
	b.mount("devpts", "dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
	b.link("pts/ptmx", "dev/ptmx")
	b.mount("tmpfs", "dev/shm", "tmpfs", 0, "")
	b.mount("mqueue", "dev/mqueue", "mqueue", 0, "")
	b.link("/proc/self/fd", "dev/fd")
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		b.link(fmt.Sprintf("/proc/self/fd/%d", i), "dev/"+name)
	}
}

// kernel mounts what the kernel shows: of this PID, network and cgroup namespace alone. What would change the
// whole machine is read-only.
func (b *booting) kernel() {
	b.mount("proc", "proc", "proc", 0, "")
	b.mount("sysfs", "sys", "sysfs", 0, "")
	b.cgroups()
	const sysrq = "proc/sysrq-trigger"
	if _, err := os.Stat(b.path(sysrq)); err == nil {
		b.bind(b.path(sysrq), sysrq, unix.MS_RDONLY)
	}
	b.bind(b.path("proc/sys"), "proc/sys", unix.MS_RDONLY)
	b.bind(b.path("proc/sys/net"), "proc/sys/net", 0) // is the node's own
	b.mount("", "proc/sys/net", "", unix.MS_BIND|unix.MS_REMOUNT, "")
	b.mkdir("run/sysctl")
	for name, value := range map[string]string{
		"kernel/random/boot_id": b.BootID,
		// What the kubelet wants and would set for the whole machine.
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	} {
		if _, err := os.Stat(b.path("proc/sys/" + name)); err != nil {
			continue // this kernel is built without it
		}
		file := "run/sysctl/" + filepath.Base(name)
		b.write(file, value+"\n")
		b.bind(b.path(file), "proc/sys/"+name, 0)
	}
}

func (b *booting) cgroups() {
	const mountpoint = "sys/fs/cgroup"
	if len(b.Cgroups) == 1 && b.Cgroups[0].Controllers == "" {
		b.mount("cgroup2", mountpoint, "cgroup2", 0, "")
		b.leaveCgroup(b.path(mountpoint))
		return
	}
	b.mount("tmpfs", mountpoint, "tmpfs", 0, "mode=755")
	for _, cgroup := range b.Cgroups {
		name, options := cgroup.Controllers, cgroup.Controllers
		if named, ok := strings.CutPrefix(name, "name="); ok {
			name, options = named, "none,"+options
		}
		b.mkdir(mountpoint + "/" + name)
		b.mount("cgroup", mountpoint+"/"+name, "cgroup", 0, options)
	}
}

// leaveCgroup moves this process into a child of the version 2 cgroup: one with processes cannot give its children
// controllers.
func (b *booting) leaveCgroup(root string) {
	if b.err != nil {
		return
	}
	leaf := filepath.Join(root, "init")
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		b.do("cgroup", err)
	}
	b.do("cgroup", os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte("0"), 0))
	b.do("cgroup", os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+cpu +cpuset +io +memory +pids"), 0))
}

// pivot makes the node's file system the root and forgets the machine's.
func (b *booting) pivot() {
	if b.err != nil {
		return
	}
	const old = "run/machine"
	b.mkdir(old)
	b.do("pivot_root", unix.PivotRoot(b.Root, b.path(old)))
	b.do("chdir", unix.Chdir("/"))
	b.do("unmount the machine's root", unix.Unmount("/"+old, unix.MNT_DETACH))
	// As Talos and systemd do: pods' mounts with HostToContainer need it.
	b.do("share mounts", unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
}
