package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/multihome/multihome/internal/e2e/lab/cgroups"
	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// Node is one node of a Cluster: a file system of its own, on which containerd and a kubelet run in namespaces
// and cgroups of their own. It is safe for concurrent use.
type Node struct {
	cluster *Cluster
	index   int
	name    string
	address net.IP
	dir     string // on the machine
	system  system
	cgroups []nodeapi.Cgroup

	mu        sync.Mutex
	machine   *machine // nil while the node is stopped
	bootID    string
	installed bool // plugins and images are there since the first boot
}

// Name returns the name of the Node object.
func (n *Node) Name() string { return n.name }

// Address returns the node's InternalIP.
func (n *Node) Address() net.IP { return n.address }

// PID returns the process, on this machine, that is the node's process 1, or 0 while the node is stopped.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.machine == nil {
		return 0
	}
	return n.machine.process.Pid
}

// Root returns the node's file system, with its mounts, as this machine sees it while the node runs: to look at it
// more often than [Node.Files] can. It is empty while the node is stopped, and another one after each boot.
func (n *Node) Root() string {
	if pid := n.PID(); pid != 0 {
		return fmt.Sprintf("/proc/%d/root", pid)
	}
	return ""
}

// LogDir returns the directory on this machine with the logs of the node's services and pods. It goes with the
// cluster.
func (n *Node) LogDir() string { return filepath.Join(n.root(), "var/log") }

// root is the node's file system as the machine sees it while the node is stopped.
func (n *Node) root() string { return filepath.Join(n.dir, "root") }

// Start boots a node that was stopped and returns when it is Ready, which needs the API server.
func (n *Node) Start(ctx context.Context) error {
	if err := n.Boot(ctx); err != nil {
		return err
	}
	return n.AwaitReady(ctx)
}

// Boot boots a node that was stopped from the file system that it left: /var, /opt and, except on [Talos114],
// /etc/cni are as they were. It returns when containerd answers and the kubelet was started.
func (n *Node) Boot(ctx context.Context) error {
	if err := n.boot(ctx); err != nil {
		return fmt.Errorf("boot %s: %w", n.name, err)
	}
	return nil
}

// Stop ends all processes of the node at once, as a power cut does. Its file system stays. One that is stopped is
// no error.
func (n *Node) Stop(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.machine == nil {
		return nil
	}
	n.machine.kill()
	n.machine.network.close()
	n.machine = nil
	// No boot finds cgroups: a kubelet that did would look for their containers for half a minute.
	return n.cluster.await(ctx, n.name+" stopped", func(context.Context) error {
		var err error
		for _, cgroup := range n.cgroups {
			err = errors.Join(err, cgroups.Remove(cgroup.Dir))
		}
		return err
	})
}

// Restart is Stop and Start.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Stop(ctx); err != nil {
		return err
	}
	return n.Start(ctx)
}

func (n *Node) boot(ctx context.Context) error {
	if err := n.power(ctx); err != nil {
		return err
	}
	if err := n.configure(ctx); err != nil {
		return err
	}
	if !n.installed {
		if err := n.installPlugins(ctx); err != nil {
			return err
		}
	}
	for _, service := range n.services() {
		if err := n.StartService(ctx, service.Name); err != nil {
			return err
		}
		if service.Name == containerd && !n.installed {
			if err := n.importImages(ctx); err != nil {
				return err
			}
		}
	}
	n.installed = true
	return nil
}

// power starts the machine.
func (n *Node) power(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.machine != nil {
		return errors.New("it runs; stop it first")
	}
	network, err := newNamespace()
	if err != nil {
		return err
	}
	n.bootID = uuid.NewString()
	if n.machine, err = n.powerIn(ctx, network); err != nil {
		network.close()
	}
	return err
}

// powerIn starts the machine with its cable plugged in.
func (n *Node) powerIn(ctx context.Context, network namespace) (*machine, error) {
	if err := n.cluster.router.connect(network, n.index); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(n.root(), 0o755); err != nil {
		return nil, err
	}
	for _, cgroup := range n.cgroups {
		if err := cgroups.Make(cgroup); err != nil {
			return nil, err
		}
	}
	return startMachine(ctx, filepath.Join(n.cluster.programs.own, "noded"), filepath.Join(n.dir, "noded.log"), network, nodeapi.Config{
		Hostname:    n.name,
		Root:        n.root(),
		Cgroups:     n.cgroups,
		Mounts:      n.mounts(),
		RunDir:      n.system.runDir,
		VolatileCNI: n.system.volatileCNI,
		OSName:      n.system.name,
		BootID:      n.bootID,
	})
}

// AwaitReady waits until the kubelet of this boot has said that the node is Ready.
func (n *Node) AwaitReady(ctx context.Context) error {
	n.mu.Lock()
	bootID := n.bootID
	n.mu.Unlock()
	return n.await(ctx, "Ready", func(node *corev1.Node) error {
		if node.Status.NodeInfo.BootID != bootID {
			return errors.New("the kubelet has not reported yet")
		}
		if ready := readyCondition(node); ready.Status != corev1.ConditionTrue {
			return errors.New(ready.Message)
		}
		return nil
	})
}

// AwaitNotReady waits until the cluster has noticed that the node is down.
func (n *Node) AwaitNotReady(ctx context.Context) error {
	return n.await(ctx, "not Ready", func(node *corev1.Node) error {
		if readyCondition(node).Status == corev1.ConditionTrue {
			return errors.New("it is Ready")
		}
		return nil
	})
}

func (n *Node) await(ctx context.Context, what string, is func(*corev1.Node) error) error {
	return n.cluster.await(ctx, n.name+" "+what, func(ctx context.Context) error {
		node, err := n.cluster.client.CoreV1().Nodes().Get(ctx, n.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return is(node)
	})
}

func readyCondition(node *corev1.Node) corev1.NodeCondition {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c
		}
	}
	return corev1.NodeCondition{Message: "there is no condition Ready"}
}
