package multihome_test

import (
	"testing"

	"github.com/multihome/multihome/internal/depcheck"
)

const modulePath = "github.com/multihome/multihome"

// bans are the decisions on who may import what. Packages that do not exist
// yet are decided already.
var bans = []depcheck.Ban{
	// Heavy modules, each in one place.
	{
		Import: "github.com/siderolabs/talos", Only: []string{"talos", "examples/provision"},
		Reason: "the machinery makes a program 25 MB larger, and multus knows Talos by its version string",
	},
	{
		Import: "kubevirt.io", Only: []string{"kubevirt", "internal/vmcases", "examples/vm-on-lan"},
		Reason: "KubeVirt's API adds modules that programs without VMs do not need",
	},
	{
		Import: "github.com/google/go-containerregistry", Only: []string{"multus/image", "examples/arm64"},
		Reason: "only image checks and builds talk to a registry",
	},
	{
		Import: "sigs.k8s.io/controller-runtime",
		Only:   []string{"multus", "multus/multustest", "cilium", "kubevirt", "internal/apply", "internal/live", "examples/..."},
		Reason: "what is computed from values needs no client",
	},
	{
		Import: "k8s.io/client-go", Only: []string{"multus", "multus/multustest", "internal/apply", "examples/..."},
		Reason: "what is computed from values needs no client",
	},

	{
		Import: "mvdan.cc/sh", Only: []string{"multus/image/internal/toolbox"},
		Reason: "the shell goes into images, not into programs",
	},

	// Arrows between our own packages point down only.
	{
		Import: modulePath + "/examples",
		Reason: "examples are read and run, not imported",
	},
	{
		Import: modulePath + "/talos", Only: []string{"examples/..."},
		Reason: "nobody pays for the machinery who does not call it",
	},
	{
		Import: modulePath + "/kubevirt", Only: []string{"internal/vmcases", "examples/..."},
		Reason: "kubevirt is above nad and cilium and beside multus",
	},
	{
		Import: modulePath + "/multus", Only: []string{"examples/..."},
		Reason: "multus is above nad and cilium",
	},
	{
		Import: modulePath + "/multus/image", Only: []string{"examples/..."},
		Reason: "installing Multus takes no image code",
	},
	{
		Import: modulePath + "/multus/multustest", Only: []string{"examples/..."},
		Reason: "the simulated cluster is for tests and examples",
	},
	{
		Import: modulePath + "/cilium", Only: []string{"kubevirt", "multus", "multus/multustest", "examples/..."},
		Reason: "cilium is below multus and kubevirt",
	},
	{
		Import: modulePath + "/nad", Only: []string{"cilium", "kubevirt", "multus", "multus/multustest", "internal/vmcases", "examples/..."},
		Reason: "nad is below cilium, multus and kubevirt",
	},
	{
		Import: modulePath + "/internal",
		Only:   []string{"multus/...", "nad", "talos", "cilium", "kubevirt"},
		Reason: "examples show only what users can import, and the root is below everything",
	},
	{
		Import: modulePath + "/internal/upstream", Only: []string{"internal/cmd/genmanifests"},
		Reason: "the library embeds manifests and never fetches them",
	},

	// The library computes: what touches the machine is for tests, tools and examples.
	{
		Import: "testing", Only: []string{"internal/golden", "multus/multustest", "multus/image/internal/toymodule"},
		Reason: "it is for tests",
	},
	{
		Import: "os",
		// multus/image reads layouts and tarballs that it is pointed to, and
		// Build runs the Go command: compiling Multus is what it is asked for.
		// All of that is in its package toolchain.
		Only:   []string{"internal/cmd/...", "internal/upstream", "internal/golden", "internal/depcheck", "multus/multustest", "multus/image/...", "examples/..."},
		Reason: "the library reads no environment, no files and runs no programs",
	},
}

func TestImports(t *testing.T) {
	packages, err := depcheck.List(t.Context(), ".", false, "./...")
	if err != nil {
		t.Fatal(err)
	}
	if err := depcheck.Check(modulePath, packages, bans); err != nil {
		t.Error(err)
	}
}

// TestLinkedModules keeps small what a program links for one import.
func TestLinkedModules(t *testing.T) {
	budgets := []struct {
		name   string
		max    int
		reason string
	}{
		{"", 0, "every package imports Finding"},
		{"/nad", 20, "NADs are data: building one takes apimachinery and the NAD types"},
		{"/kubevirt", 62, "beside a controller-runtime client, which has 55, it takes KubeVirt's types and the three modules that these need"},
	}
	existing, err := depcheck.List(t.Context(), ".", false, "./...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range existing {
		for _, budget := range budgets {
			if p.ImportPath != modulePath+budget.name {
				continue
			}
			linked, err := depcheck.List(t.Context(), ".", true, p.ImportPath)
			if err != nil {
				t.Fatal(err)
			}
			if modules := depcheck.Modules(modulePath, linked); len(modules) > budget.max {
				t.Errorf("%s links %d modules, at most %d are allowed, because %s: %q",
					p.ImportPath, len(modules), budget.max, budget.reason, modules)
			}
		}
	}
}
