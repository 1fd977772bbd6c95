package cilium

import (
	"cmp"
	"slices"
)

// kubePrismPort is where Talos' load balancer for the API server listens on
// every node, unless the machine config says otherwise.
const kubePrismPort = 7445

// ValuesOptions say what a cluster is, for [HelmValues] and [Check]. The zero
// value is one with Multus alone.
type ValuesOptions struct {
	// Talos: the nodes run Talos Linux. Cilium then does kube-proxy's work
	// (see KubeProxy), reaches the API server by KubePrism, takes pod addresses
	// from the nodes, uses Talos' own cgroup mount, and does without the
	// capability to load kernel modules, which Talos gives to no pod.
	Talos bool `json:"talos,omitempty"`
	// KubeVirt: there are VMs, for which services must work too.
	KubeVirt bool `json:"kubeVirt,omitempty"`
	// KubeProxy: kube-proxy stays on a Talos cluster. Without Talos nothing is
	// said about it.
	KubeProxy bool `json:"kubeProxy,omitempty"`
	// KubePrismPort is machine.features.kubePrism.port of Talos. Zero: 7445.
	KubePrismPort int `json:"kubePrismPort,omitempty"`
	// Devices are the interfaces that Cilium is to work on, in order. Name a
	// bridge that has the node's address: Cilium never chooses one. Nil: nothing
	// is said, so that Cilium chooses.
	Devices []string `json:"devices,omitempty"`
}

// DeepCopyInto copies o into out, so that CRD types can embed it.
func (o ValuesOptions) DeepCopyInto(out *ValuesOptions) {
	*out = o
	out.Devices = slices.Clone(o.Devices)
}

// HelmValues returns values for Cilium's Helm chart with which it leaves
// Multus' configuration alone, and what else options ask for. The map is new,
// and made of what YAML and JSON decoders make: map[string]any, []any, string,
// bool, int. Merge it over values that are there already, as Helm does with a
// further file of values.
//
// It turns on rollOutCiliumPods: agents read their settings only at their start,
// so that without it an upgrade that changes a value has no effect.
func HelmValues(options ValuesOptions) map[string]any {
	values := map[string]any{
		"cni":               map[string]any{"exclusive": false, "uninstall": false},
		"rollOutCiliumPods": true,
	}
	if len(options.Devices) > 0 {
		devices := make([]any, len(options.Devices))
		for i, device := range options.Devices {
			devices[i] = device
		}
		values["devices"] = devices
	}
	if options.KubeVirt {
		values["socketLB"] = map[string]any{"hostNamespaceOnly": true}
	}
	if options.Talos {
		values["ipam"] = map[string]any{"mode": "kubernetes"}
		values["cgroup"] = map[string]any{
			"autoMount": map[string]any{"enabled": false},
			"hostRoot":  "/sys/fs/cgroup",
		}
		values["securityContext"] = map[string]any{"capabilities": map[string]any{
			"ciliumAgent": []any{
				"CHOWN", "KILL", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "SYS_ADMIN", "SYS_RESOURCE", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID",
			},
			"cleanCiliumState": []any{"NET_ADMIN", "SYS_ADMIN", "SYS_RESOURCE"},
		}}
		values["kubeProxyReplacement"] = !options.KubeProxy
	}
	if options.Talos && !options.KubeProxy {
		values["k8sServiceHost"] = "localhost"
		values["k8sServicePort"] = cmp.Or(options.KubePrismPort, kubePrismPort)
	}
	return values
}
