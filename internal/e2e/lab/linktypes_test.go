package lab_test

import (
	"fmt"
	"runtime"
	"testing"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/lab"
	nads "github.com/multihome/multihome/nad"
)

// linkTypeTest is a networkTest with a link that the kernel must be able to make, of another one where that is its way.
type linkTypeTest struct {
	needs func(of int) netlink.Link
	networkTest
}

var (
	bondLink   = func(int) netlink.Link { return netlink.NewLinkBond(attrs("probe", 0)) }
	bridgeLink = func(int) netlink.Link {
		return &netlink.Bridge{LinkAttrs: attrs("probe", 0), VlanFiltering: new(true)}
	}
	dummyLink  = func(int) netlink.Link { return &netlink.Dummy{LinkAttrs: attrs("probe", 0)} }
	ipvlanLink = func(of int) netlink.Link { return &netlink.IPVlan{LinkAttrs: attrs("probe", of)} }
	vlanLink   = func(of int) netlink.Link { return &netlink.Vlan{LinkAttrs: attrs("probe", of), VlanId: 5} }
)

func attrs(name string, of int) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name, a.ParentIndex = name, of
	return a
}

// linkTypeTests are for what a kernel may lack. make vm runs them on one that lacks nothing. They are for one node
// with the links of addLinks.
func linkTypeTests(t *testing.T) []linkTypeTest {
	t.Helper()
	built := builtFor(t)
	subnet := func(s string) nads.HostLocal { return nads.HostLocal{Subnet: s} }
	tagged := func(name string, vlan int, subnet nads.HostLocal) *netattdefv1.NetworkAttachmentDefinition {
		return built(nads.Bridge(name, nads.BridgeConfig{Bridge: "br-tagged", VLAN: vlan, IPAM: subnet}))
	}
	on := func(network, subnet string) []attached {
		return []attached{{nads.Attachment{Name: network}, []string{subnet}}}
	}
	type networks = []*netattdefv1.NetworkAttachmentDefinition

	return []linkTypeTest{
		{vlanLink, networkTest{
			// A VLAN of a master is one pod's alone: the second pod is at the other end of the cable.
			name: "VLANs of both ends of a cable",
			networks: networks{
				built(nads.VLAN("vlan-a", nads.VLANConfig{Master: "cable0", VLANID: 5, IPAM: subnet("192.168.40.0/25")})),
				built(nads.VLAN("vlan-b", nads.VLANConfig{Master: "cable1", VLANID: 5, IPAM: subnet("192.168.40.0/25")})),
			},
			pods: [2][]attached{on("vlan-a", "192.168.40.0/25"), on("vlan-b", "192.168.40.0/25")},
		}},
		{ipvlanLink, networkTest{
			name:     "ipvlan",
			networks: networks{built(nads.IPVLAN("ipvlan", nads.IPVLANConfig{Master: "eth0", IPAM: subnet("192.168.41.0/24")}))},
			pods:     [2][]attached{on("ipvlan", "192.168.41.0/24"), on("ipvlan", "192.168.41.0/24")},
		}},
		{dummyLink, networkTest{
			name:     "dummy, which leads nowhere",
			networks: networks{built(nads.Dummy("dummy", nads.DummyConfig{IPAM: subnet("192.168.42.0/24")}))},
			pods:     [2][]attached{on("dummy", "192.168.42.0/24"), on("dummy", "192.168.42.0/24")},
			isolated: true,
		}},
		{bridgeLink, networkTest{
			name:     "one VLAN of a bridge",
			networks: networks{tagged("tagged", 100, subnet("192.168.43.0/24"))},
			pods:     [2][]attached{on("tagged", "192.168.43.0/24"), on("tagged", "192.168.43.0/24")},
		}},
		{bridgeLink, networkTest{
			// The subnet is the same, so that nothing but the tags keeps them apart.
			name: "two VLANs of a bridge",
			networks: networks{
				tagged("red", 101, nads.HostLocal{Subnet: "192.168.44.0/24", RangeEnd: "192.168.44.99"}),
				tagged("blue", 102, nads.HostLocal{Subnet: "192.168.44.0/24", RangeStart: "192.168.44.100"}),
			},
			pods:     [2][]attached{on("red", "192.168.44.0/24"), on("blue", "192.168.44.0/24")},
			isolated: true,
		}},
		{bondLink, networkTest{
			name:     "macvlan of a bond",
			networks: networks{built(nads.Macvlan("bonded", nads.MacvlanConfig{Master: "bond0", IPAM: subnet("192.168.45.0/24")}))},
			pods:     [2][]attached{on("bonded", "192.168.45.0/24"), on("bonded", "192.168.45.0/24")},
		}},
	}
}

// TestLinkTypes: as TestNetworks, where the kernel has the types of links.
func TestLinkTypes(t *testing.T) {
	t.Parallel()
	var tests []networkTest
	for _, tt := range linkTypeTests(t) {
		if err := tryLink(tt.needs); err != nil {
			t.Run(tt.name, func(t *testing.T) { t.Skip("not run, but by make vm: this kernel cannot make a", err) })
			continue
		}
		tests = append(tests, tt.networkTest)
	}
	if len(tests) == 0 {
		return
	}
	c := lab.New(t, lab.Options{})
	addLinks(t, c.Nodes()[0])
	runNetworkTests(t, c, tests)
}

// tryLink makes a link among new ones, which go with it.
func tryLink(needs func(of int) netlink.Link) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends, and the namespace with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("network namespace: %w", err)
			return
		}
		master := cable("cable")
		if err := netlink.LinkAdd(master); err != nil {
			result <- fmt.Errorf("veth: %w", err)
			return
		}
		link := needs(master.Index)
		err := netlink.LinkAdd(link)
		if err != nil {
			err = fmt.Errorf("%s: %w", link.Type(), err)
		}
		result <- err
	}()
	return <-result
}

// cable is a pair of links, NAME0 and NAME1.
func cable(name string) *netlink.Veth {
	return &netlink.Veth{LinkAttrs: attrs(name+"0", 0), PeerName: name + "1"}
}

// addLinks gives a node a cable of which both ends are its own and, where the kernel can, bond0 with another one.
func addLinks(t *testing.T, node *lab.Node) {
	t.Helper()
	namespace, err := netns.GetFromPid(node.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = namespace.Close() }()
	links, err := netlink.NewHandleAt(namespace, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer links.Close()
	add := func(link netlink.Link, names ...string) {
		t.Helper()
		if err := links.LinkAdd(link); err != nil {
			t.Fatalf("%s: %v", link.Attrs().Name, err)
		}
		for _, name := range names {
			added, err := links.LinkByName(name)
			if err == nil {
				err = links.LinkSetUp(added)
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	add(cable("cable"), "cable0", "cable1")
	if tryLink(bondLink) != nil {
		return
	}
	bond := netlink.NewLinkBond(attrs("bond0", 0))
	bond.Mode = netlink.BOND_MODE_ACTIVE_BACKUP
	add(bond, "bond0")
	member := cable("member")
	member.MasterIndex = bond.Index
	add(member, "member0", "member1")
}
