package peers_test

import (
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/kio"
	"sigs.k8s.io/kustomize/kyaml/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/multihome/multihome/multus"
)

// upstream is Multus' own manifest, as this library embeds it.
func upstream(tb testing.TB) []byte {
	tb.Helper()
	manifest, err := os.ReadFile("../../../multus/manifests/v4.3.0.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	return manifest
}

// config asks for what the others are told to do, and gets some fixes more.
var config = multus.Config{
	Namespace: "networks",
	Platform:  multus.Platform{Talos: "v1.13.9", PrimaryCNI: "cilium", Architectures: []string{"amd64", "arm64"}},
}

const kustomization = `
namespace: networks
resources: [multus.yaml]
images:
- name: ghcr.io/k8snetworkplumbingwg/multus-cni
  newTag: v4.3.0-thick
patches:
- target: {kind: DaemonSet}
  patch: |
    - {op: replace, path: /spec/template/spec/containers/0/resources/limits/memory, value: 1Gi}
`

// BenchmarkRender makes objects of upstream's manifest with another namespace,
// image and memory limit. multihome has read the manifest when the program
// started; the others read it each time, as their users do. json is what it costs
// to read it at all, from JSON.
func BenchmarkRender(b *testing.B) {
	manifest := upstream(b)
	renderers := []struct {
		name   string
		render func() error
	}{
		{"multihome", func() error { _, err := multus.Render(config); return err }},
		{"kustomize", func() error { _, err := kustomize(manifest); return err }},
		{"kyaml", func() error { _, err := setWithKyaml(manifest); return err }},
		{"json", readJSON(b, manifest)},
	}
	for _, r := range renderers {
		b.Run(r.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := r.render(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func kustomize(manifest []byte) ([]byte, error) {
	files := filesys.MakeFsInMemory()
	for name, content := range map[string][]byte{"multus.yaml": manifest, "kustomization.yaml": []byte(kustomization)} {
		if err := files.WriteFile(name, content); err != nil {
			return nil, err
		}
	}
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, ".")
	if err != nil {
		return nil, err
	}
	return objects.AsYaml()
}

// setWithKyaml does it with the library below kustomize, and by hand.
func setWithKyaml(manifest []byte) ([]*yaml.RNode, error) {
	objects, err := kio.FromBytes(manifest)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if object.GetNamespace() != "" {
			if err := object.SetNamespace("networks"); err != nil {
				return nil, err
			}
		}
		if object.GetKind() != "DaemonSet" {
			continue
		}
		for _, set := range [][]string{{"ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", "image"}, {"1Gi", "resources", "limits", "memory"}} {
			path := append([]string{"spec", "template", "spec", "containers", "[name=kube-multus]"}, set[1:len(set)-1]...)
			field := yaml.SetField(set[len(set)-1], yaml.NewStringRNode(set[0]))
			if err := object.PipeE(yaml.LookupCreate(yaml.MappingNode, path...), field); err != nil {
				return nil, err
			}
		}
	}
	return objects, nil
}

func readJSON(b *testing.B, manifest []byte) func() error {
	b.Helper()
	objects, err := kio.FromBytes(manifest)
	if err != nil {
		b.Fatal(err)
	}
	texts := make([][]byte, len(objects))
	for i, object := range objects {
		if texts[i], err = sigsyaml.YAMLToJSON([]byte(object.MustString())); err != nil {
			b.Fatal(err)
		}
	}
	return func() error {
		for _, text := range texts {
			if err := new(unstructured.Unstructured).UnmarshalJSON(text); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestRender: the others are told to do what multihome does.
func TestRender(t *testing.T) {
	manifest := upstream(t)
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := kustomize(manifest)
	if err != nil {
		t.Fatal(err)
	}
	fromKustomize, err := kio.FromBytes(rendered)
	if err != nil {
		t.Fatal(err)
	}
	fromKyaml, err := setWithKyaml(manifest)
	if err != nil {
		t.Fatal(err)
	}
	container := bundle.DaemonSets[0].Spec.Template.Spec.Containers[0]
	for name, objects := range map[string][]*yaml.RNode{"kustomize": fromKustomize, "kyaml": fromKyaml} {
		found := false
		for _, object := range objects {
			if object.GetKind() != "DaemonSet" {
				continue
			}
			found = true
			get := func(path ...string) string {
				node, err := object.Pipe(yaml.Lookup(append([]string{"spec", "template", "spec", "containers", "[name=kube-multus]"}, path...)...))
				if err != nil {
					t.Fatal(err)
				}
				return yaml.GetValue(node)
			}
			if object.GetNamespace() != bundle.DaemonSets[0].Namespace || get("image") != container.Image || get("resources", "limits", "memory") == "" {
				t.Errorf("%s: namespace %q, image %q, limit %q; multihome has %q, %q", name, object.GetNamespace(), get("image"), get("resources", "limits", "memory"), bundle.DaemonSets[0].Namespace, container.Image)
			}
		}
		if !found {
			t.Errorf("%s: no DaemonSet", name)
		}
	}
}
