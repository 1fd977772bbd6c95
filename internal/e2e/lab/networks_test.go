package lab_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
	nads "github.com/multihome/multihome/nad"
)

// networkTest are networks and two pods on them, which must reach each other over each interface.
type networkTest struct {
	name     string
	networks []*netattdefv1.NetworkAttachmentDefinition
	pods     [2][]attached
	apart    bool // the pods are on two nodes
	isolated bool // the pods must not reach each other, but over eth0

	mtu      int               // of the networks' interfaces; 0: 1500
	routes   []string          // over net1, beside that to its own network
	defaults []string          // interfaces with a default route, in the order of the kernel; nil: eth0
	settings map[string]string // below /proc/sys/net
}

// attached is what a pod asks of a network, and the addresses that it gets: those that it asks for if there are
// none here. An address without bits for the host stands for any one of that network.
type attached struct {
	nads.Attachment
	addresses []string
}

// networkTests are for any kernel with bridge and macvlan; linkTypeTests are for others.
func networkTests(t *testing.T) []networkTest {
	t.Helper()
	built := builtFor(t)
	accepts := func(capabilities ...nads.Capability) nads.Common {
		c := nads.Common{Capabilities: map[nads.Capability]bool{}}
		for _, capability := range capabilities {
			c.Capabilities[capability] = true
		}
		return c
	}
	static := func(addresses ...string) (s nads.Static) {
		for _, address := range addresses {
			s.Addresses = append(s.Addresses, nads.StaticAddress{Address: address})
		}
		return s
	}
	both := func(a ...attached) [2][]attached { return [2][]attached{a, a} }
	type networks = []*netattdefv1.NetworkAttachmentDefinition
	type ask = nads.Attachment
	type ips = []string

	return []networkTest{
		{
			name: "macvlan with host-local and MTU",
			networks: networks{built(nads.Macvlan("macvlan", nads.MacvlanConfig{
				Master: "eth0", MTU: 1400, IPAM: nads.HostLocal{Subnet: "192.168.20.0/24"},
			}))},
			pods: both(attached{ask{Name: "macvlan"}, ips{"192.168.20.0/24"}}),
			mtu:  1400,
		},
		{
			name: "macvlan of two nodes with requests of MAC and IP",
			networks: networks{built(nads.Macvlan("requests", nads.MacvlanConfig{
				Master: "eth0", IPAM: nads.Static{}, Common: accepts(nads.CapabilityMAC, nads.CapabilityIPs),
			}))},
			pods: [2][]attached{
				{{Attachment: ask{Name: "requests", MAC: "02:00:00:00:21:05", IPs: ips{"192.168.21.5/24"}}}},
				{{Attachment: ask{Name: "requests", MAC: "02:00:00:00:21:06", IPs: ips{"192.168.21.6/24"}}}},
			},
			apart: true,
		},
		{
			name: "bridge with host-local and a route",
			networks: networks{built(nads.Bridge("bridge", nads.BridgeConfig{
				Bridge: "br-bridge",
				IPAM:   nads.HostLocal{Subnet: "192.168.22.0/24", Routes: []nads.Route{{Dst: "10.99.0.0/16", GW: "192.168.22.1"}}},
			}))},
			pods:   both(attached{ask{Name: "bridge"}, ips{"192.168.22.0/24"}}),
			routes: []string{"10.99.0.0/16 via 192.168.22.1"},
		},
		{
			name: "bridge with static addresses of both families",
			networks: networks{
				built(nads.Bridge("static-a", nads.BridgeConfig{Bridge: "br-static", IPAM: static("192.168.23.5/24", "fd00:23::5/64")})),
				built(nads.Bridge("static-b", nads.BridgeConfig{Bridge: "br-static", IPAM: static("192.168.23.6/24", "fd00:23::6/64")})),
			},
			pods: [2][]attached{
				{{ask{Name: "static-a"}, ips{"192.168.23.5/24", "fd00:23::5/64"}}},
				{{ask{Name: "static-b"}, ips{"192.168.23.6/24", "fd00:23::6/64"}}},
			},
		},
		{
			name: "bridge with tuning: sysctl, MTU and requests of MACs",
			networks: networks{built(nads.Chain("tuned",
				nads.BridgeConfig{Bridge: "br-tuned", IPAM: nads.HostLocal{Subnet: "192.168.24.0/24"}},
				nads.TuningConfig{
					Sysctl: map[string]string{"net.ipv4.conf.IFNAME.arp_filter": "1"}, MTU: 1300,
					Common: accepts(nads.CapabilityMAC),
				},
			))},
			pods: [2][]attached{
				{{ask{Name: "tuned", MAC: "02:00:00:00:24:05"}, ips{"192.168.24.0/24"}}},
				{{ask{Name: "tuned", MAC: "02:00:00:00:24:06"}, ips{"192.168.24.0/24"}}},
			},
			mtu:      1300,
			settings: map[string]string{"ipv4/conf/net1/arp_filter": "1", "ipv4/conf/eth0/arp_filter": "0"},
		},
		{
			name: "two networks at once, an interface by name",
			networks: networks{
				built(nads.Bridge("left", nads.BridgeConfig{Bridge: "br-left", IPAM: nads.HostLocal{Subnet: "192.168.25.0/24"}})),
				built(nads.Macvlan("right", nads.MacvlanConfig{Master: "eth0", IPAM: nads.HostLocal{Subnet: "192.168.26.0/24"}})),
			},
			pods: both(
				attached{ask{Name: "left", Interface: "left0"}, ips{"192.168.25.0/24"}},
				attached{ask{Name: "right"}, ips{"192.168.26.0/24"}},
			),
		},
		{
			name: "host-local with requests of IPs",
			networks: networks{built(nads.Bridge("range", nads.BridgeConfig{
				Bridge: "br-range", IPAM: nads.HostLocal{Subnet: "192.168.27.0/24"}, Common: accepts(nads.CapabilityIPs),
			}))},
			pods: [2][]attached{
				{{Attachment: ask{Name: "range", IPs: ips{"192.168.27.77/24"}}}},
				{{Attachment: ask{Name: "range", IPs: ips{"192.168.27.78/24"}}}},
			},
		},
		{
			name: "default route of the network",
			networks: networks{built(nads.Bridge("routed", nads.BridgeConfig{
				Bridge: "br-routed", IsGateway: true,
				IPAM: nads.HostLocal{Subnet: "192.168.28.0/24", Routes: []nads.Route{{Dst: "0.0.0.0/0", GW: "192.168.28.1"}}},
			}))},
			pods:     both(attached{ask{Name: "routed"}, ips{"192.168.28.0/24"}}),
			routes:   []string{"0.0.0.0/0 via 192.168.28.1"},
			defaults: []string{"net1", "eth0"},
		},
		{
			// Multus 4.2.2 to 4.3.0 do not find the route that they should remove, so that the new one exists already,
			// which is no error to them: the request has no effect (k8snetworkplumbingwg/multus-cni#1552).
			name: "request of the default route",
			networks: networks{built(nads.Bridge("gateway", nads.BridgeConfig{
				Bridge: "br-gateway", IsGateway: true, IPAM: nads.HostLocal{Subnet: "192.168.29.0/24"},
			}))},
			pods: both(attached{ask{Name: "gateway", DefaultRoute: ips{"192.168.29.1"}}, ips{"192.168.29.0/24"}}),
		},
	}
}

// builtFor returns what is put around a call of package nad: a network, or the end of the test.
func builtFor(t *testing.T) func(*netattdefv1.NetworkAttachmentDefinition, error) *netattdefv1.NetworkAttachmentDefinition {
	t.Helper()
	return func(def *netattdefv1.NetworkAttachmentDefinition, err error) *netattdefv1.NetworkAttachmentDefinition {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return def
	}
}

// TestNetworks: pods have what networks of package nad say, inside and in network-status, reach each other over
// them and keep their first interface as it is.
func TestNetworks(t *testing.T) {
	t.Parallel()
	runNetworkTests(t, lab.New(t, lab.Options{Nodes: 2}), networkTests(t))
}

// runNetworkTests runs tests on a new cluster.
func runNetworkTests(t *testing.T, c *lab.Cluster, tests []networkTest) {
	t.Helper()
	install(t, c, newClient(t, c), multus.Config{})
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), netattdefv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	kube, err := client.New(c.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}

	pods := make([][2]*corev1.Pod, len(tests))
	for i, tt := range tests { // all at once: they start while the first are looked at
		for _, def := range tt.networks {
			checkBuilt(t, def, tt.pods[0], tt.pods[1])
			def.Namespace = metav1.NamespaceDefault
			create(t, kube, def)
		}
		for j, networks := range tt.pods {
			node := c.Nodes()[0]
			if tt.apart {
				node = c.Nodes()[j]
			}
			pod := on(node, lab.Pod(fmt.Sprintf("networks-%d-%d", i, j)))
			pod.Spec.Containers[0].Args = []string{"listen", "8080"}
			for _, a := range networks {
				if err := nads.Attach(pod, a.Attachment); err != nil {
					t.Fatal(err)
				}
			}
			create(t, kube, pod)
			pods[i][j] = pod
		}
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var links [2][]link
			for j, pod := range pods[i] {
				pod = running(t, c, pod)
				pods[i][j] = pod
				links[j] = checkLinks(t, c, pod, tt, tt.pods[j])
				checkStatus(t, pod, links[j])
				checkSettings(t, c, pod, tt.settings)
			}
			switch {
			case t.Failed():
			case tt.isolated:
				checkNoTraffic(t, c, pods[i], links[1])
			default:
				checkTraffic(t, c, pods[i][0], links[0], links[1])
			}
		})
	}
}

// checkBuilt: package nad knows of nothing that keeps the pods from starting, and of no request that is dropped.
func checkBuilt(t *testing.T, def *netattdefv1.NetworkAttachmentDefinition, pods ...[]attached) {
	t.Helper()
	for _, finding := range nads.Lint(def) {
		if finding.Severity == multihome.SeverityError {
			t.Errorf("Lint: %s", finding)
		}
	}
	for _, a := range slices.Concat(pods...) {
		if a.Name != def.Name {
			continue
		}
		for _, finding := range nads.CheckAttachment(def, a.Attachment) {
			if a.DefaultRoute == nil || finding.Code != "nad/default-route-ignored" { // which the test shows
				t.Errorf("CheckAttachment: %s", finding)
			}
		}
	}
}

// link is an interface of a pod, other than lo.
type link struct {
	Name, Network     string
	Addresses, Routes []string
	MAC               string
	MTU               int
}

// checkLinks: the pod sees eth0 with the cluster's routes, and what it asked for. It returns what it sees.
func checkLinks(t *testing.T, c *lab.Cluster, pod *corev1.Pod, tt networkTest, networks []attached) []link {
	t.Helper()
	cluster := netip.PrefixFrom(netip.MustParseAddr(pod.Status.PodIP), 24)
	want := []link{{
		Name: "eth0", Network: "cluster", Addresses: []string{cluster.String()}, MTU: 1500,
		Routes: []string{"0.0.0.0/0 via " + cluster.Masked().Addr().Next().String()},
	}}
	for i, a := range networks {
		l := link{
			Name: cmp.Or(a.Interface, fmt.Sprintf("net%d", i+1)), Network: metav1.NamespaceDefault + "/" + a.Name,
			Addresses: slices.Clone(a.addresses), MAC: a.MAC, MTU: cmp.Or(tt.mtu, 1500),
		}
		if l.Addresses == nil {
			l.Addresses = slices.Clone(a.IPs)
		}
		if l.Name == "net1" {
			l.Routes = slices.Clone(tt.routes)
		}
		want = append(want, l)
	}
	got := linksInside(t, c, pod)
	for i := range min(len(want), len(got)) {
		got[i].Network = want[i].Network // inside nobody knows: see checkStatus
		want[i].complete(got[i])
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("inside %s (-want +got):\n%s", pod.Name, diff)
	}
	defaults := tt.defaults
	if defaults == nil {
		defaults = []string{"eth0"}
	}
	if diff := gocmp.Diff(defaults, defaultRoutes(t, c, pod)); diff != "" {
		t.Errorf("default routes of %s (-want +got):\n%s", pod.Name, diff)
	}
	return got
}

// complete puts what got has in the place of what stands for anything, and adds routes to the link's own networks.
func (l *link) complete(got link) {
	l.MAC = cmp.Or(l.MAC, got.MAC)
	for i, address := range l.Addresses {
		want := netip.MustParsePrefix(address)
		if want.Addr().Is4() {
			l.Routes = append(l.Routes, want.Masked().String())
		}
		if i < len(got.Addresses) && want == want.Masked() && want == netip.MustParsePrefix(got.Addresses[i]).Masked() {
			l.Addresses[i] = got.Addresses[i]
		}
	}
}

// linksInside returns the interfaces that the pod sees, without the addresses that the kernel gives.
func linksInside(t *testing.T, c *lab.Cluster, pod *corev1.Pod) []link {
	t.Helper()
	seen, err := c.PodNetwork(lab.Context(t), pod)
	if err != nil {
		t.Fatal(err)
	}
	var out []link
	for _, i := range seen.Interfaces {
		if i.Name == "lo" {
			continue
		}
		l := link{Name: i.Name, MAC: i.MAC, MTU: i.MTU}
		for _, a := range i.Addresses {
			if !netip.MustParsePrefix(a).Addr().IsLinkLocalUnicast() {
				l.Addresses = append(l.Addresses, a)
			}
		}
		for _, r := range seen.Routes {
			if r.Interface == i.Name {
				l.Routes = append(l.Routes, strings.TrimSuffix(r.Destination+" via "+r.Gateway, " via "))
			}
		}
		slices.Sort(l.Routes)
		out = append(out, l)
	}
	return out
}

// checkStatus: network-status says what the pod sees, eth0 first. It has no MTU: plugins tell theirs from CNI 1.1.0 on.
func checkStatus(t *testing.T, pod *corev1.Pod, links []link) {
	t.Helper()
	got, err := nads.Status(pod)
	if err != nil {
		t.Fatal(err)
	}
	var want []netattdefv1.NetworkStatus
	for _, l := range links {
		status := netattdefv1.NetworkStatus{Name: l.Network, Interface: l.Name, Mac: l.MAC, Default: l.Name == "eth0"}
		for _, a := range l.Addresses {
			status.IPs = append(status.IPs, netip.MustParsePrefix(a).Addr().String())
		}
		for _, r := range l.Routes {
			if gateway, isDefault := strings.CutPrefix(r, "0.0.0.0/0 via "); isDefault {
				status.Gateway = append(status.Gateway, gateway)
			}
		}
		want = append(want, status)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("network-status of %s (-inside +status):\n%s", pod.Name, diff)
	}
}

func checkSettings(t *testing.T, c *lab.Cluster, pod *corev1.Pod, settings map[string]string) {
	t.Helper()
	for name, want := range settings {
		got, err := c.Exec(lab.Context(t), pod, "/podbox", "read", path.Join("/proc/sys/net", name))
		if err != nil || string(got) != want+"\n" {
			t.Errorf("%s in %s: %q, %v, want %s", name, pod.Name, got, err, want)
		}
	}
}

// checkTraffic: the pod reaches each address of its peer, beside that of eth0, from its own one on that network.
func checkTraffic(t *testing.T, c *lab.Cluster, pod *corev1.Pod, own, peer []link) {
	t.Helper()
	for i := 1; i < len(own); i++ {
		for j, from := range own[i].Addresses {
			to := net.JoinHostPort(netip.MustParsePrefix(peer[i].Addresses[j]).Addr().String(), "8080")
			start := "hello " + net.JoinHostPort(netip.MustParsePrefix(from).Addr().String(), "")
			eventually(t, "connection to "+to, func(ctx context.Context) error { // the peer may not listen yet
				said, err := c.Exec(ctx, pod, "/podbox", "connect", to)
				if err == nil && !(strings.HasPrefix(string(said), start) && strings.HasSuffix(string(said), " from "+to+"\n")) {
					t.Errorf("greeting %q, want %s... from %s", said, start, to)
				}
				return err
			})
		}
	}
}

// checkNoTraffic: the first pod reaches the second one by eth0, and by none of its other addresses.
func checkNoTraffic(t *testing.T, c *lab.Cluster, pods [2]*corev1.Pod, peer []link) {
	t.Helper()
	connect := func(ctx context.Context, address string) error {
		_, err := c.Exec(ctx, pods[0], "/podbox", "connect", net.JoinHostPort(address, "8080"))
		return err
	}
	eventually(t, "connection to "+pods[1].Status.PodIP, func(ctx context.Context) error {
		return connect(ctx, pods[1].Status.PodIP)
	})
	for _, l := range peer[1:] {
		for _, address := range l.Addresses {
			err := connect(lab.Context(t), netip.MustParsePrefix(address).Addr().String())
			if err == nil || !strings.Contains(err.Error(), "podbox: dial tcp") {
				t.Errorf("%s to %s of %s: %v, want that it cannot connect", pods[0].Name, address, pods[1].Name, err)
			}
		}
	}
}
