package multus_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// inNamespace moves upstream's manifest.
func inNamespace(version, namespace string) multus.Config {
	config := asUpstream(version)
	config.Namespace = namespace
	return config
}

// TestPreflight: each thing that can stand against an install is a finding of
// the Plan. One of severity error refuses the install, unless it is ignored.
func TestPreflight(t *testing.T) {
	namespace := func(name, level string) client.Object {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if level != "" {
			ns.Labels = map[string]string{"pod-security.kubernetes.io/enforce": level}
		}
		return ns
	}
	exclusive := multustest.Options{PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: true}}
	tests := []struct {
		name    string
		options multustest.Options
		config  multus.Config
		prepare func(t *testing.T, cluster *multustest.Cluster)
		codes   []string // of all findings in the Plan
		refused []string // of those that refuse the install
		object  string   // of the first finding
	}{
		{name: "nothing"},
		{
			name: "exclusive Cilium", options: exclusive, codes: []string{"cilium/exclusive"},
			refused: []string{"cilium/exclusive"}, object: "ConfigMap kube-system/cilium-config",
		},
		{
			name: "exclusive Cilium, platform given", options: exclusive, config: multus.Config{Platform: multus.Platform{PrimaryCNI: "cilium"}},
			codes: []string{"cilium/exclusive"}, refused: []string{"cilium/exclusive"}, object: "ConfigMap kube-system/cilium-config",
		},
		{name: "Cilium that shares", options: multustest.Options{PrimaryCNI: "cilium"}},
		{
			name: "another Multus in another namespace",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				install(t, cluster, inNamespace("v4.2.4", "elsewhere"), multus.InstallOptions{NoWait: true})
			},
			codes: []string{"multus/other-multus"}, refused: []string{"multus/other-multus"}, object: "DaemonSet elsewhere/kube-multus-ds",
		},
		{
			name: "another Multus of another name",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				object := manifestObjects(t, asUpstream("v4.2.4"))[5]
				object.SetName("multus")
				helm.write(t, cluster, object)
			},
			codes: []string{"multus/other-multus"}, refused: []string{"multus/other-multus"}, object: "DaemonSet kube-system/multus",
		},
		{
			name: "shim and daemon of different releases",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				objects := manifestObjects(t, asUpstream("v4.2.4"))
				container(t, objects[5], "initContainers", 0)["image"] = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick"
				kubectl.write(t, cluster, objects...)
			},
			codes: []string{"multus/image-skew"}, object: "DaemonSet kube-system/kube-multus-ds",
		},
		{
			name: "Talos writes it again with the next upgrade",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				talos.write(t, cluster, manifestObjects(t, asUpstream("v4.2.4"))...)
			},
			codes: []string{"multus/kept-by-other"}, object: "DaemonSet kube-system/kube-multus-ds",
		},
		{
			name: "another selector",
			prepare: func(t *testing.T, cluster *multustest.Cluster) {
				object := manifestObjects(t, asUpstream("v4.2.4"))[5]
				_ = unstructured.SetNestedStringMap(object.Object, map[string]string{"app": "multus"}, "spec", "selector", "matchLabels")
				kubectl.write(t, cluster, object)
			},
			codes: []string{"multus/selector"}, refused: []string{"multus/selector"}, object: "DaemonSet kube-system/kube-multus-ds",
		},
		{
			name: "an architecture that the own image may be built for", options: multustest.Options{Nodes: []multustest.Node{{}, {Architecture: "riscv64"}}},
			config: multus.Config{Image: "registry.example.com/multus:v4.3.0-thick"},
		},
		{
			name:    "a namespace that refuses Multus' pods",
			options: multustest.Options{Objects: []client.Object{namespace("networks", "baseline")}},
			config:  multus.Config{Namespace: "networks"}, codes: []string{"multus/pod-security"}, object: "Namespace networks",
		},
		{
			name:    "a namespace without a level, on Talos",
			options: multustest.Options{Objects: []client.Object{namespace("networks", "")}},
			config:  multus.Config{Namespace: "networks"}, codes: []string{"multus/pod-security"}, object: "Namespace networks",
		},
		{
			name:    "a privileged namespace",
			options: multustest.Options{Objects: []client.Object{namespace("networks", "privileged")}},
			config:  multus.Config{Namespace: "networks"},
		},
		{name: "a namespace to be created", config: multus.Config{Namespace: "networks"}},
		{
			name:    "no known primary CNI",
			options: multustest.Options{PrimaryCNI: "none"}, codes: []string{"platform/primary-cni"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, tt.options)
			if tt.prepare != nil {
				tt.prepare(t, cluster)
			}
			cluster.ResetRequests()
			plan := planOf(t, cluster, tt.config)
			if diff := cmp.Diff(tt.codes, withoutAdvice(tt.config, plan)); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
			for _, f := range plan.Findings {
				if f.Message == "" || f.Severity == "" || slices.Contains(tt.codes, f.Code) && f.Remedy == "" {
					t.Errorf("%v: no message, severity or remedy", f)
				}
				if slices.Contains(tt.codes, f.Code) && f.Object != tt.object {
					t.Errorf("%s is about %q, want %q", f.Code, f.Object, tt.object)
				}
			}
			if len(writes(cluster)) > 0 {
				t.Errorf("a plan wrote %v", writes(cluster))
			}
			options := multus.InstallOptions{Conflicts: multus.ConflictForce, NoWait: true}
			_, err := newInstaller(t, cluster.Client(), tt.config).Install(t.Context(), options)
			var refused *multus.PreflightError
			if errors.As(err, &refused) != (tt.refused != nil) || err != nil && refused == nil {
				t.Fatalf("install: %v, want a PreflightError: %t", err, tt.refused != nil)
			}
			if refused == nil {
				return
			}
			if diff := cmp.Diff(tt.refused, codes(refused.Findings)); diff != "" || len(writes(cluster)) > 0 {
				t.Errorf("wrote %v; refused for (-want +got):\n%s", writes(cluster), diff)
			}
			options.Ignore = tt.refused
			if _, err = newInstaller(t, cluster.Client(), tt.config).Install(t.Context(), options); errors.As(err, &refused) {
				t.Errorf("ignored and still refused: %v", err)
			}
		})
	}
}

// withoutAdvice leaves out what is about the rendering alone.
func withoutAdvice(config multus.Config, plan *multus.Plan) []string {
	config.Platform = plan.Platform
	bundle, err := multus.Render(config)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, code := range codes(plan.Findings) {
		if !slices.Contains(codes(bundle.Findings), code) {
			out = append(out, code)
		}
	}
	return out
}

// TestPreflightPodSecurityOfKubeSystem: Talos exempts it, and others can label
// it. Its label is not ours to change.
func TestPreflightPodSecurityOfKubeSystem(t *testing.T) {
	cluster := simulate(t, multustest.Options{})
	patch(t, cluster, "admin", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}},
		`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	plan := planOf(t, cluster, onFlannel)
	i := slices.Index(codes(plan.Findings), "multus/pod-security")
	if i < 0 || plan.Findings[i].Severity != "error" {
		t.Errorf("findings %v, want an error multus/pod-security", plan.Findings)
	}
}

// TestPreflightIgnoredInstallWorks: a finding that is ignored is still told.
func TestPreflightIgnoredInstallWorks(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes(), PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: true}})
	var told []string
	result := install(t, cluster, multus.Config{}, multus.InstallOptions{Ignore: []string{"cilium/exclusive"}, Progress: func(e multus.Event) {
		if e.Type == multus.EventFinding {
			told = append(told, e.Finding.Code)
		}
	}})
	if want := []string{"cilium/exclusive"}; !slices.Equal(told, want) || !slices.Equal(codes(result.Findings), want) {
		t.Errorf("told %v, result %v, want %v", told, codes(result.Findings), want)
	}
	if status := statusOf(t, cluster, multus.Config{}); status.Healthy() || !slices.Equal(codes(status.Findings), []string{"cilium/exclusive"}) {
		t.Errorf("status: healthy %t, findings %v: exclusive Cilium breaks Multus, ignored or not", status.Healthy(), status.Findings)
	}
}

// TestPreflightSettled: what is as wanted is not judged again.
func TestPreflightSettled(t *testing.T) {
	cluster := simulate(t, multustest.Options{PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: true}})
	options := multus.InstallOptions{Ignore: []string{"cilium/exclusive"}}
	install(t, cluster, multus.Config{}, options)
	if result := install(t, cluster, multus.Config{}, multus.InstallOptions{}); len(result.Findings) > 0 || result.Changed() {
		t.Errorf("result %+v, want no findings and no changes", result)
	}
}

// TestPreflightOfNodes: Cilium can be exclusive on some nodes only, by a
// CiliumNodeConfig. Whoever has the platform detected is stopped, and Plan,
// Status and Audit say it in any case.
func TestPreflightOfNodes(t *testing.T) {
	override := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cilium.io/v2", "kind": "CiliumNodeConfig", "metadata": map[string]any{"name": "old", "namespace": "kube-system"},
		"spec": map[string]any{
			"nodeSelector": map[string]any{"matchLabels": map[string]any{corev1.LabelHostname: "b"}}, "defaults": map[string]any{"cni-exclusive": "true"},
		},
	}}
	cluster := simulate(t, multustest.Options{Nodes: threeNodes(), PrimaryCNI: "cilium", Objects: []client.Object{override}})
	onNode := func(findings []multihome.Finding) bool {
		return slices.ContainsFunc(findings, func(f multihome.Finding) bool { return f.Code == "cilium/exclusive" && f.Object == "Node b" })
	}
	onCilium := onFlannel
	onCilium.Platform.PrimaryCNI = "cilium"
	for _, config := range []multus.Config{{}, onCilium} {
		if plan := planOf(t, cluster, config); !onNode(plan.Findings) {
			t.Errorf("plan for %s: %v", config.Platform, plan.Findings)
		}
	}
	_, err := newInstaller(t, cluster.Client(), multus.Config{}).Install(t.Context(), multus.InstallOptions{})
	var stopped *multus.PreflightError
	if !errors.As(err, &stopped) || !onNode(stopped.Findings) || len(writes(cluster)) > 0 {
		t.Errorf("install: %v, writes %v", err, writes(cluster))
	}
}
