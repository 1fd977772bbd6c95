package cilium_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/nad"
)

func definition(name, config string) netattdefv1.NetworkAttachmentDefinition {
	return netattdefv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: config},
	}
}

func TestCheckNADs(t *testing.T) {
	const macvlan = `{"cniVersion":"0.3.1","name":"lan","type":"macvlan","master":"eth1","ipam":{"type":"host-local","subnet":"10.7.0.0/24"}}`
	pool := cilium.Config{Settings: cilium.Settings{PodCIDRs: []string{"10.0.0.0/8", "broken"}}}
	tests := []struct {
		name   string
		config cilium.Config
		nads   []netattdefv1.NetworkAttachmentDefinition
		want   []string
	}{
		{name: "none", config: pool},
		{name: "elsewhere", config: pool, nads: []netattdefv1.NetworkAttachmentDefinition{
			definition("lan", `{"cniVersion":"0.3.1","name":"lan","type":"macvlan","master":"eth1","ipam":{"type":"host-local","subnet":"192.168.0.0/24"}}`),
		}},
		{
			name: "in the pool, once", nads: []netattdefv1.NetworkAttachmentDefinition{definition("lan", macvlan)},
			config: cilium.Config{Settings: pool.Settings, NodeCIDRs: map[string][]string{"a": {"10.7.0.0/24", "odd"}}},
			want:   []string{"warning nad/overlap NetworkAttachmentDefinition default/lan"},
		},
		{
			name: "of a node", nads: []netattdefv1.NetworkAttachmentDefinition{definition("lan", macvlan)},
			config: cilium.Config{NodeCIDRs: map[string][]string{"a": {"10.7.0.0/26"}, "b": {"10.8.0.0/24"}}},
			want:   []string{"warning nad/overlap NetworkAttachmentDefinition default/lan"},
		},
		{
			name: "cilium-cni, alone and in a chain", nads: []netattdefv1.NetworkAttachmentDefinition{
				definition("one", `{"cniVersion":"0.3.1","name":"one","type":"cilium-cni"}`),
				definition("two", `{"cniVersion":"0.3.1","name":"two","plugins":[{"type":"cilium-cni"},{"type":"tuning"}]}`),
				definition("broken", `{`),
			},
			want: []string{"error nad/cilium-secondary NetworkAttachmentDefinition default/one", "error nad/cilium-secondary NetworkAttachmentDefinition default/two"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range tt.config.CheckNADs(tt.nads...) {
				got = append(got, string(f.Severity)+" "+f.Code+" "+f.Object)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRanges(t *testing.T) {
	config := cilium.Config{
		Settings:  cilium.Settings{PodCIDRs: []string{"10.244.0.0/16"}},
		NodeCIDRs: map[string][]string{"b": {"10.9.0.0/24"}, "a": {"10.244.7.0/24", "fd00::/64"}},
	}
	want := []nad.ClusterRange{
		{CIDR: "10.244.0.0/16", Use: "pods (Cilium's cilium-config)"},
		{CIDR: "fd00::/64", Use: "pods of node a (Cilium)"},
		{CIDR: "10.9.0.0/24", Use: "pods of node b (Cilium)"},
	}
	if diff := cmp.Diff(want, config.Ranges()); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
}

// The cases of devices are those of DeviceFilter in Cilium's
// pkg/datapath/tables.
func TestCheckNodeLink(t *testing.T) {
	tests := []struct {
		name     string
		devices  []string
		link     string
		isBridge bool
		want     bool // a finding
	}{
		{name: "chosen by Cilium", link: "eth0"},
		{name: "a bridge, which Cilium never chooses", link: "br0", isBridge: true, want: true},
		{name: "named", devices: []string{"eth0", "br0"}, link: "br0", isBridge: true},
		{name: "by prefix", devices: []string{"br+"}, link: "br0", isBridge: true},
		{name: "everything", devices: []string{"+"}, link: "br0", isBridge: true},
		{name: "another", devices: []string{"eth0"}, link: "br0", isBridge: true, want: true},
		{name: "another, no bridge", devices: []string{"eth0"}, link: "eth1", want: true},
		{name: "left out first", devices: []string{"!br0", "br+"}, link: "br0", isBridge: true, want: true},
		{name: "left out by prefix", devices: []string{"!br+", "br0"}, link: "br0", isBridge: true, want: true},
		{name: "left out too late", devices: []string{"br+", "!br0"}, link: "br0", isBridge: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := cilium.Config{Namespace: "kube-system", Settings: cilium.Settings{Devices: tt.devices}}
			got := codes(config.CheckNodeLink(tt.link, tt.isBridge))
			want := []string(nil)
			if tt.want {
				want = []string{"error cilium/devices"}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
