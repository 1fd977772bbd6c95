package kubetest

import "net"

// Network is where the programs of a [Server] run if not on loopback: in a network namespace, where real
// kubelets reach kube-apiserver, and kube-apiserver the kubelets.
type Network struct {
	// Enter moves the calling thread into the network namespace, which has a loopback device that is up.
	Enter func() error
	// Do calls f on a thread in the network namespace.
	Do func(f func() error) error
	// Port on which kube-apiserver listens on all addresses there.
	Port int
	// Addresses by which kube-apiserver is reached there. The first is that of the kubernetes Service's
	// endpoint.
	Addresses []net.IP
	// URL by which this process reaches kube-apiserver.
	URL string
	// Nodes that may join, each as itself: see [Server.NodeKubeconfig].
	Nodes []string
}

// NodeKubeconfig returns the kubeconfig of the kubelet of a node of the Network, for kube-apiserver at url.
func (s *Server) NodeKubeconfig(node, url string) ([]byte, error) {
	return kubeconfig(url, s.credentials.ca, s.credentials.nodes[node])
}

// Kubeconfig returns an administrator's kubeconfig.
func (s *Server) Kubeconfig() ([]byte, error) {
	return kubeconfig(s.url, s.credentials.ca, s.credentials.token)
}

func (n Network) real() bool { return n.Enter != nil }

func (n Network) reservePort(number int) (p Port, err error) {
	if !n.real() {
		return ReservePort(number)
	}
	err = n.Do(func() (err error) {
		p, err = ReservePort(number)
		return err
	})
	return p, err
}

func (n Network) apiServerFlags() []string {
	if !n.real() {
		return []string{
			"--bind-address=127.0.0.1",
			"--advertise-address=127.0.0.1",
			"--endpoint-reconciler-type=none", // the kubernetes Service cannot have a loopback endpoint
		}
	}
	return []string{
		"--bind-address=0.0.0.0",
		"--advertise-address=" + n.Addresses[0].String(),
		"--kubelet-preferred-address-types=InternalIP", // nobody resolves the nodes' names
	}
}

func (n Network) controllerManagerFlags() []string {
	if !n.real() {
		// Nodes are only objects, without heartbeats: the node lifecycle controller would evict their pods.
		return []string{"--controllers=*,-node-lifecycle-controller"}
	}
	return []string{"--node-monitor-grace-period=12s"} // a test that needs a dead node does not wait for the default, 50 s
}
