package multus

// This file is inside the package, and beside it only export_test.go: what it
// tests has no exported name, and reaches callers only in words.

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

func parseDaemonSet(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	object.SetAPIVersion("apps/v1")
	object.SetKind("DaemonSet")
	return object
}

func TestExisting(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []existing
		says string
	}{
		{
			name: "thin, applied with kubectl",
			text: `
metadata:
  name: kube-multus-ds
  namespace: kube-system
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  managedFields:
  - {manager: kubectl-client-side-apply, operation: Update}
  - {manager: kubectl-rollout, operation: Update}
  - {manager: kube-controller-manager, operation: Update, subresource: status}
spec:
  template:
    spec:
      containers:
      - {name: kube-multus, image: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.4", command: [/thin_entrypoint], args: [--multus-conf-file=auto]}
      initContainers:
      - {name: install-multus-binary, image: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.4", command: [/install_multus]}
      volumes:
      - {name: multus-cfg, configMap: {name: multus-cni-config}}
`,
			want: []existing{{
				Namespace: "kube-system", Name: "kube-multus-ds", Version: "v4.2.4",
				Images: []string{"ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.4"}, By: []string{"kubectl"},
			}},
			says: "thin v4.2.4 by kubectl",
		},
		{
			name: "thin 3.x with entrypoint.sh, by an image whose tag means nothing",
			text: `
metadata: {name: kube-multus-ds-amd64, namespace: kube-system}
spec: {template: {spec: {containers: [{name: kube-multus, image: "docker.io/nfvpe/multus:stable", command: [/entrypoint.sh]}]}}}
`,
			want: []existing{{Namespace: "kube-system", Name: "kube-multus-ds-amd64", Images: []string{"docker.io/nfvpe/multus:stable"}}},
			says: "thin of unknown version by someone unknown",
		},
		{
			name: "thick on thin's old arguments, shim and daemon of different releases",
			text: `
metadata: {name: kube-multus-ds, namespace: kube-system, managedFields: [{manager: multihome, operation: Apply}, {manager: someone}]}
spec:
  template:
    spec:
      initContainers:
      - {name: install-multus-binary, image: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", command: [cp, /usr/src/multus-cni/bin/multus-shim, /host/opt/cni/bin/multus-shim]}
      containers:
      - {name: kube-multus, image: "ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick", command: [/usr/src/multus-cni/bin/multus-daemon], args: [--multus-conf-file=auto]}
`,
			want: []existing{{
				Namespace: "kube-system", Name: "kube-multus-ds", Thick: true,
				Images: []string{"ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick", "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"},
				By:     []string{"multihome", "someone"},
			}},
			says: "thick of unknown version by multihome, someone",
		},
		{
			name: "CNAO, pinned by digest",
			text: `
metadata:
  name: multus
  namespace: cluster-network-addons
  labels: {app.kubernetes.io/managed-by: cnao-operator}
  ownerReferences: [{apiVersion: networkaddonsoperator.network.kubevirt.io/v1, kind: NetworkAddonsConfig, name: cluster, uid: a}]
  managedFields: [{manager: cluster-network-addons-operator, operation: Update}]
spec:
  selector: {matchLabels: {name: kube-multus-ds-amd64}}
  template:
    spec:
      containers:
      - name: kube-multus
        image: ghcr.io/k8snetworkplumbingwg/multus-cni@sha256:2b9671447f3ea4e7e56730843dbf59445b9307246f393b61386b896d56ae51c9
        command: [/usr/src/multus-cni/bin/multus-daemon]
`,
			want: []existing{{
				Namespace: "cluster-network-addons", Name: "multus", Thick: true, Version: "v4.3.0",
				Images: []string{"ghcr.io/k8snetworkplumbingwg/multus-cni@sha256:2b9671447f3ea4e7e56730843dbf59445b9307246f393b61386b896d56ae51c9"},
				By:     []string{"cluster-network-addons-operator"},
			}},
			says: "thick v4.3.0 by cluster-network-addons-operator",
		},
		{
			name: "Helm, thick known by its mounted configuration, beside a plugin installer",
			text: `
metadata:
  name: rke2-multus
  namespace: kube-system
  labels: {app.kubernetes.io/managed-by: Helm}
  annotations: {meta.helm.sh/release-name: rke2-multus, meta.helm.sh/release-namespace: kube-system}
  managedFields: [{manager: helm, operation: Update}]
spec:
  template:
    spec:
      initContainers:
      - {name: cni-plugins, image: "rancher/hardened-cni-plugins:v1.9.1-build1"}
      containers:
      - {name: kube-multus, image: "registry:5000/rancher/hardened-multus-cni:v4.3.0-build20260801"}
      volumes:
      - {name: config, configMap: {name: rke2-multus-4.3.0, items: [{key: daemon-config.json, path: daemon-config.json}]}}
`,
			want: []existing{{
				Namespace: "kube-system", Name: "rke2-multus", Thick: true, Version: "v4.3.0",
				Images: []string{"registry:5000/rancher/hardened-multus-cni:v4.3.0-build20260801"}, By: []string{"Helm release kube-system/rke2-multus"},
			}},
			says: "thick v4.3.0 by Helm release kube-system/rke2-multus",
		},
		{
			name: "a chart through Flux, thick known by its tag",
			text: `
metadata:
  name: multus-network
  namespace: network
  labels: {app.kubernetes.io/managed-by: Helm, helm.toolkit.fluxcd.io/name: multus}
  managedFields: [{manager: helm-controller, operation: Apply}]
spec: {template: {spec: {containers: [{name: main, image: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.2-thick@sha256:00"}]}}}
`,
			want: []existing{{
				Namespace: "network", Name: "multus-network", Thick: true, Version: "v4.2.2",
				Images: []string{"ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.2-thick@sha256:00"}, By: []string{"Helm", "Flux"},
			}},
			says: "thick v4.2.2 by Helm, Flux",
		},
		{
			name: "Argo CD, which applies as kubectl does",
			text: `
metadata:
  name: multus-thin
  namespace: network
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", argocd.argoproj.io/tracking-id: "multus:apps/DaemonSet:network/multus-thin"}
  managedFields: [{manager: argocd-controller, operation: Update}]
spec: {template: {spec: {containers: [{name: main, image: "bitnami/multus-cni:4.2.2-debian-12"}]}}}
`,
			want: []existing{{
				Namespace: "network", Name: "multus-thin", Version: "v4.2.2",
				Images: []string{"bitnami/multus-cni:4.2.2-debian-12"}, By: []string{"Argo CD"},
			}},
			says: "thin v4.2.2 by Argo CD",
		},
		{
			name: "Talos inline manifest, images of one release from two registries",
			text: `
metadata:
  name: kube-multus-ds
  namespace: kube-system
  annotations: {config.k8s.io/owning-inventory: talos-bootstrap-manifests-inventory}
  managedFields: [{manager: talos, operation: Apply}, {manager: kustomize-controller, operation: Apply}]
spec:
  template:
    spec:
      containers:
      - {name: kube-multus, image: "mirror/multus-cni:v4.3.0-thick", volumeMounts: [{name: hostroot, mountPath: /hostroot}]}
      - {name: kube-multus-2, image: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"}
`,
			want: []existing{{
				Namespace: "kube-system", Name: "kube-multus-ds", Thick: true, Version: "v4.3.0",
				Images: []string{"ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", "mirror/multus-cni:v4.3.0-thick"},
				By:     []string{"Talos", "Flux"},
			}},
			says: "thick v4.3.0 by Talos, Flux",
		},
		{
			name: "OpenShift, known by its name, owned by its operator and an inventory",
			text: `
metadata:
  name: multus
  namespace: openshift-multus
  annotations: {config.k8s.io/owning-inventory: fleet}
  ownerReferences: [{apiVersion: operator.openshift.io/v1, kind: Network, name: cluster, uid: a}]
spec: {template: {spec: {containers: [{name: main, image: "quay.io/openshift@sha256:00", volumeMounts: [{name: hostroot, mountPath: /hostroot}]}]}}}
`,
			want: []existing{{
				Namespace: "openshift-multus", Name: "multus", Thick: true,
				Images: []string{"quay.io/openshift@sha256:00"}, By: []string{"Network cluster", "inventory fleet"},
			}},
			says: "thick of unknown version by Network cluster, inventory fleet",
		},
		{
			name: "known by its image alone, without a tag",
			text: `
metadata: {name: cni, namespace: network}
spec: {template: {spec: {containers: [{name: main, image: "registry:5000/multus-cni"}]}}}
`,
			want: []existing{{Namespace: "network", Name: "cni", Images: []string{"registry:5000/multus-cni"}}},
			says: "thin of unknown version by someone unknown",
		},
		{
			name: "not Multus: OpenShift's plugin installer",
			text: `
metadata: {name: multus-additional-cni-plugins, namespace: openshift-multus}
spec: {template: {spec: {containers: [{name: main, image: "quay.io/openshift@sha256:00", command: [/bin/bash, -ec, "sleep infinity"]}]}}}
`,
		},
		{
			name: "not Multus: its companions",
			text: `
metadata: {name: multus-dynamic-networks, namespace: kube-system}
spec: {template: {spec: {containers: [{name: a, image: "ghcr.io/k8snetworkplumbingwg/multus-dynamic-networks-controller:latest"}, {name: b, image: "example.com/multus-admission-controller"}]}}}
`,
		},
		{
			name: "not a DaemonSet that converts",
			text: `
metadata: {name: multus, namespace: kube-system}
spec: {template: text}
`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := survey{multuses: []*unstructured.Unstructured{parseDaemonSet(t, tt.text)}}.existing()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("existing (-want +got):\n%s", diff)
			}
			for _, e := range got {
				if e.String() != tt.says {
					t.Errorf("String() = %q, want %q", e, tt.says)
				}
			}
		})
	}
}

// What Render makes is found again, with its release, whatever release it is.
func TestExistingFindsWhatIsRendered(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			bundle, err := Render(Config{Version: version, ArchImages: map[string]string{"arm64": "example.com/own:1"}, Platform: Platform{Talos: "v1.13.9"}})
			if err != nil {
				t.Fatal(err)
			}
			c := fake.NewClientBuilder()
			for _, ds := range bundle.DaemonSets {
				c.WithObjects(ds)
			}
			s, err := lookAtDaemonSets(t.Context(), c.Build())
			if err != nil {
				t.Fatal(err)
			}
			var got []existing
			for _, e := range s.existing() {
				got = append(got, existing{Name: e.Name, Thick: e.Thick, Version: e.Version})
				live := s.daemonSet(e.Namespace, e.Name)
				if live == nil || live.GetKind() != "DaemonSet" || live.GetAPIVersion() != "apps/v1" {
					t.Errorf("daemonSet(%s, %s) = %v", e.Namespace, e.Name, live)
				}
			}
			want := []existing{{Name: "kube-multus-ds", Thick: true, Version: version}, {Name: "kube-multus-ds-arm64", Thick: true}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("existing (-want +got):\n%s", diff)
			}
			if live := s.daemonSet("default", "kube-multus-ds"); live != nil {
				t.Errorf("daemonSet finds %s in a namespace where there is none", live.GetName())
			}
			if findings := s.findings(); findings != nil {
				t.Errorf("findings = %v, want none of a survey that did not ask for the platform", findings)
			}
		})
	}
}

// Image references in a cluster can be anything.
func FuzzVersionOf(f *testing.F) {
	for _, seed := range []string{"", "a", ":", "@", "a:1.2", "r:5000/a", "r:5000/a:v4.3.0-thick@sha256:0", "a:v4", "a:v4.3.0.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, image string) {
		if v := versionOf(image); v != "" && !versionAtLeast(v, "v0.0") {
			t.Errorf("versionOf(%q) = %q, which is no version", image, v)
		}
	})
}

func TestNodeFacts(t *testing.T) {
	node := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "a"},
		"spec":     map[string]any{"unschedulable": true},
		"status": map[string]any{
			"nodeInfo": map[string]any{
				"osImage": "Talos (v1.13.9)", "architecture": "arm64", "kubeletVersion": "v1.37.2", "containerRuntimeVersion": "containerd://2.1.5",
			},
			"conditions": []any{
				map[string]any{"type": "MemoryPressure", "status": "False"}, "odd", map[string]any{"type": "Ready", "status": "True"},
			},
		},
	}}
	want := nodeFacts{
		name: "a", os: "Talos (v1.13.9)", arch: "arm64", kubelet: "v1.37.2", runtime: "containerd://2.1.5", ready: true, unschedulable: true,
	}
	if got := nodeOf(node); got != want {
		t.Errorf("nodeOf = %+v, want %+v", got, want)
	}
}

// What is known of Cilium is package cilium's; a survey keeps it, and what it
// could not see.
func TestSurveyOfCilium(t *testing.T) {
	config := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{
		"cni-exclusive": "true", "write-cni-conf-when-ready": "/host/etc/cni/net.d/05-cilium.conflist", "cni-chaining-mode": "aws-cni",
	}}}
	config.SetAPIVersion("v1")
	config.SetKind("ConfigMap")
	config.SetNamespace("cilium")
	config.SetName("cilium-config")
	s := survey{primaries: []primaryFacts{{cni: "cilium", namespace: "cilium", name: "cilium"}}}
	// Each client has a scheme of its own: the fake one adds Cilium's kinds to it.
	for name, read := range map[string]func(*survey, context.Context, client.Reader) error{
		"all nodes": (*survey).lookAtCilium, "one request": (*survey).lookAtCiliumConfig,
	} {
		s.cilium, s.unseen = nil, nil
		with := fake.NewClientBuilder().WithScheme(runtime.NewScheme()).WithObjects(config).Build()
		if err := read(&s, t.Context(), with); err != nil {
			t.Fatal(err)
		}
		if s.cilium == nil || s.cilium.Namespace != "cilium" || !s.cilium.Exclusive || !s.cilium.Chained() || s.cilium.Conflist != "05-cilium.conflist" || !s.ciliumRenames() {
			t.Errorf("%s: cilium = %+v", name, s.cilium)
		}
		s.cilium = nil
		if err := read(&s, t.Context(), fake.NewClientBuilder().WithScheme(runtime.NewScheme()).Build()); err != nil {
			t.Fatal(err)
		}
		if s.cilium != nil || len(s.unseen) != 1 || s.unseen[0].Code != "multus/unseen" || s.ciliumRenames() {
			t.Errorf("%s: without settings: %+v, unseen %v", name, s.cilium, s.unseen)
		}
	}
}
