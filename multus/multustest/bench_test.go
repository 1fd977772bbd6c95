package multustest_test

import (
	"testing"

	"github.com/multihome/multihome/multus/multustest"
)

func BenchmarkNewCluster(b *testing.B) {
	for b.Loop() {
		newCluster(b, multustest.Options{Nodes: threeNodes})
	}
}

func BenchmarkApplyNothingNew(b *testing.B) {
	c := newCluster(b, multustest.Options{Nodes: threeNodes})
	for b.Loop() {
		apply(b, c, multusSet("multus:1"))
	}
}
