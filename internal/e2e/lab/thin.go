package lab

import (
	"context"
	"os"
	"path/filepath"

	"github.com/multihome/multihome/internal/e2e/gobuild"
)

// ThinRelease is the release of thin Multus that the lab has: a plugin without a daemon, which a program beside it
// configures.
const ThinRelease = "v4.2.4"

// ThinManifest returns upstream's manifest of thin Multus [ThinRelease], as its Go module has it. Its image is on the
// nodes of a cluster with [Options].Thin.
func ThinManifest(ctx context.Context) ([]byte, error) {
	e2e, err := gobuild.ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := gobuild.Dir(ctx, filepath.Join(e2e, "labnode", "multus-"+ThinRelease), "gopkg.in/"+multusModule+".v4")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "deployments", "multus-daemonset.yml"))
}

// thinImage is like upstream's image of thin Multus: it has no shell.
func (p *programs) thinImage() image {
	const bin = "/usr/src/multus-cni/bin/"
	program := func(name string) string { return filepath.Join(p.thin, name) }
	return image{
		names: []string{"ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot"}, entrypoint: "/thin_entrypoint",
		files: map[string]string{
			"/thin_entrypoint": program("thin_entrypoint"), "/install_multus": program("install_multus"),
			bin + "multus": program("multus"), bin + "passthru": program("passthru-cni"),
		},
	}
}
