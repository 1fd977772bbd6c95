package multustest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cilium describes the Cilium of a cluster whose PrimaryCNI is "cilium". The
// zero value is one that lives with Multus.
type Cilium struct {
	// Version of its image. Empty: "v1.20.2".
	Version string
	// Exclusive is the setting cni-exclusive, by which Cilium renames every
	// other CNI configuration. False is what Multus needs; Cilium's own chart
	// says true.
	Exclusive bool
	// Conflist is the setting write-cni-conf-when-ready. Empty:
	// "/host/etc/cni/net.d/05-cilium.conflist".
	Conflist string
}

// primaryCNI is what a CNI leaves in the API of a cluster.
type primaryCNI struct {
	name string
	// daemonSet, its first label and its image, without the version.
	daemonSet, labelKey, labelValue, image, version string
	// configMap and its content.
	configMap string
	data      map[string]string
	// network is the name in its conflist, by which Multus reports eth0.
	network string
}

// primaryCNIs are the values of Options.PrimaryCNI but "none".
var primaryCNIs = []primaryCNI{
	{
		name: "flannel", daemonSet: "kube-flannel", labelKey: "k8s-app", labelValue: "flannel",
		image: "ghcr.io/siderolabs/flannel", version: "v0.28.1", network: "cbr0",
		configMap: "kube-flannel-cfg",
		data: map[string]string{
			"cni-conf.json": `{"name":"cbr0","cniVersion":"1.0.0","plugins":[{"type":"flannel","delegate":{"hairpinMode":true,"isDefaultGateway":true}},{"type":"portmap","capabilities":{"portMappings":true}}]}`,
			"net-conf.json": `{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","Port":4789}}`,
		},
	},
	{
		name: "cilium", daemonSet: "cilium", labelKey: "k8s-app", labelValue: "cilium",
		image: "quay.io/cilium/cilium", version: "v1.20.2", network: "cilium",
		configMap: "cilium-config",
		data: map[string]string{
			"cni-exclusive": "false", "cni-log-file": "/var/run/cilium/cilium-cni.log",
			"write-cni-conf-when-ready": "/host/etc/cni/net.d/05-cilium.conflist",
			"ipam":                      "kubernetes", "kube-proxy-replacement": "true",
		},
	},
	{
		name: "calico", daemonSet: "calico-node", labelKey: "k8s-app", labelValue: "calico-node",
		image: "quay.io/calico/node", version: "v3.31.2", network: "k8s-pod-network",
		configMap: "calico-config",
		data: map[string]string{
			"calico_backend": "bird", "veth_mtu": "0",
			"cni_network_config": `{"name":"k8s-pod-network","cniVersion":"0.3.1","plugins":[{"type":"calico","ipam":{"type":"calico-ipam"}},{"type":"portmap","snat":true,"capabilities":{"portMappings":true}}]}`,
		},
	},
	{
		name: "kube-ovn", daemonSet: "kube-ovn-cni", labelKey: "app", labelValue: "kube-ovn-cni",
		image: "docker.io/kubeovn/kube-ovn", version: "v1.15.0", network: "kube-ovn",
		configMap: "ovn-vpc-nat-config",
		data:      map[string]string{"image": "docker.io/kubeovn/vpc-nat-gateway:v1.15.0"},
	},
}

// newPrimaryCNI returns the objects of a CNI. All is well without any.
func newPrimaryCNI(name string, cilium Cilium) (primaryCNI, []client.Object, error) {
	if name == "none" {
		return primaryCNI{}, nil, nil
	}
	name = cmp.Or(name, "flannel")
	at := slices.IndexFunc(primaryCNIs, func(p primaryCNI) bool { return p.name == name })
	if at < 0 {
		return primaryCNI{}, nil, fmt.Errorf("primaryCNI: %q is not simulated; use flannel, cilium, calico, kube-ovn or none, and Objects for what another one needs", name)
	}
	cni := primaryCNIs[at]
	config := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: cni.configMap},
		Data:       maps.Clone(cni.data),
	}
	if name == "cilium" {
		cni.version = cmp.Or(cilium.Version, cni.version)
		config.Data["cni-exclusive"] = strconv.FormatBool(cilium.Exclusive)
		config.Data["write-cni-conf-when-ready"] = cmp.Or(cilium.Conflist, config.Data["write-cni-conf-when-ready"])
	}
	set := cni.newDaemonSet()
	if name == "cilium" {
		set.Labels["app.kubernetes.io/name"], set.Labels["app.kubernetes.io/part-of"] = "cilium-agent", "cilium"
		set.Labels["helm.sh/chart"] = "cilium-" + strings.TrimPrefix(cni.version, "v")
	}
	return cni, []client.Object{config, set}, nil
}

// newDaemonSet returns the CNI's DaemonSet, reduced to what identifies it.
func (p primaryCNI) newDaemonSet() *appsv1.DaemonSet {
	labels := map[string]string{p.labelKey: p.labelValue}
	return &appsv1.DaemonSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: p.daemonSet, Labels: map[string]string{p.labelKey: p.labelValue}},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{p.labelKey: p.labelValue}},
				Spec: corev1.PodSpec{
					HostNetwork: true, PriorityClassName: "system-node-critical", ServiceAccountName: p.daemonSet,
					Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
					Containers:  []corev1.Container{{Name: p.daemonSet, Image: p.image + ":" + p.version}},
					Volumes: []corev1.Volume{{Name: "cni-conf", VolumeSource: corev1.VolumeSource{
						HostPath: &corev1.HostPathVolumeSource{Path: "/etc/cni/net.d"},
					}}},
				},
			},
		},
	}
}
