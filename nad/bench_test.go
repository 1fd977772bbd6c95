package nad_test

import (
	"testing"

	"github.com/multihome/multihome/nad"
)

// guide is the network of the Talos guide.
func guide() nad.MacvlanConfig {
	return nad.MacvlanConfig{
		Master: "eth0",
		Mode:   nad.MacvlanModeBridge,
		IPAM: nad.HostLocal{
			Subnet: "192.168.1.0/24", RangeStart: "192.168.1.200", RangeEnd: "192.168.1.216",
			Gateway: "192.168.1.1", Routes: []nad.Route{{Dst: "0.0.0.0/0"}},
		},
	}
}

func BenchmarkMacvlan(b *testing.B) {
	config := guide()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := nad.Macvlan("macvlan-conf", config); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	def, err := nad.Macvlan("macvlan-conf", guide())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := nad.Parse(def); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLint has two warnings to write; without any it is faster.
func BenchmarkLint(b *testing.B) {
	def, err := nad.Macvlan("macvlan-conf", guide())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := nad.Lint(def); len(got) != 2 {
			b.Fatal(got)
		}
	}
}

func BenchmarkAttachments(b *testing.B) {
	for name, text := range map[string]string{
		"short": "macvlan-conf@net1,infra/lan",
		"json":  `[{"name":"macvlan-conf","interface":"net1","ips":["192.168.1.210/24"],"mac":"02:00:00:00:00:01"},{"name":"lan","namespace":"infra"}]`,
	} {
		b.Run(name, func(b *testing.B) {
			pod := podWith(networks, text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nad.Attachments(pod); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
