package cilium_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/cilium"
)

// TestConfDir is what internal/conformance/cilium sees of Cilium's own code on
// more directories than these.
func TestConfDir(t *testing.T) {
	const conflist = "05-cilium.conflist"
	multus := map[string]string{
		"00-multus.conf": `{"name":"multus-cni-network"}`, "10-flannel.conflist": `{"name":"cbr0","plugins":[{"type":"flannel"}]}`,
		"05-cilium.conf": "{}", "99-loopback.json": "{}", "README": "", "old.conf.cilium_bak": `{"name":"old"}`,
	}
	exclusive := []string{"00-multus.conf.cilium_bak", "05-cilium.conf.cilium_bak", conflist, "10-flannel.conflist.cilium_bak", "99-loopback.json.cilium_bak", "README", "old.conf.cilium_bak"}
	peaceful := []string{"00-multus.conf", "05-cilium.conf.cilium_bak", conflist, "10-flannel.conflist", "99-loopback.json", "README", "old.conf.cilium_bak"}
	untouched := []string{"00-multus.conf", "05-cilium.conf", "10-flannel.conflist", "99-loopback.json", "README", "old.conf.cilium_bak"}
	tests := []struct {
		name     string
		settings cilium.Settings
		files    map[string]string
		want     []string
	}{
		{name: "nothing", want: nil},
		{name: "first file", settings: cilium.Settings{Conflist: conflist}, want: []string{conflist}},
		{name: "exclusive", settings: cilium.Settings{Conflist: conflist, Exclusive: true}, files: multus, want: exclusive},
		{name: "peaceful", settings: cilium.Settings{Conflist: conflist}, files: multus, want: peaceful},
		{name: "writes none", settings: cilium.Settings{Exclusive: true}, files: multus, want: untouched},
		{name: "chained to a network", settings: cilium.Settings{Conflist: conflist, Exclusive: true, ChainingTarget: "cbr0", ChainingMode: "generic-veth"}, files: multus, want: exclusive},
		{name: "chained to a backup", settings: cilium.Settings{Conflist: conflist, ChainingTarget: "old"}, files: multus, want: peaceful},
		{name: "chained to what is not there", settings: cilium.Settings{Conflist: conflist, Exclusive: true, ChainingTarget: "lan"}, files: multus, want: untouched},
		{name: "chained to anything", settings: cilium.Settings{Conflist: conflist, ChainingTarget: "*"}, files: multus, want: peaceful},
		{name: "an unknown mode", settings: cilium.Settings{Conflist: conflist, Exclusive: true, ChainingMode: "generic-veth"}, files: multus, want: untouched},
		{name: "portmap", settings: cilium.Settings{Conflist: conflist, Exclusive: true, ChainingMode: "portmap"}, files: multus, want: exclusive},
		{name: "copied", settings: cilium.Settings{Conflist: conflist, Exclusive: true, ReadConf: "/tmp/conf", ChainingTarget: "lan"}, files: multus, want: exclusive},
		{name: "old name", settings: cilium.Settings{Conflist: "05-cilium.conf"}, files: multus, want: untouched},
		{
			name: "names of no string", settings: cilium.Settings{Conflist: conflist, ChainingTarget: "*"},
			files: map[string]string{"a.conf": `{"name":1}`, "b.conf": "null", "c.conf": "["}, want: []string{"a.conf", "b.conf", "c.conf"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.settings.ConfDir(tt.files)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
	if len(multus) != 6 {
		t.Errorf("the argument was changed: %v", multus)
	}
}
