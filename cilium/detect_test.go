package cilium_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/multus/multustest"
)

// withoutCNI is a cluster with objects of its own.
func withoutCNI(tb testing.TB, objects ...client.Object) *multustest.Cluster {
	tb.Helper()
	return simulate(tb, multustest.Options{Nodes: threeNodes(), PrimaryCNI: "none", Objects: objects})
}

func TestDetect(t *testing.T) {
	const image = "quay.io/cilium/cilium:v1.18.6@sha256:aaaa"
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "cilium"}}
	exclusive := cilium.Settings{
		Exclusive: true, Conflist: "05-cilium.conflist", ChainingMode: "none", IPAM: "cluster-pool", PodCIDRs: []string{"10.0.0.0/8"}, RoutingMode: cilium.RoutingModeTunnel,
	}
	peaceful := exclusive
	peaceful.Exclusive = false
	tests := []struct {
		name    string
		objects []client.Object
		want    cilium.Config
		unseen  []string
	}{
		{
			name: "in a namespace of its own, by another name", objects: []client.Object{namespace, agents("cilium", "anetd", image, nil), ciliumConfig("cilium", byHelm)},
			want: cilium.Config{Settings: exclusive, Known: true, Namespace: "cilium", DaemonSet: "anetd", Version: "v1.18.6"},
		},
		{
			name: "version from Helm's label", objects: []client.Object{
				agents("kube-system", "cilium", "registry.example.com:5000/cilium@sha256:aaaa", map[string]string{"helm.sh/chart": "cilium-1.20.2"}), ciliumConfig("kube-system", byHelm),
			},
			want: cilium.Config{Settings: exclusive, Known: true, Namespace: "kube-system", DaemonSet: "cilium", Version: "v1.20.2"},
		},
		{
			name: "no version", objects: []client.Object{agents("kube-system", "cilium", "cilium:latest", nil), ciliumConfig("kube-system", byHelm)},
			want: cilium.Config{Settings: exclusive, Known: true, Namespace: "kube-system", DaemonSet: "cilium"},
		},
		{
			name: "no settings", objects: []client.Object{agents("kube-system", "cilium", image, nil)},
			want:   cilium.Config{Namespace: "kube-system", DaemonSet: "cilium", Version: "v1.18.6"},
			unseen: []string{"ConfigMap kube-system/cilium-config: is not there"},
		},
		{
			name: "two", objects: []client.Object{agents("kube-system", "cilium", image, nil), agents("default", "cilium", image, nil), ciliumConfig("default", with(byHelm, "cni-exclusive", "yes"))},
			want:   cilium.Config{Settings: peaceful, Known: true, Namespace: "default", DaemonSet: "cilium", Version: "v1.18.6"},
			unseen: []string{"several DaemonSets have the label of Cilium's agents: default/cilium, kube-system/cilium", "cilium/setting: ConfigMap default/cilium-config: data[cni-exclusive]"},
		},
		{
			name: "nodes that differ", objects: []client.Object{
				agents("kube-system", "cilium", image, nil), ciliumConfig("kube-system", with(byHelm, "cni-exclusive", "false")),
				nodeConfig("20-a", onNode("a"), map[string]any{"cni-exclusive": "true"}), // wins over 10-all
				nodeConfig("10-all", map[string]any{}, map[string]any{"cni-exclusive": "false", "debug": "true"}),
				nodeConfig("30-nobody", onNode("z"), map[string]any{"cni-exclusive": "true"}),
				nodeConfig("40-empty", map[string]any{}, nil),
				nodeConfig("50-b", onNode("b"), map[string]any{"routing-mode": "bridge"}),
				nodeConfig("60-odd", map[string]any{"matchExpressions": []any{map[string]any{"key": "x", "operator": "Odd"}}}, map[string]any{"cni-exclusive": "true"}),
			},
			want: cilium.Config{
				Settings: peaceful, Known: true, Namespace: "kube-system", DaemonSet: "cilium", Version: "v1.18.6",
				Nodes: []cilium.NodeConfig{
					{Node: "a", Sources: []string{"10-all", "20-a"}, Keys: []string{"cni-exclusive", "debug"}, Settings: exclusive},
					{Node: "b", Sources: []string{"10-all", "50-b"}, Keys: []string{"debug", "routing-mode"}, Settings: func() cilium.Settings { s := peaceful; s.RoutingMode = ""; return s }()},
					{Node: "c", Sources: []string{"10-all"}, Keys: []string{"debug"}, Settings: peaceful},
				},
			},
			unseen: []string{"CiliumNodeConfig kube-system/60-odd: spec.nodeSelector cannot be read", "cilium/setting: Node b: data[routing-mode]"},
		},
		{
			name: "addresses of nodes", objects: []client.Object{
				agents("kube-system", "cilium", image, nil), ciliumConfig("kube-system", byHelm), ciliumNode("a", "10.0.0.0/24"), ciliumNode("b"),
			},
			want: cilium.Config{
				Settings: exclusive, Known: true, Namespace: "kube-system", DaemonSet: "cilium", Version: "v1.18.6", NodeCIDRs: map[string][]string{"a": {"10.0.0.0/24"}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cilium.Detect(t.Context(), withoutCNI(t, tt.objects...).Client())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(cilium.Config{}, "Unseen")); diff != "" {
				t.Errorf("Config (-want +got):\n%s", diff)
			}
			mustSay(t, got.Unseen, tt.unseen)
		})
	}
}

// mustSay ends in an error unless findings have these texts, in order.
func mustSay(t *testing.T, findings []multihome.Finding, want []string) {
	t.Helper()
	if len(findings) != len(want) {
		t.Fatalf("findings %q, want %d", texts(findings), len(want))
	}
	for i, f := range findings {
		if !strings.Contains(f.String(), want[i]) {
			t.Errorf("finding %s, want %q in it", f, want[i])
		}
	}
}

// What is said of nodes that differ names them, those that take Multus' file
// away first.
func TestNodeFindings(t *testing.T) {
	cluster := withoutCNI(t,
		agents("kube-system", "cilium", "quay.io/cilium/cilium:v1.20.2", nil), ciliumConfig("kube-system", with(byHelm, "cni-exclusive", "false")),
		nodeConfig("a-and-b", map[string]any{"matchExpressions": []any{map[string]any{"key": corev1.LabelHostname, "operator": "In", "values": []any{"a", "b"}}}}, map[string]any{"cni-exclusive": "true"}),
		nodeConfig("c", onNode("c"), map[string]any{"debug": "true"}),
	)
	config, err := cilium.Detect(t.Context(), cluster.Client())
	if err != nil {
		t.Fatal(err)
	}
	mustSay(t, config.Findings(), []string{
		"error cilium/exclusive: Node a and 1 more cni-exclusive: Cilium is in exclusive mode here, by CiliumNodeConfig kube-system/a-and-b, and renames",
		"info cilium/node-config: Node c: has settings of its own, which win over cilium-config: debug",
	})
	// Where all are exclusive, once is enough.
	config.Exclusive = true
	if got := codes(config.Findings()); !cmp.Equal(got, []string{"error cilium/exclusive", "info cilium/node-config"}) {
		t.Errorf("findings %v", got)
	}
}

func TestDetectNothing(t *testing.T) {
	if _, err := cilium.Detect(t.Context(), withoutCNI(t).Client()); !errors.Is(err, cilium.ErrNotFound) {
		t.Errorf("no Cilium: %v, want ErrNotFound", err)
	}
	if _, err := cilium.Detect(t.Context(), nil); err == nil {
		t.Error("no reader, and no error")
	}
	if _, err := cilium.Read(t.Context(), nil, "kube-system"); err == nil {
		t.Error("no reader, and no error")
	}
}

// TestRequests holds what Detect and Read ask to what their docs promise.
func TestRequests(t *testing.T) {
	cluster := withCilium(t, true, ciliumNode("a", "10.0.0.0/24"), nodeConfig("x", onNode("a"), map[string]any{"debug": "true"}))
	if _, err := cilium.Detect(t.Context(), cluster.Client()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"list daemonsets", "get configmaps kube-system/cilium-config", "list ciliumnodeconfigs in kube-system", "list nodes", "list ciliumnodes",
	}
	if diff := cmp.Diff(want, requests(cluster)); diff != "" {
		t.Errorf("Detect (-want +got):\n%s", diff)
	}
	cluster.ResetRequests()
	if _, err := cilium.Read(t.Context(), cluster.Client(), "kube-system"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1:4], requests(cluster)); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
}

// everything is a cluster for which Detect asks all that it ever asks.
func everything(tb testing.TB) *multustest.Cluster {
	tb.Helper()
	return withCilium(tb, false, ciliumNode("a", "10.0.0.0/24"), nodeConfig("x", onNode("a"), map[string]any{"cni-exclusive": "true"}))
}

// TestDetectWithoutPermission: each permission of DetectRBAC is asked for, and
// missed with a word about it.
func TestDetectWithoutPermission(t *testing.T) {
	whole, err := cilium.Detect(t.Context(), everything(t).Client())
	if err != nil || len(whole.Unseen) > 0 {
		t.Fatalf("%v, unseen %v", err, whole.Unseen)
	}
	for _, p := range permissions(cilium.DetectRBAC()) {
		cluster := everything(t)
		cluster.Forbid(p.verb, p.resource)
		got, err := cilium.Detect(t.Context(), cluster.Client())
		if err != nil {
			t.Errorf("without %s: %v", p, err)
			continue
		}
		if len(got.Unseen) != 1 || got.Unseen[0].Code != "cilium/unseen" || !strings.Contains(got.Unseen[0].Remedy, p.verb) || !strings.Contains(got.Unseen[0].Remedy, p.resource) && !strings.Contains(got.Unseen[0].Remedy, "configmap cilium-config") {
			t.Errorf("without %s: %v", p, got.Unseen)
		}
		if cmp.Equal(whole, got, cmpopts.IgnoreFields(cilium.Config{}, "Unseen")) {
			t.Errorf("without %s all is known: the permission is not needed", p)
		}
		if got.Namespace != "kube-system" {
			t.Errorf("without %s: namespace %q", p, got.Namespace)
		}
	}
	// Without DaemonSets Cilium is only guessed at, and where the guess is wrong
	// that is an error, not that there is none.
	cluster := withoutCNI(t)
	cluster.Forbid("list", "daemonsets")
	if _, err := cilium.Detect(t.Context(), cluster.Client()); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "list daemonsets") {
		t.Errorf("error %v, want that daemonsets may not be listed", err)
	}
}

// TestDetectErrors breaks each request.
func TestDetectErrors(t *testing.T) {
	count := func() int {
		cluster := everything(t)
		if _, err := cilium.Detect(t.Context(), cluster.Client()); err != nil {
			t.Fatal(err)
		}
		return len(cluster.Requests())
	}()
	if count != 5 {
		t.Fatalf("%d requests, want 5", count)
	}
	for index := range count {
		cluster := everything(t)
		cause, asked := multustest.ConnectionReset(), ""
		cluster.Fail(func(n int, r multustest.Request) error {
			if n == index {
				asked = r.Resource
				return cause
			}
			return nil
		})
		got, err := cilium.Detect(t.Context(), cluster.Client())
		if !errors.Is(err, cause) || !cmp.Equal(got, cilium.Config{}) {
			t.Errorf("%s: %v, %+v; want the cause and nothing else", asked, err, got)
		}
		if want := strings.TrimSuffix(asked, "s"); err != nil && !strings.Contains(strings.ToLower(err.Error()), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cilium.Detect(ctx, everything(t).Client()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A list that begins again brings objects twice.
func TestDetectExpired(t *testing.T) {
	var objects []client.Object
	for n := range 600 {
		objects = append(objects, nodeConfig(fmt.Sprintf("n%03d", n), onNode("a"), map[string]any{"debug": fmt.Sprint(n)}))
	}
	cluster := withCilium(t, true, objects...)
	expired := false
	cluster.Fail(func(_ int, r multustest.Request) error {
		if r.Resource == "ciliumnodeconfigs" && len(cluster.Requests()) == 4 && !expired {
			expired = true
			return apierrors.NewResourceExpired("the continue token is too old")
		}
		return nil
	})
	config, err := cilium.Detect(t.Context(), cluster.Client())
	if err != nil {
		t.Fatal(err)
	}
	if !expired || len(config.Nodes) != 1 || len(config.Nodes[0].Sources) != 600 || config.Nodes[0].Node != "a" {
		t.Errorf("expired %t, nodes %d", expired, len(config.Nodes))
	}
}

// Before Cilium 1.16 CiliumNodeConfigs have another version.
func TestDetectAlpha(t *testing.T) {
	alpha := nodeConfig("x", onNode("a"), map[string]any{"cni-exclusive": "true"})
	alpha.SetAPIVersion("cilium.io/v2alpha1")
	cluster := withCilium(t, false, alpha)
	cluster.Fail(func(n int, r multustest.Request) error {
		if n == 2 {
			return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: r.Group, Kind: r.Kind}, SearchedVersions: []string{"v2"}}
		}
		return nil
	})
	config, err := cilium.Detect(t.Context(), cluster.Client())
	if err != nil || len(config.Nodes) != 1 || !config.Nodes[0].Settings.Exclusive {
		t.Errorf("nodes %v, %v; want node a", config.Nodes, err)
	}
}
