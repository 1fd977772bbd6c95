package cni_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	nadutils "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/utils"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/logging"
	multustypes "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/types"
)

// pluginsBuilt is for a machine that is too slow to look whether they are.
var pluginsBuilt = flag.String("plugins", "", "directory with the plugins, built before with go build tool")

// buildPlugins builds the tools of go.mod, which are the plugins, unless they
// are there, and returns their directory.
func buildPlugins(t *testing.T) string {
	t.Helper()
	if *pluginsBuilt != "" {
		return *pluginsBuilt
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "multihome", "conformance", "cni")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "tool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the plugins: %v\n%s", err, out)
	}
	return dir
}

// A node is two new network namespaces, the node's and a pod's, and a mount
// namespace with an empty /run and /var/lib. Its methods only work inside of
// the function that onNode runs.
type node struct {
	pod string // path of the pod's network namespace
}

const plugins = "/run/plugins"

// onNode runs f on a node. The thread that is in the namespaces ends with it,
// and with the thread all that f left.
func onNode(pluginDir string, f func(node) error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: nothing else may run there
		n, release, makeErr := makeNode(pluginDir)
		if makeErr != nil {
			err = fmt.Errorf("node: %w", makeErr)
			return
		}
		defer release()
		err = f(n)
	}()
	<-done
	return err
}

func makeNode(pluginDir string) (node, func(), error) {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return node{}, nil, fmt.Errorf("unshare: %w", err)
	}
	if err := mounts(pluginDir); err != nil {
		return node{}, nil, err
	}
	if err := uplink("192.0.2.1/25"); err != nil {
		return node{}, nil, err
	}
	pod, release, err := newPod()
	return node{pod: pod}, release, err
}

// newPod makes a pod's network namespace beside that of the thread and returns
// its path.
func newPod() (path string, release func(), err error) {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	defer func() {
		// A thread that cannot go back is of no use to the caller.
		if back := unix.Setns(home, unix.CLONE_NEWNET); err == nil {
			err = back
		}
		_ = unix.Close(home)
	}()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return "", nil, err
	}
	if err := uplink("192.0.2.129/25"); err != nil {
		return "", nil, err
	}
	pod, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), pod), func() { _ = unix.Close(pod) }, nil
}

func mounts(pluginDir string) error {
	for _, m := range []struct {
		source, target, fstype string
		flags                  uintptr
	}{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"sysfs", "/sys", "sysfs", 0}, // shows the interfaces of this namespace
		{"tmpfs", "/run", "tmpfs", 0},
		{pluginDir, plugins, "", unix.MS_BIND},
		{"tmpfs", "/var/lib", "tmpfs", 0},
	} {
		if m.flags == unix.MS_BIND {
			if err := os.Mkdir(m.target, 0o755); err != nil {
				return err
			}
		}
		if err := unix.Mount(m.source, m.target, m.fstype, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return unix.Chdir("/run") // of this thread alone, for paths that are not absolute
}

// uplink makes the interface eth0 with the default route, and peer0 behind it,
// as nodes and pods have them.
func uplink(cidr string) error {
	address, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	gateway := slices.Clone(address.IP.To4())
	gateway[3]++
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", TxQLen: -1}, PeerName: "peer0"}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("veth: %w", err)
	}
	for _, name := range []string{"lo", "peer0", "eth0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("link %s: %w", name, err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("link %s: %w", name, err)
		}
	}
	if err := netlink.AddrAdd(veth, address); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Index, Gw: gateway}); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}

// A verdict is what became of a configuration; two empty strings are success.
type verdict struct {
	add, del string
}

// run takes a NAD's configuration the way that Multus v4.3.0 does for a pod
// that asks for nothing but the network.
func (n node) run(ctx context.Context, config string) (v verdict) {
	defer func() {
		if p := recover(); p != nil {
			v.add = fmt.Sprint("Multus panics: ", p)
		}
	}()
	text, err := nadutils.GetCNIConfigFromSpec(config, "net")
	if err != nil {
		return verdict{add: "Multus: " + err.Error()}
	}
	delegate, err := multustypes.LoadDelegateNetConf(text, nil, "", "")
	if err != nil {
		return verdict{add: "Multus: " + err.Error()}
	}
	cni := newCNI()
	runtimeConf := &libcni.RuntimeConf{ContainerID: "c1", NetNS: n.pod, IfName: "net1"}
	var add, del error
	if delegate.ConfListPlugin {
		list, err := libcni.ConfListFromBytes(text)
		if err != nil {
			return verdict{add: "libcni: " + err.Error()}
		}
		_, add = cni.AddNetworkList(ctx, list, runtimeConf)
		del = cni.DelNetworkList(ctx, list, runtimeConf)
	} else {
		conf, err := libcni.ConfFromBytes(text) //nolint:staticcheck // Multus uses it for a single plugin
		if err != nil {
			return verdict{add: "libcni: " + err.Error()}
		}
		_, add = cni.AddNetwork(ctx, conf, runtimeConf)
		del = cni.DelNetwork(ctx, conf, runtimeConf)
	}
	return verdict{message(add), message(del)}
}

// newCNI returns libcni as Multus uses it, with the plugins of the node.
func newCNI() *libcni.CNIConfig {
	return libcni.NewCNIConfigWithCacheDir([]string{plugins}, "/var/lib/cni/multus", &invoke.DefaultExec{
		RawExec: &invoke.RawExec{Stderr: io.Discard},
	})
}

// changed reports whether there is more than there was, so that the next
// configuration needs another node.
func (n node) changed() bool {
	for _, namespace := range []string{n.pod, "/proc/thread-self/ns/net"} {
		links, err := linksIn(namespace)
		if err != nil || len(links) != 3 {
			return true
		}
	}
	return false
}

func linksIn(namespace string) ([]netlink.Link, error) {
	handle, err := netns.GetFromPath(namespace)
	if err != nil {
		return nil, err
	}
	defer func() { _ = handle.Close() }()
	inside, err := netlink.NewHandleAt(handle, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer inside.Close()
	return inside.LinkList()
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// needNode skips the test where there can be no node, and fails it in CI.
func needNode(t *testing.T) {
	t.Helper()
	if err := onNode(t.TempDir(), func(node) error { return nil }); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the plugins cannot be run: %v", err)
		}
		t.Skipf("the plugins are not run, as that takes root and network namespaces: %v", err)
	}
}

// runAll runs all configurations, some at once: plugins wait more than they work.
func runAll(t *testing.T, cases []testCase) []verdict {
	t.Helper()
	needNode(t)
	logging.SetLogStderr(false)
	dir := buildPlugins(t)
	verdicts := make([]verdict, len(cases))
	next := make(chan int, len(cases))
	for i := range cases {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range 4 * runtime.NumCPU() {
		workers.Go(func() {
			for len(next) > 0 {
				err := onNode(dir, func(n node) error {
					for i := range next {
						verdicts[i] = n.run(t.Context(), cases[i].config)
						if verdicts[i].add == "" || n.changed() {
							return nil
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	return verdicts
}
