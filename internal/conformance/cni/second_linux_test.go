package cni_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/nad"
)

// TestSecondPod: networks that serve one pod of a node, by what the plugin says
// to the next one. nad.Lint tells of them and of no other.
func TestSecondPod(t *testing.T) {
	needNode(t)
	dir := buildPlugins(t)
	const vlan = `"type":"vlan","master":"eth0","vlanId":5,"ipam":{"type":"host-local","subnet":"10.7.0.0/24"}`
	tests := []struct {
		name    string
		config  string
		link    netlink.Link // that some kernels lack
		onNode  bool         // the node has that link, and there is no first pod
		refusal string
	}{
		{name: "macvlan", config: `"type":"macvlan","master":"eth0"`},
		{name: "passthru", config: `"type":"macvlan","master":"eth0","mode":"passthru"`, refusal: "failed to create macvlan: invalid argument"},
		{name: "vlan", config: vlan, link: vlanLink(6), refusal: "failed to create vlan: file exists"},
		{name: "vlan of the node", config: vlan, link: vlanLink(5), onNode: true, refusal: "failed to create vlan: file exists"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := `{"cniVersion":"1.0.0","name":"net","plugins":[{` + test.config + `}]}`
			advised := slices.ContainsFunc(nad.Lint(testCase{config: config}.definition()), func(f multihome.Finding) bool {
				return f.Code == "nad/passthru" || f.Code == "nad/one-pod"
			})
			if advised != (test.refusal != "") {
				t.Errorf("Lint tells of it: %t", advised)
			}
			var lacking bool
			err := onNode(dir, func(n node) error {
				if test.link != nil {
					err := addTo("eth0", test.link)
					if lacking = errors.Is(err, unix.EOPNOTSUPP) && !*linkTypes; lacking {
						return nil
					}
					if err != nil {
						return err
					}
				}
				second, release, err := newPod()
				if err != nil {
					return err
				}
				defer release()
				list, err := libcni.ConfListFromBytes([]byte(config))
				if err != nil {
					return err
				}
				cni := newCNI()
				add := func(id, netns string) error {
					_, err := cni.AddNetworkList(t.Context(), list, &libcni.RuntimeConf{ContainerID: id, NetNS: netns, IfName: "net1"})
					return err
				}
				if !test.onNode {
					if err := add("c1", n.pod); err != nil {
						return err
					}
				}
				if got := message(add("c2", second)); (got == "") != (test.refusal == "") || !strings.HasSuffix(got, test.refusal) {
					t.Errorf("the second pod: %q, want %q", got, test.refusal)
				}
				return nil
			})
			switch {
			case err != nil:
				t.Error(err)
			case lacking:
				t.Skip("not decided: this kernel lacks the link type; make vm decides it")
			}
		})
	}
}

func vlanLink(id int) netlink.Link {
	return &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "vlan", TxQLen: -1}, VlanId: id, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
}

// addTo adds the link to an interface of the node.
func addTo(master string, link netlink.Link) error {
	parent, err := netlink.LinkByName(master)
	if err != nil {
		return err
	}
	link.Attrs().ParentIndex = parent.Attrs().Index
	return netlink.LinkAdd(link)
}
