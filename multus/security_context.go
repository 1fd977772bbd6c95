package multus

import corev1 "k8s.io/api/core/v1"

// rootOnHostPath is for a container that writes files of the node as root and
// needs no privilege for it. Its SELinux type is spc_t, as nothing less may
// write to a host path where SELinux enforces.
func rootOnHostPath() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		Privileged:               new(false),
		ReadOnlyRootFilesystem:   new(true),
		RunAsUser:                new(int64(0)),
		RunAsGroup:               new(int64(0)),
		SELinuxOptions:           &corev1.SELinuxOptions{Type: "spc_t"},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}
