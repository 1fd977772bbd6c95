package talos_test

import (
	"testing"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/talos"
)

func BenchmarkBridgePatch(b *testing.B) {
	for b.Loop() {
		if _, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br0", Links: []string{"eno1"}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	p, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br0", Links: []string{"eno1"}, PrimaryLink: talos.PrimaryLink{Name: "eno1"}})
	if err != nil {
		b.Fatal(err)
	}
	config := golden.Section(b, golden.Archive(b, "testdata/apply/legacy-move.txtar"), "config.yaml")
	for b.Loop() {
		if _, err := p.Apply(config); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLintNetwork(b *testing.B) {
	config := golden.Section(b, golden.Archive(b, "testdata/machine/ports-legacy.txtar"), "config.yaml")
	for b.Loop() {
		talos.LintNetwork(config)
	}
}
