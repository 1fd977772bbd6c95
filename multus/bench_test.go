package multus_test

import (
	"testing"

	"github.com/multihome/multihome/multus"
)

// talosCilium is the configuration that the benchmarks and the example of the
// package are about.
func talosCilium() multus.Config {
	return multus.Config{Platform: multus.Platform{
		Talos: "v1.13.9", PrimaryCNI: "cilium", Architectures: []string{"amd64", "arm64"},
	}}
}

func BenchmarkRender(b *testing.B) {
	config := talosCilium()
	for b.Loop() {
		if _, err := multus.Render(config); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkYAML(b *testing.B) {
	bundle, err := multus.Render(talosCilium())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := bundle.YAML(); err != nil {
			b.Fatal(err)
		}
	}
}
