package lab

import (
	"fmt"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// Layout is what a node's file system is like where operating systems differ and Multus notices.
type Layout string

// The layouts. Wherever Talos is said, /opt/cni/bin holds the six plugins that Talos bundles and no others.
const (
	// TalosOld is Talos 1.8.0 and older: /var/run is a directory of its own.
	TalosOld Layout = "talos-1.8.0"
	// Talos is Talos 1.10 to 1.13: /var/run is a link to /run. It is the zero Layout.
	Talos Layout = "talos-1.13.9"
	// Talos114 is Talos 1.14: /etc/cni is empty after every boot.
	Talos114 Layout = "talos-1.14.1"
	// Debian has every reference plugin, and /var/run is a relative link to /run.
	Debian Layout = "debian"
)

// bundled are the plugins in Talos' image since 1.8.
var bundled = []string{"bridge", "firewall", "flannel", "host-local", "loopback", "portmap"}

// system is a Layout in detail.
type system struct {
	name        string // as kubectl calls the OS image
	runDir      nodeapi.RunDir
	volatileCNI bool
	plugins     []string // in /opt/cni/bin; nil: all
}

var systems = map[Layout]system{
	TalosOld: {name: "Talos (v1.8.0)", runDir: nodeapi.RunDirDirectory, plugins: bundled},
	Talos:    {name: "Talos (v1.13.9)", runDir: nodeapi.RunDirAbsolute, plugins: bundled},
	Talos114: {name: "Talos (v1.14.1)", runDir: nodeapi.RunDirAbsolute, plugins: bundled, volatileCNI: true},
	Debian:   {name: "Debian GNU/Linux 12 (bookworm)", runDir: nodeapi.RunDirRelative},
}

func (l Layout) system() (system, error) {
	if l == "" {
		l = Talos
	}
	s, ok := systems[l]
	if !ok {
		return system{}, fmt.Errorf("layout %q: unknown", string(l))
	}
	return s, nil
}
