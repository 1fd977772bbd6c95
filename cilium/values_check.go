package cilium

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/multihome/multihome"
)

// talosSource is where the values for Talos are from.
const talosSource = "Talos guide Deploying Cilium CNI; cilium Documentation/installation/k8s-install-talos-linux.rst"

// Check says what in a user's values for Cilium's Helm chart breaks what
// options ask for. Values that are missing are the chart's defaults. Merging
// [HelmValues] over them mends every error and warning that is not about a
// value's type or bpf.hostLegacyRouting. Values are as a YAML or JSON decoder makes them; they are only
// read.
func Check(values map[string]any, options ValuesOptions) []multihome.Finding {
	c := &valuesCheck{values: values}
	writes := c.boolean("cni.install", true) && !c.boolean("cni.customConf", false)
	if c.boolean("cni.exclusive", true) && writes {
		c.fail(codeExclusive, "cni.exclusive",
			"Cilium is in exclusive mode, its chart's default, and renames Multus' configuration to 00-multus.conf.cilium_bak", "set it to false", exclusiveSource)
	}
	if !c.boolean("rollOutCiliumPods", false) {
		c.add(multihome.SeverityInfo, "cilium/no-rollout", "rollOutCiliumPods",
			"agents read their settings only at their start, and an upgrade that changes them restarts none", "set it to true, or restart the agents by hand", exclusiveSource)
	}
	if c.boolean("cni.uninstall", false) && !c.boolean("cni.customConf", false) {
		c.warn(codeUninstall, "cni.uninstall",
			"an agent that stops deletes its conflist: until the next one is ready pods of the node do not start, or start with another CNI", "set it to false", uninstallSource)
	}
	replaces := c.boolean("kubeProxyReplacement", false)
	hostOnly := c.boolean("socketLB.hostNamespaceOnly", false) || c.boolean("gatewayAPI.enabled", false)
	if options.KubeVirt && (replaces || c.boolean("socketLB.enabled", false)) && !hostOnly {
		c.warn(codeSocketLB, "socketLB.hostNamespaceOnly",
			"service addresses are replaced in programs that connect, which Cilium does not see in VMs: those of KubeVirt do not reach services", "set it to true", socketLBSource)
	}
	c.devices(options)
	if options.Talos {
		c.talos(options, replaces)
	}
	return c.findings
}

// valuesCheck reads values by their path.
type valuesCheck struct {
	values map[string]any
	judge
}

func (c *valuesCheck) fail(code, path, message, remedy, source string) {
	c.add(multihome.SeverityError, code, path, message, remedy, source)
}

func (c *valuesCheck) warn(code, path, message, remedy, source string) {
	c.add(multihome.SeverityWarning, code, path, message, remedy, source)
}

// at is the value at a path, nil where there is none.
func (c *valuesCheck) at(path string) any {
	at := any(c.values)
	for key := range strings.SplitSeq(path, ".") {
		values, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = values[key]
	}
	return at
}

func (c *valuesCheck) badType(path string, value any, want string) {
	c.fail("cilium/value", path, fmt.Sprintf("is %v, and the chart takes %s", value, want), "correct it", "cilium install/kubernetes/cilium/values.schema.json")
}

// boolean reads a switch. A text is taken too: the chart's schema lets it pass
// for kubeProxyReplacement, and programs that print values write it.
func (c *valuesCheck) boolean(path string, missing bool) bool {
	switch value := c.at(path).(type) {
	case nil:
		return missing
	case bool:
		return value
	case string:
		if is, err := strconv.ParseBool(value); err == nil {
			if path != "kubeProxyReplacement" {
				c.badType(path, strconv.Quote(value), "true or false without quotes")
			}
			return is
		}
		c.badType(path, strconv.Quote(value), "true or false")
	default:
		c.badType(path, value, "true or false")
	}
	return missing
}

// list reads a list of names, which for devices can be one text.
func (c *valuesCheck) list(path string) []string {
	switch value := c.at(path).(type) {
	case nil:
		return nil
	case string:
		return words(value)
	case []string:
		return value
	case []any:
		out := make([]string, len(value))
		for i, item := range value {
			out[i] = fmt.Sprint(item)
		}
		return out
	default:
		c.badType(path, value, "a list")
		return nil
	}
}

func (c *valuesCheck) devices(options ValuesOptions) {
	devices := c.list("devices")
	for _, link := range options.Devices {
		name, excluded := strings.CutPrefix(link, "!")
		if excluded || selects(devices, strings.TrimSuffix(name, "+")) || slices.Contains(devices, link) {
			continue
		}
		c.warn(codeDevices, "devices", fmt.Sprintf("%q does not select %s: NodePorts, load balancing and masquerading do not work there if it is a bridge", strings.Join(devices, " "), link),
			"add it", devicesSource)
	}
}

// talos compares with what Talos needs.
func (c *valuesCheck) talos(options ValuesOptions, replaces bool) {
	fail := func(path, message, remedy string) { c.fail("cilium/talos", path, message, remedy, talosSource) }
	if !options.KubeProxy && !replaces {
		c.warn("cilium/talos", "kubeProxyReplacement", "services do not work where Talos runs no kube-proxy", "set it to true, or leave kube-proxy on", talosSource)
	}
	if replaces {
		host, port := fmt.Sprint(c.at("k8sServiceHost")), fmt.Sprint(c.at("k8sServicePort"))
		want := strconv.Itoa(cmp.Or(options.KubePrismPort, kubePrismPort))
		switch {
		case c.at("k8sServiceHost") == nil || host == "" || host == "auto":
			fail("k8sServiceHost", "without kube-proxy the agents do not find the API server", "set it to localhost and k8sServicePort to "+want+", where KubePrism listens on every node")
		case (host == "localhost" || host == "127.0.0.1") && port != want:
			fail("k8sServicePort", fmt.Sprintf("is %s, and KubePrism listens on %s", port, want), "set it to "+want)
		}
	}
	if c.boolean("cgroup.autoMount.enabled", true) {
		fail("cgroup.autoMount.enabled", "an init container mounts cgroups with programs of the node, which Talos has not", "set it to false and cgroup.hostRoot to /sys/fs/cgroup")
	} else if root, _ := c.at("cgroup.hostRoot").(string); root != "/sys/fs/cgroup" {
		fail("cgroup.hostRoot", fmt.Sprintf("is %q, where Talos has no cgroups", root), "set it to /sys/fs/cgroup")
	}
	for _, container := range []string{"ciliumAgent", "cleanCiliumState"} {
		path := "securityContext.capabilities." + container
		if given := c.list(path); !c.boolean("securityContext.privileged", false) && (len(given) == 0 || slices.Contains(given, "SYS_MODULE")) {
			fail(path, "asks for SYS_MODULE, by the chart's default or by itself, which Talos gives to no pod", "list the capabilities without it")
		}
	}
	if mode := c.at("ipam.mode"); mode == nil || mode == "cluster-pool" {
		c.add(multihome.SeverityInfo, "cilium/talos", "ipam.mode", "Cilium gives out addresses of 10.0.0.0/8 unless clusterPoolIPv4PodCIDRList says otherwise, and Talos gives each node a network for its pods too",
			"set it to kubernetes, and no network of your own can overlap by surprise", talosSource)
	}
	if c.boolean("bpf.masquerade", false) && !c.boolean("bpf.hostLegacyRouting", false) {
		c.warn("cilium/talos", "bpf.hostLegacyRouting", "with bpf.masquerade packets pass the node's stack by, and pods do not reach Talos' own DNS (forwardKubeDNSToHost, on since 1.8)",
			"set it to true, or turn forwardKubeDNSToHost off", "siderolabs/talos #9200; cilium Documentation/installation/k8s-install-talos-linux.rst")
	}
}
