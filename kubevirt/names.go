package kubevirt

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	kubevirtv1 "kubevirt.io/api/core/v1"
)

// primaryInterface is what Multus and KubeVirt call a pod's first interface.
const primaryInterface = "eth0"

// PodInterfaceName returns the name that a VM's network has as an interface of
// the VM's pod: "pod" and 11 hexadecimal digits of a hash of its logical name,
// spec.networks[].name. It is for networks beside the default one, which is
// eth0, and for pods that started with KubeVirt v1.0 or newer; older ones have
// net1, net2 and so on: see [Interfaces].
func PodInterfaceName(network string) string {
	const digits = 11
	sum := sha256.Sum256([]byte(network))
	return "pod" + hex.EncodeToString(sum[:])[:digits]
}

// isDefault reports whether a network is the pod's first interface.
func isDefault(network *kubevirtv1.Network) bool {
	return network.Pod != nil || network.Multus != nil && network.Multus.Default
}

// podInterfaceNames returns the pod interface of each network by its name.
// Ordinals are those of pods that started before KubeVirt v1.0.
func podInterfaceNames(networks []kubevirtv1.Network, ordinal bool) map[string]string {
	out := make(map[string]string, len(networks))
	nth := 0
	for i := range networks {
		switch n := &networks[i]; {
		case isDefault(n):
			out[n.Name] = primaryInterface
		case n.Multus != nil && ordinal:
			nth++
			out[n.Name] = "net" + strconv.Itoa(nth)
		case n.Multus != nil:
			out[n.Name] = PodInterfaceName(n.Name)
		}
	}
	return out
}

// isOrdinal reports whether an interface is called net1, net2 or the like.
func isOrdinal(name string) bool {
	digits, found := strings.CutPrefix(name, "net")
	return found && digits != "" && strings.Trim(digits, "0123456789") == ""
}
