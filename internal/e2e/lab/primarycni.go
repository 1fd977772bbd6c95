package lab

import (
	"fmt"
	"net"
)

// PrimaryCNI is what gives pods their first interface.
type PrimaryCNI string

// The primary CNIs.
const (
	// Bridge is a conflist of the plugins bridge and portmap, which every boot writes. It is the zero PrimaryCNI.
	Bridge PrimaryCNI = "bridge"
	// Flannel is Flannel with VXLAN as Talos runs it: a DaemonSet in kube-system.
	Flannel PrimaryCNI = "flannel"
)

const bridgeConfigFile = "/etc/cni/net.d/10-bridge.conflist"

// bridgeConfig gives pods addresses of the range. Everything outside is reached by the node and the router, which
// knows where each range is; nothing is masqueraded.
func bridgeConfig(pods *net.IPNet) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "cluster",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isDefaultGateway": true,
      "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, pods)
}
