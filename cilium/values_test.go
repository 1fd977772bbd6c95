package cilium_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/internal/golden"
)

// optionSets are all kinds of clusters that values are made for.
var optionSets = map[string]cilium.ValuesOptions{
	"multus":           {},
	"kubevirt":         {KubeVirt: true},
	"talos":            {Talos: true},
	"talos-kube-proxy": {Talos: true, KubeProxy: true},
	"talos-everything": {Talos: true, KubeVirt: true, KubePrismPort: 7446, Devices: []string{"br0", "eno+"}},
}

func TestHelmValues(t *testing.T) {
	for name, options := range optionSets {
		t.Run(name, func(t *testing.T) {
			values := cilium.HelmValues(options)
			text, err := yaml.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/values/"+name+".txtar", "values.yaml", text)
			if findings := cilium.Check(values, options); len(findings) > 0 {
				t.Errorf("Check finds in them: %v", texts(findings))
			}
			// A decoder has another type for the port, and no other difference.
			decoded := decode(t, text)
			if port, ok := decoded["k8sServicePort"].(float64); ok {
				decoded["k8sServicePort"] = int(port)
			}
			if diff := cmp.Diff(values, decoded); diff != "" {
				t.Errorf("read back from YAML (-want +got):\n%s", diff)
			}
			values["cni"].(map[string]any)["exclusive"] = true
			if again := cilium.HelmValues(options); again["cni"].(map[string]any)["exclusive"] != false {
				t.Error("two calls share a map")
			}
		})
	}
}

func decode(tb testing.TB, text []byte) map[string]any {
	tb.Helper()
	values := map[string]any{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		tb.Fatal(err)
	}
	return values
}

// TestCheck judges values of users: each file has the values and what the
// cluster is.
func TestCheck(t *testing.T) {
	files, err := filepath.Glob("testdata/check/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive := golden.Archive(t, file)
			var options cilium.ValuesOptions
			if err := json.Unmarshal(golden.Section(t, archive, "options.json"), &options); err != nil {
				t.Fatal(err)
			}
			values := decode(t, golden.Section(t, archive, "values.yaml"))
			before := string(indented(t, values))
			findings := cilium.Check(values, options)
			golden.Check(t, file, "findings", []byte(strings.Join(texts(findings), "\n")))
			if after := string(indented(t, values)); after != before {
				t.Errorf("the values were changed: %s", after)
			}
			for _, f := range cilium.Check(merge(values, cilium.HelmValues(options)), options) {
				if f.Severity != multihome.SeverityInfo && f.Code != "cilium/value" && f.Path != "bpf.hostLegacyRouting" {
					t.Errorf("HelmValues do not mend %s", f)
				}
			}
		})
	}
	if findings := cilium.Check(map[string]any{"devices": []string{"br0"}, "cni": map[string]any{"exclusive": false}, "rollOutCiliumPods": true}, cilium.ValuesOptions{Devices: []string{"br0", "!eth1"}}); len(findings) > 0 {
		t.Errorf("a []string: %v", findings)
	}
}

// merge lays values over others as Helm does.
func merge(under, over map[string]any) map[string]any {
	out := maps.Clone(under)
	if out == nil {
		out = map[string]any{}
	}
	for key, value := range over {
		upper, isMap := value.(map[string]any)
		if lower, ok := out[key].(map[string]any); ok && isMap {
			value = merge(lower, upper)
		}
		out[key] = value
	}
	return out
}

// TestValuesOptionsCopy: a copy is equal and shares nothing, and JSON keeps
// every field, as a CRD that embeds the options needs it.
func TestValuesOptionsCopy(t *testing.T) {
	options := cilium.ValuesOptions{Talos: true, KubeVirt: true, KubeProxy: true, KubePrismPort: 7446, Devices: []string{"bond0"}}
	for field, value := range reflect.ValueOf(options).Fields() {
		if value.IsZero() {
			t.Errorf("%s is not set: this test proves nothing for it", field.Name)
		}
	}
	var copied, read cilium.ValuesOptions
	options.DeepCopyInto(&copied)
	text, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for _, got := range []cilium.ValuesOptions{copied, read} {
		if diff := cmp.Diff(options, got); diff != "" {
			t.Errorf("copy (-want +got):\n%s", diff)
		}
	}
	copied.Devices[0] = "eth0"
	if options.Devices[0] != "bond0" {
		t.Error("a copy shares its devices")
	}
}
