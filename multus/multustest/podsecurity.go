package multustest

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	podSecurityLabel = "pod-security.kubernetes.io/enforce"
	levelPrivileged  = "privileged"
	levelBaseline    = "baseline"
)

// baselineCapabilities may be added to a container at level baseline.
var baselineCapabilities = []corev1.Capability{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
	"NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// podSecurity returns why a pod is refused in a namespace, or "". Talos
// enforces level baseline by default and exempts kube-system; other clusters
// enforce what a namespace's label says.
func (c *Cluster) podSecurity(namespace string, spec *corev1.PodSpec) string {
	level := levelPrivileged
	if c.talos {
		level = levelBaseline
		if namespace == "kube-system" {
			return ""
		}
	}
	if object := c.store.get(namespaceGVR, types.NamespacedName{Name: namespace}); object != nil {
		if label, ok := object.GetLabels()[podSecurityLabel]; ok {
			level = label
		}
	}
	if level == levelPrivileged {
		return ""
	}
	return violation(level, spec)
}

// violation words what level baseline refuses, as the admission plugin does.
// Of level restricted only that part is checked.
func violation(level string, spec *corev1.PodSpec) string {
	var host, volumes, privileged, capable, capabilities []string
	for _, namespace := range []struct {
		name string
		used bool
	}{{"hostNetwork", spec.HostNetwork}, {"hostPID", spec.HostPID}, {"hostIPC", spec.HostIPC}} {
		if namespace.used {
			host = append(host, namespace.name+"=true")
		}
	}
	for _, volume := range spec.Volumes {
		if volume.HostPath != nil {
			volumes = append(volumes, volume.Name)
		}
	}
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		security := container.SecurityContext
		if security == nil {
			continue
		}
		if security.Privileged != nil && *security.Privileged {
			privileged = append(privileged, container.Name)
		}
		if security.Capabilities == nil {
			continue
		}
		for _, capability := range security.Capabilities.Add {
			if !slices.Contains(baselineCapabilities, capability) {
				capable, capabilities = append(capable, container.Name), append(capabilities, string(capability))
			}
		}
	}
	var problems []string
	if len(host) > 0 {
		problems = append(problems, fmt.Sprintf("host namespaces (%s)", strings.Join(host, ", ")))
	}
	if len(capable) > 0 {
		problems = append(problems, fmt.Sprintf("non-default capabilities (%s must not include %s in securityContext.capabilities.add)",
			quoted("container", capable), quoteAll(capabilities)))
	}
	if len(volumes) > 0 {
		problems = append(problems, fmt.Sprintf("hostPath volumes (%s)", quoted("volume", volumes)))
	}
	if len(privileged) > 0 {
		problems = append(problems, fmt.Sprintf("privileged (%s must not set securityContext.privileged=true)", quoted("container", privileged)))
	}
	if len(problems) == 0 {
		return ""
	}
	return fmt.Sprintf("violates PodSecurity %q: %s", level+":latest", strings.Join(problems, ", "))
}

// quoted is `container "a"` or `containers "a", "b"`.
func quoted(noun string, names []string) string {
	names = slices.Compact(slices.Clone(names))
	if len(names) > 1 {
		noun += "s"
	}
	return noun + " " + quoteAll(names)
}

func quoteAll(names []string) string {
	out := slices.Sorted(slices.Values(names))
	for n, name := range out {
		out[n] = fmt.Sprintf("%q", name)
	}
	return strings.Join(slices.Compact(out), ", ")
}
