package lab

import (
	"context"
	"fmt"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// flannelImage is named as on Talos 1.13.0.
const flannelImage = "ghcr.io/siderolabs/flannel:v0.28.4"

var flannelLabels = map[string]string{"k8s-app": "flannel", "tier": "node"}

func (p *programs) flannelImage() image {
	return withShell(image{
		names: []string{flannelImage}, entrypoint: "/opt/bin/flanneld",
		files: map[string]string{"/opt/bin/flanneld": filepath.Join(p.flanneld, "flanneld")},
		// For the node's iptables, which is mounted at /usr.
		links: map[string]string{"/lib": "usr/lib", "/lib64": "usr/lib64"},
	})
}

// createFlannel creates what Talos' manifest of Flannel does. Two things differ: iptables is the node's, and the
// cniVersion is what the plugin flannel of v0.9.1 knows.
func (c *Cluster) createFlannel(ctx context.Context) error {
	const name = "flannel"
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceSystem, Labels: flannelLabels}
	}
	_, err := c.client.CoreV1().ServiceAccounts(metav1.NamespaceSystem).
		Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta(name)}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: flannelLabels}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods", "nodes", "namespaces"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"nodes/status"}, Verbs: []string{"patch"}},
	}}
	if _, err := c.client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: flannelLabels},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: metav1.NamespaceSystem}},
	}
	if _, err := c.client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	config := &corev1.ConfigMap{ObjectMeta: meta("kube-flannel-cfg"), Data: map[string]string{
		"cni-conf.json": `{
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "plugins": [
    {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`,
		"net-conf.json": fmt.Sprintf(`{"Network": %q, "Backend": {"Type": "vxlan", "Port": 4789}}`, podNetwork),
	}}
	if _, err := c.client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Create(ctx, config, metav1.CreateOptions{}); err != nil {
		return err
	}
	set := &appsv1.DaemonSet{ObjectMeta: meta("kube-flannel"), Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: flannelLabels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: flannelLabels}, Spec: flannelPod(name)},
	}}
	_, err = c.client.AppsV1().DaemonSets(metav1.NamespaceSystem).Create(ctx, set, metav1.CreateOptions{})
	return err
}

func flannelPod(account string) corev1.PodSpec {
	hostPath := func(name, path string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}}
	}
	config := corev1.Volume{Name: "flannel-cfg", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: "kube-flannel-cfg"},
	}}}
	mountConfig := corev1.VolumeMount{Name: config.Name, MountPath: "/etc/kube-flannel"}
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
	}
	return corev1.PodSpec{
		HostNetwork:        true,
		PriorityClassName:  "system-node-critical",
		ServiceAccountName: account,
		Tolerations: []corev1.Toleration{
			{Effect: corev1.TaintEffectNoSchedule, Operator: corev1.TolerationOpExists},
			{Effect: corev1.TaintEffectNoExecute, Operator: corev1.TolerationOpExists},
		},
		InitContainers: []corev1.Container{{
			Name: "install-config", Image: flannelImage,
			Command:      []string{"cp", "-f", "/etc/kube-flannel/cni-conf.json", "/etc/cni/net.d/10-flannel.conflist"},
			VolumeMounts: []corev1.VolumeMount{{Name: "cni", MountPath: "/etc/cni/net.d"}, mountConfig},
		}},
		Containers: []corev1.Container{{
			Name: "kube-flannel", Image: flannelImage,
			Command:         []string{"/opt/bin/flanneld"},
			Args:            []string{"--ip-masq", "--kube-subnet-mgr"},
			Env:             []corev1.EnvVar{field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace")},
			SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN", "NET_RAW"}}},
			VolumeMounts: []corev1.VolumeMount{
				{Name: "run", MountPath: "/run/flannel"},
				mountConfig,
				{Name: "usr", MountPath: "/usr", ReadOnly: true},
				{Name: "alternatives", MountPath: "/etc/alternatives", ReadOnly: true},
			},
		}},
		Volumes: []corev1.Volume{
			hostPath("run", "/run/flannel"), hostPath("cni", "/etc/cni/net.d"), config,
			hostPath("usr", "/usr"), hostPath("alternatives", "/etc/alternatives"),
		},
	}
}
