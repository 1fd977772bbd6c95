package talos_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/talos"
)

const object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"

func TestInlineManifestPatch(t *testing.T) {
	manifest, err := os.ReadFile("testdata/manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := []byte("machine:\n  type: controlplane\ncluster:\n  inlineManifests:\n    - name: other\n      contents: a\n    - name: multus\n      contents: old\n")
	for _, version := range []string{"v1.7.6", "v1.13.9", "v1.14.1"} {
		p, err := talos.InlineManifestPatch(version, "multus", manifest)
		if err != nil {
			t.Fatal(err)
		}
		once, err := p.Apply(config)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := p.Apply(once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s: a second time: %v\n%s", version, err, twice)
		}
		golden.Check(t, "testdata/manifest.txtar", version+"-patch.yaml", p.YAML())
		golden.Check(t, "testdata/manifest.txtar", version+"-applied.yaml", once)
		if _, err := p.Apply([]byte("machine:\n  type: worker\n")); err == nil || !strings.Contains(err.Error(), "only control planes") {
			t.Errorf("%s: on a worker: %v", version, err)
		}
		if patches, err := p.Patches(); (err == nil) != (version != "v1.14.1") {
			t.Errorf("%s: %d patches, error %v", version, len(patches), err)
		}
	}
}

func TestInlineManifestPatchRefuses(t *testing.T) {
	tests := []struct {
		name     string
		manifest string
		want     string
	}{
		{"nothing", "# nothing\n", "manifest: Required value: at least one object"},
		{"a list", "- a\n", "manifest[0]: Invalid value: must be a Kubernetes object: not a mapping"},
		{"not YAML", "a: [secretsecret", "manifest[0]: Invalid value: must be a Kubernetes object: yaml: while parsing a flow sequence at <unknown position>: line 1: did not find expected ',' or ']'"},
		{"a wrong type", "kind: [secretsecret]", "manifest[0]: Invalid value: must be a Kubernetes object: yaml: construct errors: line 1: cannot construct !!seq into string"},
		{"no kind", object + "---\na: b\n", "manifest[1]: Required value: apiVersion and kind"},
		{"no name", "apiVersion: v1\nkind: ConfigMap\n", "manifest[0].metadata.name: Required value: ConfigMap needs a name"},
		{"a List", "apiVersion: v1\nkind: List\nitems: []\n", "manifest[0].kind: Forbidden: a List: Talos applies objects; separate them by ---"},
		{
			"a namespace too many", "apiVersion: v1\nkind: ClusterRole\nmetadata: {name: a, namespace: b}\n",
			"manifest[0].metadata.namespace: Forbidden: ClusterRole a has no namespace",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := talos.InlineManifestPatch("v1.13.9", "a", []byte(test.manifest)); text(err) != test.want {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
	if _, err := talos.InlineManifestPatch("v1.13.9", "A b", []byte(object)); err == nil || !strings.HasPrefix(err.Error(), "name: Invalid value") {
		t.Errorf("a name with a blank: %v", err)
	}
}

func TestManifestSize(t *testing.T) {
	large := func(size int) []byte {
		return append([]byte(object), bytes.Repeat([]byte("#"), size-len(object))...)
	}
	var tooLarge *talos.SizeError
	if _, err := talos.InlineManifestPatch("v1.13.9", "a", large(talos.MaxSize+1)); !errors.As(err, &tooLarge) || tooLarge.Size != talos.MaxSize+1 {
		t.Errorf("%v", err)
	}
	p, err := talos.InlineManifestPatch("v1.13.9", "a", large(talos.MaxMaintenanceSize+1))
	if err != nil || len(p.Findings) != 1 || p.Findings[0].Code != "talos/manifest-size" {
		t.Errorf("%v, error %v", p.Findings, err)
	}
	if err := talos.CheckSize(large(talos.MaxMaintenanceSize), talos.MaxMaintenanceSize); err != nil {
		t.Error(err)
	}
}

func TestCombineManifests(t *testing.T) {
	for _, version := range []string{"v1.13.9", "v1.14.1"} {
		a, err := talos.InlineManifestPatch(version, "a", []byte(object))
		if err != nil {
			t.Fatal(err)
		}
		b, err := talos.InlineManifestPatch(version, "b", []byte(object))
		if err != nil {
			t.Fatal(err)
		}
		none, err := talos.NoCNIPatch(version, talos.NoCNIConfig{DisableKubeProxy: true})
		if err != nil {
			t.Fatal(err)
		}
		bridge, err := talos.BridgePatch(version, talos.BridgeConfig{Name: "br0", Links: []string{"eno1"}, DHCPv4: true})
		if err != nil {
			t.Fatal(err)
		}
		all, err := talos.Combine(bridge, none, a, b)
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "testdata/combined.txtar", version+".yaml", all.YAML())
		if _, err := talos.Combine(a, b, a); err == nil || !strings.HasPrefix(err.Error(), "patches[2]: Duplicate value") {
			t.Errorf("%s: one name twice: %v", version, err)
		}
	}
}

func TestNoCNIPatch(t *testing.T) {
	configs := map[string]string{
		"controlplane": "machine:\n  type: controlplane\ncluster:\n  network:\n    cni:\n      name: custom\n      urls: [https://example.org/cni.yaml]\n    podSubnets: [10.244.0.0/16]\n",
		"worker":       "machine:\n  type: worker\n",
		"documents": "machine:\n  type: controlplane\n---\napiVersion: v1alpha1\nkind: KubeFlannelCNIConfig\nbackendType: vxlan\n---\n" +
			"apiVersion: v1alpha1\nkind: KubeProxyConfig\nimage: registry.k8s.io/kube-proxy:v1.37.0\n",
	}
	for _, version := range []string{"v1.11.6", "v1.14.1"} {
		p, err := talos.NoCNIPatch(version, talos.NoCNIConfig{DisableKubeProxy: true})
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "testdata/nocni.txtar", version+"-patch.yaml", p.YAML())
		for _, name := range []string{"controlplane", "worker", "documents"} {
			once, err := p.Apply([]byte(configs[name]))
			if err != nil {
				t.Fatal(err)
			}
			if twice, err := p.Apply(once); err != nil || !bytes.Equal(once, twice) {
				t.Errorf("%s %s: a second time: %v\n%s", version, name, err, twice)
			}
			golden.Check(t, "testdata/nocni.txtar", version+"-"+name+".yaml", once)
		}
	}
}

func TestNoCNIPatchForms(t *testing.T) {
	tests := []struct {
		name    string
		version string
		form    talos.Form
		want    string
	}{
		{"legacy", "v1.14.1", talos.FormLegacy, ""},
		{"documents", "v1.14.1", talos.FormDocuments, ""},
		{"no documents yet", "v1.13.9", talos.FormDocuments, "form: Kubernetes configuration as documents is not supported by Talos v1.13.9, it needs at least v1.14"},
		{"unknown", "v1.14.1", "xml", `form: unsupported value "xml": supported values: "legacy", "documents"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := talos.NoCNIPatch(test.version, talos.NoCNIConfig{Form: test.form})
			if text(err) != test.want || (err == nil) != strings.Contains(p.String(), "CNI") && !strings.Contains(p.String(), "cni") {
				t.Errorf("got %v\n%s", err, p)
			}
		})
	}
}
