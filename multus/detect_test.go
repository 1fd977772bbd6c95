package multus_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/multus"
)

const (
	talos13  = "Talos (v1.13.9)"
	debian13 = "Debian GNU/Linux 13 (trixie)"
)

// testNode is a node as Talos 1.13 reports it, but for what change changes.
func testNode(name string, change ...func(*corev1.NodeSystemInfo)) *corev1.Node {
	info := corev1.NodeSystemInfo{
		OSImage: talos13, Architecture: "amd64", KubeletVersion: "v1.37.2", ContainerRuntimeVersion: "containerd://2.1.5",
	}
	for _, c := range change {
		c(&info)
	}
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{NodeInfo: info}}
}

func osImage(image string) func(*corev1.NodeSystemInfo) {
	return func(info *corev1.NodeSystemInfo) { info.OSImage = image }
}

// testDaemonSet has one container, which args are given to.
func testDaemonSet(namespace, name, image string, args ...string) *appsv1.DaemonSet {
	ds := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	ds.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: image, Args: args}}
	return ds
}

func withEnv(ds *appsv1.DaemonSet, name, value string) *appsv1.DaemonSet {
	c := &ds.Spec.Template.Spec.Containers[0]
	c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: value})
	return ds
}

func withLabel(ds *appsv1.DaemonSet, key, value string) *appsv1.DaemonSet {
	ds.Spec.Template.Labels = map[string]string{key: value}
	return ds
}

func testConfigMap(namespace, name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
}

func ciliumDaemonSet() *appsv1.DaemonSet {
	return testDaemonSet("kube-system", "cilium", "quay.io/cilium/cilium:v1.20.2")
}

func ciliumConfig(data map[string]string) *corev1.ConfigMap {
	return testConfigMap("kube-system", "cilium-config", data)
}

// ciliumWrites is what Helm sets unless told otherwise.
const ciliumWrites = "/host/etc/cni/net.d/05-cilium.conflist"

// codes are the findings' codes, in order.
func codes(findings []multihome.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Code)
	}
	return out
}

func TestDetectNodes(t *testing.T) {
	flannel := testDaemonSet("kube-system", "kube-flannel", "ghcr.io/siderolabs/flannel:v0.27.4")
	config := testConfigMap("kube-system", "kube-flannel-cfg", nil)
	platform := func(change func(*multus.Platform)) multus.Platform {
		p := multus.Platform{
			Talos: "v1.13.9", PrimaryCNI: "flannel", Architectures: []string{"amd64"}, Kubernetes: "v1.37.2", Runtime: "containerd://2.1.5",
		}
		change(&p)
		return p
	}
	tests := []struct {
		name   string
		nodes  []client.Object
		want   multus.Platform
		newest string
		codes  []string
	}{
		{
			name:  "one",
			nodes: []client.Object{testNode("a")},
			want:  platform(func(*multus.Platform) {}), newest: "v1.13.9",
		},
		{
			name: "architectures",
			nodes: []client.Object{
				testNode("a", func(i *corev1.NodeSystemInfo) { i.Architecture = "arm64" }), testNode("b"), testNode("c"),
			},
			want: platform(func(p *multus.Platform) { p.Architectures = []string{"amd64", "arm64"} }), newest: "v1.13.9",
		},
		{
			name: "upgrade under way",
			nodes: []client.Object{
				testNode("a"),
				testNode("b", osImage("Talos (v1.9.10)"), func(i *corev1.NodeSystemInfo) {
					i.KubeletVersion, i.ContainerRuntimeVersion = "v1.9.11", "containerd://2.0.12"
				}),
				testNode("c", osImage("Talos (v1.14.0-rc.1)")), testNode("d", osImage("Talos (v1.14.0-alpha.2)")),
			},
			want: platform(func(p *multus.Platform) {
				p.Talos, p.Kubernetes, p.Runtime = "v1.9.10", "v1.9.11", "containerd://2.0.12"
			}),
			newest: "v1.14.0-rc.1", codes: []string{"platform/mixed-talos"},
		},
		{
			name:  "not Talos",
			nodes: []client.Object{testNode("a", osImage(debian13)), testNode("b", osImage("Talosian Linux (v1.13.9)"))},
			want:  platform(func(p *multus.Platform) { p.Talos = "" }),
		},
		{
			name:  "partly Talos",
			nodes: []client.Object{testNode("a"), testNode("b", osImage(debian13)), testNode("c", osImage(debian13))},
			want:  platform(func(p *multus.Platform) { p.Talos = "" }), codes: []string{"platform/mixed-os"},
		},
		{
			name:  "a Talos that names no version",
			nodes: []client.Object{testNode("a"), testNode("b", osImage("Talos (unknown)"))},
			want:  platform(func(p *multus.Platform) { p.Talos = "" }), codes: []string{"platform/unreadable-version"},
		},
		{
			name: "a node that has not reported",
			nodes: []client.Object{
				testNode("a"), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b"}},
			},
			want: platform(func(*multus.Platform) {}), newest: "v1.13.9", codes: []string{"platform/silent-nodes"},
		},
		{
			name:  "no node has reported",
			nodes: []client.Object{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b"}}},
			want:  multus.Platform{PrimaryCNI: "flannel"}, codes: []string{"platform/silent-nodes"},
		},
		{
			name: "runtimes",
			nodes: []client.Object{
				testNode("a"), testNode("b", func(i *corev1.NodeSystemInfo) { i.ContainerRuntimeVersion = "cri-o://1.34.1" }),
			},
			want: platform(func(p *multus.Platform) { p.Runtime = "" }), newest: "v1.13.9", codes: []string{"platform/mixed-runtimes"},
		},
		{
			name: "a runtime and a kubelet of unreadable version",
			nodes: []client.Object{testNode("a", func(i *corev1.NodeSystemInfo) {
				i.KubeletVersion, i.ContainerRuntimeVersion = "dev", "containerd://dev"
			})},
			want: platform(func(p *multus.Platform) { p.Kubernetes, p.Runtime = "", "" }), newest: "v1.13.9",
			codes: []string{"platform/unreadable-version", "platform/unreadable-version"},
		},
		{
			name: "none",
			want: multus.Platform{PrimaryCNI: "flannel"}, codes: []string{"platform/no-nodes"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			objects := append([]client.Object{flannel.DeepCopy(), config.DeepCopy()}, tt.nodes...)
			got, err := multus.Detect(t.Context(), fake.NewClientBuilder().WithObjects(objects...).Build())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Platform); diff != "" {
				t.Errorf("Platform (-want +got):\n%s", diff)
			}
			if got.TalosNewest != tt.newest {
				t.Errorf("TalosNewest = %q, want %q", got.TalosNewest, tt.newest)
			}
			if got.Nodes != len(tt.nodes) {
				t.Errorf("Nodes = %d, want %d", got.Nodes, len(tt.nodes))
			}
			if diff := cmp.Diff(tt.codes, codes(got.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDetectPrimaryCNI(t *testing.T) {
	writes := map[string]string{"write-cni-conf-when-ready": ciliumWrites}
	chained := map[string]string{"write-cni-conf-when-ready": ciliumWrites, "cni-chaining-mode": "generic-veth"}
	kubeOVN := testDaemonSet("kube-system", "kube-ovn-cni", "docker.io/kubeovn/kube-ovn:v1.15.0", "--cni-conf-name=10-kube-ovn.conflist")
	flannel := testDaemonSet("kube-flannel", "kube-flannel-ds", "ghcr.io/flannel-io/flannel:v0.27.4", "-f", "/etc/kube-flannel/cni-conf.json", "/etc/cni/net.d/10-flannel.conflist")
	flannelConf := func(conf string) client.Object {
		return testConfigMap("kube-flannel", "kube-flannel-cfg", map[string]string{"cni-conf.json": conf})
	}
	const unknown = "platform/primary-cni"
	tests := []struct {
		name    string
		objects []client.Object
		want    multus.Platform // its CNI fields
		codes   []string
	}{
		{name: "none", codes: []string{unknown}},
		{
			name:    "cilium",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(writes)},
			want:    multus.Platform{PrimaryCNI: "cilium", PrimaryCNIConfig: "05-cilium.conflist"},
		},
		{
			name: "cilium under another name, in another namespace, beside its helpers",
			objects: []client.Object{
				withLabel(testDaemonSet("cilium", "agent", "example.com/a/b:1"), "k8s-app", "cilium"),
				testDaemonSet("cilium", "cilium-envoy", "quay.io/cilium/cilium-envoy:v1"),
				testConfigMap("cilium", "cilium-config", map[string]string{"write-cni-conf-when-ready": "/host/etc/cni/net.d/04-c.conflist", "cni-chaining-mode": "portmap"}),
			},
			want: multus.Platform{PrimaryCNI: "cilium", PrimaryCNIConfig: "04-c.conflist"},
		},
		{
			name:    "cilium that writes nothing",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(map[string]string{"custom-cni-conf": "true"})},
			codes:   []string{unknown},
		},
		{
			name:    "cilium that is told to write Multus' own file",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(map[string]string{"write-cni-conf-when-ready": "/host/etc/cni/net.d/00-multus.conf"})},
			codes:   []string{"cilium/setting", unknown},
		},
		{
			name:    "cilium without its ConfigMap",
			objects: []client.Object{ciliumDaemonSet()},
			want:    multus.Platform{PrimaryCNI: "cilium"},
			codes:   []string{"multus/unseen"},
		},
		{
			name:    "cilium beside flannel",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(writes), flannel, flannelConf("")},
			codes:   []string{unknown},
		},
		{
			name:    "cilium chained to kube-ovn",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(chained), kubeOVN},
			want:    multus.Platform{PrimaryCNI: "kube-ovn", PrimaryCNIConfig: "05-cilium.conflist"},
		},
		{
			name:    "cilium chained to flannel, whose own file is not used",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(chained), flannel, flannelConf(`{"cniVersion":"1.1.0"}`)},
			want:    multus.Platform{PrimaryCNI: "flannel", PrimaryCNIConfig: "05-cilium.conflist"},
		},
		{
			name:    "cilium chained, with a conflist from elsewhere",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(map[string]string{"cni-chaining-mode": "generic-veth", "custom-cni-conf": "true"}), kubeOVN},
			codes:   []string{unknown},
		},
		{
			name:    "cilium chained to a stranger",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(chained)},
			want:    multus.Platform{PrimaryCNIConfig: "05-cilium.conflist"},
			codes:   []string{unknown},
		},
		{
			name:    "cilium chained to one of two",
			objects: []client.Object{ciliumDaemonSet(), ciliumConfig(chained), kubeOVN, flannel, flannelConf("")},
			codes:   []string{unknown},
		},
		{
			name:    "flannel",
			objects: []client.Object{flannel, flannelConf(`{"name":"cbr0","cniVersion":"1.0.0"}`)},
			want:    multus.Platform{PrimaryCNI: "flannel", PrimaryCNIConfig: "10-flannel.conflist", PrimaryCNIVersion: "1.0.0"},
		},
		{
			name: "flannel of old manifests, a DaemonSet for each architecture",
			objects: []client.Object{
				withLabel(testDaemonSet("kube-system", "kube-flannel-ds-amd64", "quay.io/coreos/flannel:v0.11.0-amd64"), "app", "flannel"),
				withLabel(testDaemonSet("kube-system", "kube-flannel-ds-arm64", "quay.io/coreos/flannel:v0.11.0-arm64"), "app", "flannel"),
				testConfigMap("kube-system", "kube-flannel-cfg", map[string]string{"cni-conf.json": `{"cniVersion":"0.2.0"}`}),
			},
			want: multus.Platform{PrimaryCNI: "flannel", PrimaryCNIVersion: "0.2.0"},
		},
		{
			name:    "flannel with a broken conflist",
			objects: []client.Object{flannel, flannelConf(`{"cniVersion": 1}`)},
			want:    multus.Platform{PrimaryCNI: "flannel", PrimaryCNIConfig: "10-flannel.conflist"},
		},
		{
			name:    "calico",
			objects: []client.Object{withEnv(testDaemonSet("calico-system", "calico-node", "quay.io/calico/node:v3.31.0"), "CNI_CONF_NAME", "10-calico.conflist")},
			want:    multus.Platform{PrimaryCNI: "calico", PrimaryCNIConfig: "10-calico.conflist"},
		},
		{
			name: "calico for policies only",
			objects: []client.Object{
				withEnv(testDaemonSet("kube-system", "calico-node", "quay.io/calico/node:v3.31.0"), "CALICO_NETWORKING_BACKEND", "none"),
				flannel, flannelConf(""),
			},
			want: multus.Platform{PrimaryCNI: "flannel", PrimaryCNIConfig: "10-flannel.conflist"},
		},
		{
			name:    "canal, made of calico and flannel",
			objects: []client.Object{withEnv(testDaemonSet("kube-system", "rke2-canal", "rancher/hardened-calico:v3.31.0"), "CALICO_NETWORKING_BACKEND", "none")},
			want:    multus.Platform{PrimaryCNI: "canal"},
		},
		{
			name:    "kube-ovn",
			objects: []client.Object{kubeOVN},
			want:    multus.Platform{PrimaryCNI: "kube-ovn", PrimaryCNIConfig: "10-kube-ovn.conflist"},
		},
		{
			name: "kube-ovn for secondary networks",
			objects: []client.Object{
				testDaemonSet("kube-system", "kube-ovn-cni", "docker.io/kubeovn/kube-ovn:v1.15.0", "--non-primary-cni-mode=true"), ciliumDaemonSet(), ciliumConfig(writes),
			},
			want: multus.Platform{PrimaryCNI: "cilium", PrimaryCNIConfig: "05-cilium.conflist"},
		},
		{
			name:    "kindnet",
			objects: []client.Object{testDaemonSet("kube-system", "kindnet", "docker.io/kindest/kindnetd:v1")},
			want:    multus.Platform{PrimaryCNI: "kindnet"},
		},
		{
			name:    "antrea",
			objects: []client.Object{testDaemonSet("kube-system", "antrea-agent", "antrea/antrea-agent-ubuntu:v2.4.0")},
			want:    multus.Platform{PrimaryCNI: "antrea"},
		},
		{
			name:    "kube-router",
			objects: []client.Object{withEnv(testDaemonSet("kube-system", "kube-router", "docker.io/cloudnativelabs/kube-router:v2"), "KUBE_ROUTER_CNI_CONF_FILE", "/etc/cni/net.d/10-kuberouter.conflist")},
			want:    multus.Platform{PrimaryCNI: "kube-router", PrimaryCNIConfig: "10-kuberouter.conflist"},
		},
		{
			name:    "kube-router for services only",
			objects: []client.Object{testDaemonSet("kube-system", "kube-router", "docker.io/cloudnativelabs/kube-router:v2", "--run-router=false")},
			codes:   []string{unknown},
		},
		{
			name:    "weave, known by its image",
			objects: []client.Object{testDaemonSet("kube-system", "overlay", "registry.example.com:5000/weaveworks/weave-kube:2.9.0@sha256:00")},
			want:    multus.Platform{PrimaryCNI: "weave"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			builder := fake.NewClientBuilder().WithObjects(testNode("a"))
			for _, object := range tt.objects {
				builder.WithObjects(object.DeepCopyObject().(client.Object))
			}
			got, err := multus.Detect(t.Context(), builder.Build())
			if err != nil {
				t.Fatal(err)
			}
			p := got.Platform
			if diff := cmp.Diff(tt.want, multus.Platform{PrimaryCNI: p.PrimaryCNI, PrimaryCNIConfig: p.PrimaryCNIConfig, PrimaryCNIVersion: p.PrimaryCNIVersion}); diff != "" {
				t.Errorf("Platform (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.codes, codes(got.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// Findings are read by people: each names what it is about and what to do.
func TestDetectFindings(t *testing.T) {
	got, err := multus.Detect(t.Context(), fake.NewClientBuilder().WithObjects(
		testNode("a"), testNode("b", osImage(debian13)), testNode("c", osImage(debian13)),
		testDaemonSet("kube-system", "calico-node", ""), testDaemonSet("kube-system", "kube-router", ""),
	).Build())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range got.Findings {
		lines = append(lines, f.String())
	}
	want := []string{
		"warning platform/mixed-os: status.nodeInfo.osImage: Node b and 1 more do not run Talos and others do, so fixes for Talos are left out; give Config.Platform, and Config.NodeSelector where Multus is for some nodes only",
		"warning platform/primary-cni: several CNIs could give pods their first interface: calico (DaemonSet kube-system/calico-node), kube-router (DaemonSet kube-system/kube-router); give Config.Platform.PrimaryCNI, and PrimaryCNIConfig if its file has another name than usual",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestDetectWithoutReader(t *testing.T) {
	if _, err := multus.Detect(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "reader is nil") {
		t.Errorf("error = %v, want one that says that reader is nil", err)
	}
}

// Whatever a node says of its OS, Detect takes it: what comes out as Talos is a
// version that Config accepts.
func FuzzDetectOSImage(f *testing.F) {
	for _, seed := range []string{talos13, debian13, "", "Talos", "Talos (", "Talos ()", "Talos (v1.13.9", "Talos ( v1.13.9)", "Talos (v1.14.0-alpha.1-12-g0a1b2c3-dirty)", "Talos (v99999999999999999999.0.0)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, image string) {
		got := detectWith(t, &corev1.ConfigMap{}, testNode("a", osImage(image)))
		if got.Talos != "" && image != "Talos ("+got.Talos+")" && image != "Talos ("+got.Talos {
			t.Errorf("Talos = %q from osImage %q", got.Talos, image)
		}
	})
}

// Whatever stands in Flannel's and Cilium's ConfigMaps, what comes out is a
// file name and a version that Config accepts.
func FuzzDetectConfigMaps(f *testing.F) {
	for _, seed := range []string{`{"cniVersion":"1.0.0"}`, `{"cniVersion":{}}`, `[]`, `null`, `{`, ciliumWrites, "..", "/", "a\x00b.conf", strings.Repeat("[", 20000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		flannel := detectWith(t, testConfigMap("kube-system", "kube-flannel-cfg", map[string]string{"cni-conf.json": text}),
			testNode("a"), testDaemonSet("kube-system", "kube-flannel", "flannel"))
		cilium := detectWith(t, ciliumConfig(map[string]string{"write-cni-conf-when-ready": text, "cni-chaining-mode": text, "cni-exclusive": text}),
			testNode("a"), ciliumDaemonSet(), testDaemonSet("kube-system", "kube-ovn-cni", "kube-ovn", "--cni-conf-name="+text))
		if strings.ContainsAny(cilium.PrimaryCNIConfig, "/\x00 \n") || len(flannel.PrimaryCNIVersion) > len(text) {
			t.Errorf("from %q: %+v, %+v", text, cilium, flannel)
		}
	})
}

// detectWith detects a cluster of objects, and holds the platform against what
// Render takes.
func detectWith(t *testing.T, config *corev1.ConfigMap, objects ...client.Object) multus.Platform {
	t.Helper()
	if config.Name != "" {
		objects = append(objects, config)
	}
	got, err := multus.Detect(t.Context(), &server{objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	if err := (multus.Config{Platform: got.Platform}).Validate(); err != nil {
		t.Errorf("Config refuses the platform: %v", err)
	}
	return got.Platform
}

func BenchmarkDetect(b *testing.B) {
	objects := []client.Object{ciliumDaemonSet(), ciliumConfig(map[string]string{"write-cni-conf-when-ready": ciliumWrites})}
	for n := range 5000 {
		objects = append(objects, testNode(fmt.Sprintf("node-%04d", n)))
	}
	reader := &server{objects: objects}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := multus.Detect(b.Context(), reader); err != nil {
			b.Fatal(err)
		}
	}
}
