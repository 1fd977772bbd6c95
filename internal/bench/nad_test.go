package bench_test

import (
	"encoding/json"
	"testing"

	"github.com/containernetworking/cni/libcni"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/multihome/multihome/nad"
)

// networks are configurations that all of the parsers read.
var networks = []struct{ name, config string }{
	{"single", `{"cniVersion":"1.0.0","name":"lan","plugins":[{"type":"macvlan","master":"eth0","mode":"bridge"}]}`},
	{"guide", `{"cniVersion":"0.3.1","name":"lan","plugins":[{"type":"macvlan","master":"eth0","mode":"bridge",
		"ipam":{"type":"host-local","subnet":"192.168.1.0/24","rangeStart":"192.168.1.200","rangeEnd":"192.168.1.216",
		"routes":[{"dst":"0.0.0.0/0"}],"gateway":"192.168.1.1"}}]}`},
	{"chain", `{"cniVersion":"1.0.0","name":"lan","plugins":[
		{"type":"bridge","bridge":"br0","vlan":100,"preserveDefaultVlan":false,"mtu":1500,"capabilities":{"mac":true,"ips":true},
		 "ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24","gateway":"10.7.0.1"}],"routes":[{"dst":"10.9.0.0/16"}]}},
		{"type":"tuning","sysctl":{"net.ipv4.conf.IFNAME.arp_ignore":"1"},"mtu":1400},
		{"type":"bandwidth","ingressRate":80000000,"ingressBurst":8000000}]}`},
}

func definition(config string) *netattdefv1.NetworkAttachmentDefinition {
	return &netattdefv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "lan"},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: config},
	}
}

// BenchmarkRead reads a network: nad.Parse into the plugins' structs, nad.Lint
// does that and judges it, libcni reads what all plugins have in common and
// encoding/json makes maps.
func BenchmarkRead(b *testing.B) {
	for _, readers := range []struct {
		name string
		read func(def *netattdefv1.NetworkAttachmentDefinition) error
	}{
		{"nad.Parse", func(def *netattdefv1.NetworkAttachmentDefinition) error { _, err := nad.Parse(def); return err }},
		{"nad.Lint", func(def *netattdefv1.NetworkAttachmentDefinition) error { nad.Lint(def); return nil }},
		{"libcni", func(def *netattdefv1.NetworkAttachmentDefinition) error {
			_, err := libcni.NetworkConfFromBytes([]byte(def.Spec.Config))
			return err
		}},
		{"json", func(def *netattdefv1.NetworkAttachmentDefinition) error {
			return json.Unmarshal([]byte(def.Spec.Config), new(map[string]any))
		}},
	} {
		b.Run(readers.name, func(b *testing.B) {
			for _, network := range networks {
				b.Run(network.name, func(b *testing.B) {
					def := definition(network.config)
					b.ReportAllocs()
					for b.Loop() {
						if err := readers.read(def); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}
