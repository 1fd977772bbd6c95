package kubetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/multihome/multihome/internal/e2e/vm/guest"
)

// startTimeout bounds the wait for one program to be ready. A few seconds are usual.
func startTimeout() time.Duration { return guest.Patience(3 * time.Minute) }

// Options says what runs beside etcd and kube-apiserver. The zero value is those two alone.
type Options struct {
	// Controllers also runs kube-controller-manager and kube-scheduler: DaemonSets get their pods, pods their
	// nodes and service accounts, deletion follows owners, namespaces are emptied. Only the node lifecycle
	// controller is off: nodes stay Ready without heartbeats. See [Server.AddNodes] and [Server.StartKubelets].
	Controllers bool

	// Network is where the programs run if nodes with real kubelets are to join. Zero: on this machine's
	// loopback, for nodes that are only objects.
	Network Network

	// Progress is told what [Binary] does while it builds. nil: the terminal, or standard error without one.
	Progress io.Writer
}

// Server is a Kubernetes API server with its etcd, on loopback. It needs no root, and servers do not disturb
// each other. It is safe for concurrent use, but for Reset.
type Server struct {
	binary      string
	dir         string
	network     Network
	flags       []string // of kube-apiserver
	url         string
	credentials credentials
	others      []*process // all but kube-apiserver
	initial     inventory

	mu        sync.Mutex
	apiServer *process // the one that runs, or ran last
	stopped   bool
	releases  []func() // what Stop does, last first
}

// Start starts a server and returns when it is ready: with Controllers, when they are at work. The caller
// ends it with [Server.Stop]. If the calling process ends before that, in whatever way, its programs end (on
// Linux) and its files are removed all the same.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Progress == nil {
		o.Progress = Terminal{}
	}
	binary, err := Binary(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	s := &Server{binary: binary, network: o.Network}
	if err := s.start(ctx, o); err != nil {
		err = fmt.Errorf("control plane: %w", err)
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) error {
	if err := s.makeDir(); err != nil {
		return err
	}
	etcd, err := s.reservePort(0)
	if err != nil {
		return err
	}
	secure, err := s.reservePort(s.network.Port)
	if err != nil {
		return err
	}
	s.url = secure.url("https")
	if s.credentials, err = writeCredentials(s.dir, s.url, s.network); err != nil {
		return err
	}
	if s.network.URL != "" {
		s.url = s.network.URL
	}
	if err := s.run("etcd", etcdFlags(etcd)); err != nil {
		return err
	}
	s.flags = apiServerFlags(etcd, secure, o.Controllers, s.network)
	if err := s.StartAPIServer(ctx); err != nil {
		return err
	}
	if o.Controllers { // only now: kube-controller-manager gives the API server 10 s
		if err := s.run("kube-controller-manager", controllerManagerFlags(s.network)); err != nil {
			return err
		}
		if err := s.run("kube-scheduler", schedulerFlags()); err != nil {
			return err
		}
		if err := s.await(ctx, "the controllers", s.controllersWork); err != nil {
			return err
		}
	}
	c, err := s.newCleaner()
	if err != nil {
		return err
	}
	s.initial, err = c.inventory(ctx)
	return err
}

// Stop ends all programs at once and removes every file of the server. It may be called again.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.apiServer != nil {
		s.apiServer.kill()
	}
	for _, release := range slices.Backward(s.releases) {
		release()
	}
	s.releases = nil
}

// StopAPIServer kills kube-apiserver, as a crash would: connections break, new ones are refused. Everything
// else keeps running.
func (s *Server) StopAPIServer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiServer.kill()
}

// StartAPIServer starts kube-apiserver after [Server.StopAPIServer], on the same port and data, and returns
// when it is ready.
func (s *Server) StartAPIServer(ctx context.Context) error {
	if err := s.runAPIServer(); err != nil {
		return err
	}
	return s.await(ctx, "kube-apiserver", s.apiServerReady)
}

func (s *Server) runAPIServer() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("start kube-apiserver: the server is stopped")
	}
	if s.apiServer != nil && !s.apiServer.hasEnded() {
		return errors.New("start kube-apiserver: it runs; stop it first")
	}
	p, err := s.startProcess("kube-apiserver", s.flags...)
	if err == nil {
		s.apiServer = p
	}
	return err
}

// Config returns the configuration of a client that may do everything and is not throttled.
func (s *Server) Config() *rest.Config {
	return &rest.Config{
		Host:            s.url,
		BearerToken:     s.credentials.token,
		TLSClientConfig: rest.TLSClientConfig{CAData: s.credentials.ca},
		QPS:             -1,
	}
}

// User returns the configuration of a client that acts as a user of that name in those groups, and in
// system:authenticated. It may do what RBAC objects grant it; without any, next to nothing. The user of a
// ServiceAccount is named system:serviceaccount:NAMESPACE:NAME.
func (s *Server) User(name string, groups ...string) *rest.Config {
	c := s.Config()
	c.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
	return c
}

// Logs returns the end of every program's log.
func (s *Server) Logs() string {
	var b strings.Builder
	for _, p := range s.programs() {
		fmt.Fprintf(&b, "--- %s\n%s", p.name, p.logTail())
	}
	return b.String()
}

func (s *Server) programs() []*process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Clone(s.others), s.apiServer)
}

// makeDir makes the server's directory, and starts the program that removes it when Stop, or the end of this
// process, closes its standard input.
func (s *Server) makeDir() error {
	dir, err := os.MkdirTemp("", "multihome-e2e-")
	if err != nil {
		return err
	}
	remover := exec.Command(s.binary, "remove-after", dir)
	remover.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal is not for it
	input, err := remover.StdinPipe()
	if err == nil {
		err = remover.Start()
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	s.dir = dir
	s.releases = append(s.releases, func() {
		_ = input.Close()
		_ = remover.Wait()
	})
	return nil
}

// reservePort reserves a port, or any for 0.
func (s *Server) reservePort(number int) (Port, error) {
	p, err := s.network.reservePort(number)
	if err == nil {
		s.releases = append(s.releases, p.Release)
	}
	return p, err
}

// run starts a program that runs until Stop.
func (s *Server) run(name string, flags []string) error {
	p, err := s.startProcess(name, flags...)
	if err != nil {
		return err
	}
	s.others = append(s.others, p)
	s.releases = append(s.releases, p.kill)
	return nil
}

// await calls ready until it returns nil, a program has ended or time is up.
func (s *Server) await(ctx context.Context, what string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout())
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		for _, p := range s.programs() {
			if p.hasEnded() {
				return fmt.Errorf("%s: %s ended: %s\n%s", what, p.name, p.cmd.ProcessState, p.logTail())
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not ready: %w (%w)\n%s", what, err, context.Cause(ctx), s.Logs())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) apiServerReady(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(s.Config())
	if err != nil {
		return err
	}
	return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// controllersWork is nil once the controller manager has made its first object.
func (s *Server) controllersWork(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(s.Config())
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	return err
}
