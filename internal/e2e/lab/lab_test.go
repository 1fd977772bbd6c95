package lab_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

// TestGuidesFailure: upstream's manifest as it is fails where /var/run is a directory, as the guide for Talos
// says, and Install on the same cluster mends it.
func TestGuidesFailure(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{Layout: lab.TalosOld})
	kube := newClient(t, c)
	applyUpstream(t, c, kube, "v4.3.0")
	create(t, kube, nad("lan", macvlanConfig), nad("second", bridgeConfig))
	plain, multihomed := lab.Pod("plain"), lab.Pod("multihomed", "lan", "second")
	create(t, kube, plain, multihomed)

	message, err := c.AwaitSandboxFailure(lab.Context(t), plain) // though it asks for nothing
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"no net namespace /var/run/netns/cni-", "failed to Statfs"} {
		if !strings.Contains(message, want) {
			t.Errorf("message %q, want %q in it", message, want)
		}
	}

	install(t, c, kube, multus.Config{})
	running(t, c, plain)
	checkNetworks(t, c, running(t, c, multihomed).Name)
}

// TestUpstreamOnOtherLayouts: where /var/run is a link, upstream's manifest works, and Install over it does too.
func TestUpstreamOnOtherLayouts(t *testing.T) {
	for _, layout := range []lab.Layout{lab.Talos, lab.Talos114, lab.Debian} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			c := lab.New(t, lab.Options{Layout: layout})
			kube := newClient(t, c)
			applyUpstream(t, c, kube, "v4.3.0")
			create(t, kube, nad("lan", macvlanConfig), nad("second", bridgeConfig))
			before := lab.Pod("before", "second") // bridge is everywhere, macvlan is not on Talos
			create(t, kube, before)
			if status := networkStatus(t, running(t, c, before)); status["net1"].Name != "default/second" {
				t.Errorf("upstream's Multus: network-status %+v, want net1 of default/second", status)
			}

			install(t, c, kube, multus.Config{})
			create(t, kube, lab.Pod("after", "lan", "second"))
			checkNetworks(t, c, "after")
			if diff := cmp.Diff([]string{"192.168.88.10/24"}, addresses(t, c, before)["net1"]); diff != "" {
				t.Errorf("the pod from before lost its network (-want +got):\n%s", diff)
			}
		})
	}
}

// checkNetworks: a pod that asks for lan and second has both, beside its first interface and without a change to
// its default route.
func checkNetworks(t *testing.T, c *lab.Cluster, name string) {
	t.Helper()
	pod := running(t, c, lab.Pod(name))
	status, inside := networkStatus(t, pod), addresses(t, c, pod)
	for _, want := range []struct{ iface, network, subnet string }{
		{"eth0", "", "10.244.0."},
		{"net1", "default/lan", "192.168.77."},
		{"net2", "default/second", "192.168.88."},
	} {
		got := status[want.iface]
		if want.network != "" && got.Name != want.network {
			t.Errorf("%s: network-status says %q, want %s", want.iface, got.Name, want.network)
		}
		if len(got.IPs) != 1 || !strings.HasPrefix(got.IPs[0], want.subnet) {
			t.Errorf("%s: network-status has addresses %q, want one in %s0/24", want.iface, got.IPs, want.subnet)
			continue
		}
		if diff := cmp.Diff([]string{got.IPs[0] + "/24"}, inside[want.iface]); diff != "" {
			t.Errorf("%s: addresses inside the pod (-network-status +pod):\n%s", want.iface, diff)
		}
	}
	if diff := cmp.Diff([]string{"eth0"}, defaultRoutes(t, c, pod)); diff != "" {
		t.Errorf("default routes (-want +got):\n%s", diff)
	}
}

// TestFlannel: with Flannel as primary CNI, Install finds it, and pods reach each other across nodes.
func TestFlannel(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{PrimaryCNI: lab.Flannel, Nodes: 2})
	kube := newClient(t, c)
	install(t, c, kube, multus.Config{})
	create(t, kube, nad("second", bridgeConfig))
	near, far := on(c.Nodes()[0], lab.Pod("near", "second")), on(c.Nodes()[1], lab.Pod("far", "second"))
	far.Spec.Containers[0].Args = []string{"listen", "8080"}
	create(t, kube, near, far)
	running(t, c, near)
	to := running(t, c, far).Status.PodIP
	greeting, err := c.Exec(lab.Context(t), near, "/podbox", "connect", to+":8080")
	if err != nil {
		t.Fatal(err)
	}
	if want := "from " + to + ":8080"; !strings.Contains(string(greeting), want) {
		t.Errorf("greeting %q, want %q in it", greeting, want)
	}
}
