package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/internal/e2e/lab/cgroups"
	"github.com/multihome/multihome/internal/e2e/vm/guest"
)

// patience bounds each wait for something that takes seconds.
func patience() time.Duration { return guest.Patience(3 * time.Minute) }

// Options says what a Cluster is like. The zero value is one node of Talos 1.13 with a bridge as primary CNI and
// the images of the newest Multus.
type Options struct {
	// Layout of every node. Zero: [Talos].
	Layout Layout
	// PrimaryCNI of the cluster. Zero: [Bridge].
	PrimaryCNI PrimaryCNI
	// Nodes is their number, at most 100. Zero: one.
	Nodes int
	// Multus lists the releases whose images the nodes have: v4.0.2, v4.1.4, v4.2.4, v4.3.0. The first one's image
	// is also the one that upstream's manifests ask for, snapshot-thick. Empty: v4.3.0.
	Multus []string
	// Thin gives the nodes the image of thin Multus [ThinRelease] too: see [ThinManifest].
	Thin bool
	// Progress is told what is built. nil: the terminal, or standard error without one.
	Progress io.Writer
}

// Cluster is a Kubernetes cluster of nodes that run containers. It is safe for concurrent use, but for Stop.
type Cluster struct {
	options   Options
	programs  *programs
	images    []string // archives
	dir       string
	router    *router
	forwarder *forwarder
	server    *kubetest.Server
	client    kubernetes.Interface
	nodes     []*Node
	clean     func() error // removes dir and the nodes' cgroups
}

// Start builds what is missing, starts a cluster and returns when all its nodes are Ready. It needs root, on
// Linux. The caller ends it with [Cluster.Stop]; if this process ends before that, in whatever way, the cluster
// ends with it and leaves as little behind.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	c := &Cluster{options: o}
	if err := c.start(ctx); err != nil {
		err = fmt.Errorf("lab: %w\n%s", err, c.Logs())
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// Build builds what a cluster with these options needs and returns. Start would do it too; this is for where a
// first build must not count against a test's time.
func Build(ctx context.Context, o Options) error {
	c := &Cluster{options: o}
	if err := c.build(ctx); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// ErrNotRoot is the error of [Start] for a user who may not make namespaces and mounts.
var ErrNotRoot = errors.New("lab: needs root, for namespaces, mounts and cgroups of its own")

func (c *Cluster) start(ctx context.Context) error {
	err := c.build(ctx)
	if err != nil {
		return err
	}
	if err := c.prepare(); err != nil {
		return err
	}
	if c.router, err = newRouter(); err != nil {
		return err
	}
	if c.forwarder, err = newForwarder(c.router.namespace, net.JoinHostPort(routerAddress.String(), strconv.Itoa(apiPort))); err != nil {
		return err
	}
	if err := c.startControlPlane(ctx); err != nil {
		return err
	}
	starting, ctx := errgroup.WithContext(ctx)
	for _, n := range c.nodes {
		starting.Go(func() error { return n.Start(ctx) })
	}
	return starting.Wait()
}

// build builds programs and images that are not there yet.
func (c *Cluster) build(ctx context.Context) error {
	err := c.options.complete()
	if err != nil {
		return err
	}
	if c.programs, err = buildPrograms(ctx, c.options); err != nil {
		return err
	}
	c.images, err = c.programs.images(c.options)
	return err
}

// complete puts defaults in place of zero fields.
func (o *Options) complete() error {
	if o.PrimaryCNI == "" {
		o.PrimaryCNI = Bridge
	}
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if len(o.Multus) == 0 {
		o.Multus = []string{newestMultus}
	}
	if o.Progress == nil {
		o.Progress = kubetest.Terminal{}
	}
	if o.Nodes < 0 || o.Nodes > 100 {
		return fmt.Errorf("%d nodes: must be 1 to 100", o.Nodes)
	}
	if o.PrimaryCNI != Bridge && o.PrimaryCNI != Flannel {
		return fmt.Errorf("primary CNI %q: unknown", string(o.PrimaryCNI))
	}
	for _, release := range o.Multus {
		if !slices.Contains(releases, release) {
			return fmt.Errorf("multus %s: not among %q", release, releases)
		}
	}
	_, err := o.Layout.system()
	return err
}

// prepare makes the directory and the nodes' names, and starts the program that removes what they leave.
func (c *Cluster) prepare() error {
	var err error
	if c.dir, err = os.MkdirTemp("", "multihome-lab-"); err != nil {
		return err
	}
	system, err := c.options.Layout.system()
	if err != nil {
		return err
	}
	args := []string{"clean", c.dir}
	for i := range c.options.Nodes {
		n := &Node{
			cluster: c, index: i, name: fmt.Sprintf("node-%d", i+1), address: nodeAddress(i), system: system,
		}
		n.dir = filepath.Join(c.dir, n.name)
		if n.cgroups, err = cgroups.For(filepath.Base(c.dir) + "-" + n.name); err != nil {
			return err
		}
		for _, cgroup := range n.cgroups {
			args = append(args, cgroup.Dir)
		}
		c.nodes = append(c.nodes, n)
	}
	cleaner := exec.Command(filepath.Join(c.programs.own, "noded"), args...)
	cleaner.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt from the terminal is not for it
	var said strings.Builder
	cleaner.Stderr = &said
	input, err := cleaner.StdinPipe()
	if err != nil {
		return err
	}
	if err := cleaner.Start(); err != nil {
		return err
	}
	c.clean = func() error {
		_ = input.Close()
		if err := cleaner.Wait(); err != nil {
			return fmt.Errorf("clean up: %w\n%s", err, said.String())
		}
		return nil
	}
	return nil
}

func (c *Cluster) startControlPlane(ctx context.Context) error {
	network := kubetest.Network{
		Enter: c.router.enter, Do: c.router.do,
		Port: apiPort, Addresses: []net.IP{routerAddress, apiAddress},
		URL: "https://" + c.forwarder.address(),
	}
	for _, n := range c.nodes {
		network.Nodes = append(network.Nodes, n.name)
	}
	err := c.forwarder.open(ctx) // connections are reset until the API server listens
	if err != nil {
		return err
	}
	c.server, err = kubetest.Start(ctx, kubetest.Options{Controllers: true, Network: network, Progress: c.options.Progress})
	if err != nil {
		return err
	}
	if c.client, err = kubernetes.NewForConfig(c.Config()); err != nil {
		return err
	}
	return c.createObjects(ctx)
}

// createObjects makes what the nodes need before their kubelets come.
func (c *Cluster) createObjects(ctx context.Context) error {
	// The node authorizer learns late that a pod was bound to a node: a kubelet that is faster is refused and asks
	// again after 10 s. With this binding RBAC allows it at once.
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "lab:nodes"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:node"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:nodes"}},
	}
	if _, err := c.client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	for _, n := range c.nodes { // the ranges are ours to say, not the kubelet's
		pods := podRange(n.index).String()
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.name}, Spec: corev1.NodeSpec{PodCIDR: pods, PodCIDRs: []string{pods}}}
		if _, err := c.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	if c.options.PrimaryCNI == Flannel {
		return c.createFlannel(ctx)
	}
	return nil
}

// Stop ends the cluster at once and removes everything that it made. It may be called again.
func (c *Cluster) Stop() error {
	stopping, ctx := errgroup.WithContext(context.Background()) // also when that of the test is over
	for _, n := range c.nodes {
		stopping.Go(func() error { return n.Stop(ctx) })
	}
	err := stopping.Wait()
	if c.server != nil {
		c.server.Stop()
	}
	if c.forwarder != nil {
		c.forwarder.release()
		c.forwarder = nil
	}
	if c.router != nil {
		c.router.close()
		c.router = nil
	}
	if c.clean != nil {
		err = errors.Join(err, c.clean())
		c.clean = nil
	}
	return err
}

// Dir returns the directory on this machine that goes with the cluster.
func (c *Cluster) Dir() string { return c.dir }

// Nodes returns the nodes: node-1, node-2 and so on.
func (c *Cluster) Nodes() []*Node { return c.nodes }

// Config returns the configuration of a client that may do everything and is not throttled.
func (c *Cluster) Config() *rest.Config { return c.server.Config() }

// User returns the configuration of a client that acts as a user: see [kubetest.Server.User].
func (c *Cluster) User(name string, groups ...string) *rest.Config {
	return c.server.User(name, groups...)
}

// Kubeconfig returns an administrator's kubeconfig, for clients on this machine.
func (c *Cluster) Kubeconfig() ([]byte, error) { return c.server.Kubeconfig() }

// StopAPIServer kills kube-apiserver, as a crash would: connections break, new ones are refused. Everything else
// keeps running.
func (c *Cluster) StopAPIServer() {
	c.server.StopAPIServer()
	c.forwarder.close()
}

// StartAPIServer starts kube-apiserver after [Cluster.StopAPIServer] and returns when it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	if err := c.forwarder.open(ctx); err != nil {
		return err
	}
	return c.server.StartAPIServer(ctx)
}

// await calls done until it returns nil or time is up.
func (c *Cluster) await(ctx context.Context, what string, done func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience())
	defer cancel()
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (%w)", what, err, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
