package lab

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// The lab's addresses. They exist in the lab's own network namespaces only.
//
// The control plane is on the router: it is the nodes' default gateway, and has the address of the kubernetes
// Service, so that pods reach the API server as they do elsewhere and no node needs kube-proxy.
var (
	routerAddress = net.IPv4(10, 5, 0, 1)
	apiAddress    = net.IPv4(10, 96, 0, 1)
)

const apiPort = 443

func nodeAddress(index int) net.IP { return net.IPv4(10, 5, 0, byte(10+index)) }

// podNetwork holds the ranges of all nodes' pods.
const podNetwork = "10.244.0.0/16"

// podRange is the range of a node's pods.
func podRange(index int) *net.IPNet {
	return &net.IPNet{IP: net.IPv4(10, 244, byte(index), 0).To4(), Mask: net.CIDRMask(24, 32)}
}

// router is the network namespace of the control plane, with a bridge to which the nodes are connected.
type router struct {
	namespace
	bridge *netlink.Bridge
}

func newRouter() (*router, error) {
	n, err := newNamespace()
	if err != nil {
		return nil, fmt.Errorf("router: %w", err)
	}
	// With an address of its own: else it has that of a node's port, and another once that node is gone, to which
	// the other nodes' neighbour tables are blind for a minute.
	own := net.HardwareAddr{2, 0, 10, 5, 0, 1}
	r := &router{namespace: n, bridge: &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "nodes", HardwareAddr: own}}}
	if err := r.setup(); err != nil {
		r.close()
		return nil, fmt.Errorf("router: %w", err)
	}
	return r, nil
}

func (r *router) setup() error {
	handle, err := r.links()
	if err != nil {
		return err
	}
	defer handle.Close()
	lo, err := handle.LinkByName("lo")
	if err != nil {
		return err
	}
	return errors.Join(
		handle.LinkSetUp(lo),
		handle.AddrAdd(lo, &netlink.Addr{IPNet: netlink.NewIPNet(apiAddress)}),
		handle.LinkAdd(r.bridge),
		handle.LinkSetUp(r.bridge),
		handle.AddrAdd(r.bridge, address(routerAddress)),
		r.do(func() error { // of this network namespace alone
			return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
		}),
	)
}

// connect gives a node's namespace its lo and eth0, and routes its pods' addresses to it. All of it goes with
// the node's namespace.
func (r *router) connect(node namespace, index int) error {
	port := fmt.Sprintf("node%d", index)
	handle, err := r.links()
	if err != nil {
		return err
	}
	defer handle.Close()
	if old, err := handle.LinkByName(port); err == nil { // of a node that has just ended
		if err := handle.LinkDel(old); err != nil {
			return err
		}
	}
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: port, MasterIndex: r.bridge.Index},
		PeerName:      "eth0",
		PeerNamespace: netlink.NsFd(node.fd()),
	}
	if err := handle.LinkAdd(veth); err != nil {
		return fmt.Errorf("connect %s: %w", port, err)
	}
	return errors.Join(
		handle.LinkSetUp(veth),
		node.configure(nodeAddress(index)),
		handle.RouteReplace(&netlink.Route{Dst: podRange(index), Gw: nodeAddress(index)}),
	)
}

// configure brings up a node's links.
func (n namespace) configure(own net.IP) error {
	handle, err := n.links()
	if err != nil {
		return err
	}
	defer handle.Close()
	lo, err := handle.LinkByName("lo")
	if err != nil {
		return err
	}
	eth0, err := handle.LinkByName("eth0")
	if err != nil {
		return err
	}
	return errors.Join(
		handle.LinkSetUp(lo),
		handle.AddrAdd(eth0, address(own)),
		handle.LinkSetUp(eth0),
		handle.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: routerAddress}),
		n.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }),
	)
}

func (n namespace) links() (*netlink.Handle, error) {
	return netlink.NewHandleAt(netns.NsHandle(n.fd()))
}

func address(ip net.IP) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(24, 32)}}
}
