package cilium_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/cilium"
)

// rendered are the templates whose objects Detect reads, and the chart's own
// check of its values.
var rendered = []string{"templates/cilium-configmap.yaml", "templates/cilium-agent/daemonset.yaml", "templates/validate.yaml"}

// chartDir is the chart in Cilium's module.
var chartDir = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cilium/cilium").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "install", "kubernetes", "cilium"), err
})

// loadChart loads Cilium's chart, without the templates that are not looked
// at: some make keys.
func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	dir, err := chartDir()
	if err != nil {
		t.Fatal(err)
	}
	c, err := loader.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := len(c.Templates)
	c.Templates = slices.DeleteFunc(c.Templates, func(f *common.File) bool {
		return !strings.HasSuffix(f.Name, ".tpl") && !slices.Contains(rendered, f.Name)
	})
	if len(c.Templates) < len(rendered) || len(c.Templates) == all {
		t.Fatalf("%d of %d templates left", len(c.Templates), all)
	}
	return c
}

// render renders the chart as helm install does, its schema included, and
// returns the objects.
func render(t *testing.T, values map[string]any) ([]*unstructured.Unstructured, error) {
	t.Helper()
	c := loadChart(t)
	options := common.ReleaseOptions{Name: "cilium", Namespace: "kube-system", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for name, text := range files {
		for document := range strings.SplitSeq(text, "\n---\n") {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if object.GetKind() != "" {
				out = append(out, object)
			}
		}
	}
	return out, nil
}

// reader answers Detect with rendered objects.
type reader []*unstructured.Unstructured

func (r reader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	for _, object := range r {
		if object.GetKind() == into.GetObjectKind().GroupVersionKind().Kind && object.GetName() == key.Name && object.GetNamespace() == key.Namespace {
			object.DeepCopyInto(into.(*unstructured.Unstructured))
			return nil
		}
	}
	return fmt.Errorf("no %s", key)
}

func (r reader) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	list := into.(*unstructured.UnstructuredList)
	kind := strings.TrimSuffix(list.GetKind(), "List")
	if strings.HasPrefix(kind, "Cilium") {
		return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "cilium.io", Kind: kind}}
	}
	selected := (&client.ListOptions{}).ApplyOptions(options)
	list.Items = nil
	for _, object := range r {
		if object.GetKind() == kind && selected.LabelSelector.Matches(labelSet(object.GetLabels())) {
			list.Items = append(list.Items, *object)
		}
	}
	return nil
}

type labelSet map[string]string

func (l labelSet) Has(key string) bool              { _, ok := l[key]; return ok }
func (l labelSet) Get(key string) string            { return l[key] }
func (l labelSet) Lookup(key string) (string, bool) { v, ok := l[key]; return v, ok }

// install renders values and reads them back.
func install(t *testing.T, values map[string]any) (cilium.Config, []*unstructured.Unstructured) {
	t.Helper()
	objects, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	config, err := cilium.Detect(t.Context(), reader(objects))
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Unseen) > 0 {
		t.Errorf("unseen: %v", config.Unseen)
	}
	return config, objects
}

// clusters are all kinds that values are made for.
var clusters = map[string]cilium.ValuesOptions{
	"multus":           {},
	"kubevirt":         {KubeVirt: true},
	"devices":          {Devices: []string{"br0", "eno+"}},
	"talos":            {Talos: true},
	"talos kube-proxy": {Talos: true, KubeProxy: true},
	"talos everything": {Talos: true, KubeVirt: true, KubePrismPort: 7446, Devices: []string{"br0"}},
}

// TestHelmValues: what Cilium's chart makes of our values reads back as they
// were meant.
func TestHelmValues(t *testing.T) {
	for name, options := range clusters {
		t.Run(name, func(t *testing.T) {
			config, objects := install(t, cilium.HelmValues(options))
			want := cilium.Settings{
				Conflist: "05-cilium.conflist", ChainingMode: "none", RoutingMode: cilium.RoutingModeTunnel,
				SocketLBHostOnly: options.KubeVirt, Devices: options.Devices, IPAM: "cluster-pool", PodCIDRs: []string{"10.0.0.0/8"},
			}
			if options.Talos {
				want.IPAM, want.PodCIDRs = "kubernetes", nil
				want.KubeProxyReplacement, want.SocketLB = !options.KubeProxy, !options.KubeProxy
			}
			if diff := cmp.Diff(want, config.Settings); diff != "" {
				t.Errorf("settings (-meant +read back):\n%s", diff)
			}
			if config.Version != "v1.20.2" || config.DaemonSet != "cilium" || config.Namespace != "kube-system" || !config.Known {
				t.Errorf("config %+v", config)
			}
			for _, f := range config.Findings() {
				if f.Severity != multihome.SeverityInfo {
					t.Errorf("finding %s", f)
				}
			}
			if options.Talos {
				mustSuitTalos(t, daemonSet(t, objects), options)
			}
		})
	}
}

func daemonSet(t *testing.T, objects []*unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "DaemonSet" })
	if i < 0 {
		t.Fatal("no DaemonSet was rendered")
	}
	return objects[i]
}

// mustSuitTalos looks at the agents' pods.
func mustSuitTalos(t *testing.T, ds *unstructured.Unstructured, options cilium.ValuesOptions) {
	t.Helper()
	text, err := json.Marshal(ds.Object)
	if err != nil {
		t.Fatal(err)
	}
	for _, banned := range []string{"SYS_MODULE", "mount-cgroup", "/run/cilium/cgroupv2"} {
		if strings.Contains(string(text), banned) {
			t.Errorf("the DaemonSet has %s", banned)
		}
	}
	want := `{"name":"KUBERNETES_SERVICE_HOST","value":"localhost"}`
	if strings.Contains(string(text), want) == options.KubeProxy {
		t.Errorf("kube-proxy %t, and %s", options.KubeProxy, want)
	}
	if annotated, _, _ := unstructured.NestedString(ds.Object, "spec", "template", "metadata", "annotations", "cilium.io/cilium-configmap-checksum"); annotated == "" {
		t.Error("agents do not start again with new settings")
	}
}

// TestKeysExist: every value that we set is one of the chart's.
func TestKeysExist(t *testing.T) {
	c := loadChart(t)
	dir, err := chartDir()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	var walk func(path string, ours, theirs map[string]any)
	walk = func(path string, ours, theirs map[string]any) {
		for key, value := range ours {
			at := path + "." + key
			looked++
			known, ok := theirs[key]
			if !ok && !strings.Contains(string(text), "\n  # "+key+": ") { // mentioned with its default, and no value
				t.Errorf("the chart has no value %s", at[1:])
			}
			if inner, isMap := value.(map[string]any); isMap {
				outer, _ := known.(map[string]any)
				walk(at, inner, outer)
			}
		}
	}
	for _, options := range clusters {
		walk("", cilium.HelmValues(options), c.Values)
	}
	if looked < 40 {
		t.Errorf("only %d values were looked at", looked)
	}
}

// values of users, as YAML.
var users = []string{
	"{}",
	"cni: {exclusive: false}",
	"cni: {exclusive: true}",
	"cni: {install: false}",
	"cni: {customConf: true}",
	"cni: {customConf: true, uninstall: true}",
	"cni: {uninstall: true}",
	"cni: {exclusive: false, uninstall: true}",
	"cni: {exclusive: false, configMap: conf}",
	"cni: {chainingMode: portmap}",
	"cni: {chainingMode: generic-veth, chainingTarget: lan}",
	"kubeProxyReplacement: true",
	`kubeProxyReplacement: "true"`,
	`kubeProxyReplacement: "false"`,
	"socketLB: {enabled: true}",
	"socketLB: {enabled: true, hostNamespaceOnly: true}",
	"{kubeProxyReplacement: true, socketLB: {hostNamespaceOnly: false}}",
	"{kubeProxyReplacement: true, gatewayAPI: {enabled: true}}",
	"{kubeProxyReplacement: true, devices: br0}",
	"devices: [eth0, br+]",
	"routingMode: native\nipv4NativeRoutingCIDR: 10.0.0.0/8",
}

// TestCheck: what Check says of values is what Findings say of the cluster
// that Helm makes of them.
func TestCheck(t *testing.T) {
	seen := map[string]bool{}
	for _, text := range users {
		t.Run(text, func(t *testing.T) {
			values := map[string]any{}
			if err := yaml.Unmarshal([]byte(text), &values); err != nil {
				t.Fatal(err)
			}
			config, _ := install(t, values)
			checked := codes(cilium.Check(values, cilium.ValuesOptions{KubeVirt: true}))
			found := codes(config.Findings())
			if diff := cmp.Diff(found, checked); diff != "" {
				t.Errorf("(-of the cluster +of the values):\n%s", diff)
			}
			for _, code := range found {
				seen[code] = true
			}
			merged := loader.MergeMaps(values, cilium.HelmValues(cilium.ValuesOptions{KubeVirt: true}))
			mended, _ := install(t, merged)
			if left := codes(mended.Findings()); len(left) > 0 {
				t.Errorf("with HelmValues over them: %v", left)
			}
		})
	}
	if len(seen) != len(compared) {
		t.Errorf("only %v was ever found", seen)
	}
}

// compared are the rules that values and clusters share.
var compared = []string{"cilium/exclusive", "cilium/socket-lb", "cilium/uninstall"}

func codes(findings []multihome.Finding) []string {
	var out []string
	for _, f := range findings {
		if slices.Contains(compared, f.Code) {
			out = append(out, f.Code)
		}
	}
	slices.Sort(out)
	return out
}

// TestWrongTypes: what Check calls a value of the wrong type, Helm refuses.
func TestWrongTypes(t *testing.T) {
	for _, text := range []string{`cni: {exclusive: "false"}`, "cni: {uninstall: 1}", "rollOutCiliumPods: no-thanks", "kubeProxyReplacement: [true]", "devices: {br0: true}"} {
		values := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &values); err != nil {
			t.Fatal(err)
		}
		findings := cilium.Check(values, cilium.ValuesOptions{Devices: []string{"br0"}})
		if !slices.ContainsFunc(findings, func(f multihome.Finding) bool { return f.Code == "cilium/value" }) {
			t.Errorf("%s: Check takes it: %v", text, findings)
		}
		if _, err := render(t, values); err == nil {
			t.Errorf("%s: Helm takes it", text)
		}
	}
}
