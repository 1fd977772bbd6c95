package nad

import (
	"path"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
)

// HostDeviceConfig configures the plugin host-device: it moves an interface of
// the node into a pod, which has it alone. One of the first four fields is
// required, or a resource of the network: see [Network]; of several the first
// one counts.
type HostDeviceConfig struct {
	// Device is the interface of the node.
	Device string `json:"device,omitzero"`
	// HWAddr is its hardware address.
	HWAddr string `json:"hwaddr,omitzero"`
	// KernelPath is its path below /sys/devices.
	KernelPath string `json:"kernelpath,omitzero"`
	// PCIBusID is its PCI address, "0000:85:00.0".
	PCIBusID string `json:"pciBusID,omitzero"`
	// IPAM gives the addresses. Nil is none.
	IPAM IPAM `json:"ipam,omitzero"`
	Common
}

// HostDevice returns a network that gives an interface of the node to one pod.
// All problems are joined in the error, each a *field.Error.
func HostDevice(name string, config HostDeviceConfig) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Chain(name, config)
}

// Type returns host-device.
func (HostDeviceConfig) Type() string { return "host-device" }

func (c HostDeviceConfig) check(k *checker) {
	if c.Device == "" && c.HWAddr == "" && c.KernelPath == "" && c.PCIBusID == "" && !k.hasResource() && !k.has(CapabilityDeviceID) {
		k.require("device", "or hwaddr, kernelpath or pciBusID, or the annotation resourceName")
	}
	if c.Device != "" {
		k.hostInterface("device", c.Device)
	}
	k.parseMAC("hwaddr", c.HWAddr)
	if clean := path.Clean(c.KernelPath); c.KernelPath != "" && !strings.HasPrefix(clean, "/sys/devices/") {
		k.invalid("kernelpath", c.KernelPath, "path", "must be a path below /sys/devices")
	}
}
