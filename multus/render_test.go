package multus_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/internal/manifest"
	"github.com/multihome/multihome/multus"
)

// TestRenderGolden renders the config.json of every file in testdata/render.
func TestRenderGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/render/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d golden files and error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			bundle := render(t, readConfig(t, file))
			var fixes, findings strings.Builder
			for _, fix := range bundle.Fixes {
				fmt.Fprintln(&fixes, fix.Name)
			}
			for _, finding := range bundle.Findings {
				fmt.Fprintln(&findings, finding)
			}
			golden.Check(t, file, "want.fixes", []byte(fixes.String()))
			golden.Check(t, file, "want.findings", []byte(findings.String()))
			golden.Check(t, file, "want.yaml", toYAML(t, bundle))
			checkBundle(t, bundle)
		})
	}
}

// TestFixGolden applies each fix alone, with the config.json that asks for it,
// and compares what it changes with the golden file: on the oldest and on the
// newest release that it applies to.
func TestFixGolden(t *testing.T) {
	for _, fix := range multus.Fixes() {
		t.Run(fix.Name, func(t *testing.T) {
			file := filepath.Join("testdata", "fixes", fix.Name+".txtar")
			config := readConfig(t, file)
			config.Skip = slices.DeleteFunc(fixNames(), func(name string) bool { return name == fix.Name })
			var applied []string
			for _, config.Version = range multus.Versions() {
				if len(render(t, config).Fixes) > 0 {
					applied = append(applied, config.Version)
				}
			}
			if len(applied) == 0 {
				t.Fatal("applies to no release")
			}
			var got bytes.Buffer
			for _, config.Version = range slices.Compact([]string{applied[0], applied[len(applied)-1]}) {
				fmt.Fprintln(&got, config.Version)
				for _, line := range changes(renderObjects(t, bare(config.Version)), renderObjects(t, config)) {
					fmt.Fprintln(&got, line)
				}
			}
			golden.Check(t, file, "want.changes", got.Bytes())
		})
	}
}

// TestRenderWithoutFixesIsUpstream: nothing is changed beside the fixes.
func TestRenderWithoutFixesIsUpstream(t *testing.T) {
	for _, version := range multus.Versions() {
		t.Run(version, func(t *testing.T) {
			bundle := render(t, bare(version))
			if len(bundle.Fixes) > 0 || bundle.Version != version {
				t.Errorf("got version %s and fixes %v", bundle.Version, bundle.Fixes)
			}
			file, _, _ := strings.Cut(manifestOf(version), " ")
			for _, line := range changes(readObjects(t, file), renderObjects(t, bare(version))) {
				t.Error(line)
			}
		})
	}
}

// manifestOf is the oldest embedded manifest that is not newer than version.
func manifestOf(version string) string {
	files, _ := filepath.Glob("manifests/*.yaml")
	slices.Sort(files) // all numbers have one digit
	i, found := slices.BinarySearch(files, "manifests/"+version+".yaml")
	if !found {
		i--
	}
	return files[i]
}

// TestRenderEveryVersion holds every release on every kind of platform
// against the Kubernetes types.
func TestRenderEveryVersion(t *testing.T) {
	platforms := map[string]multus.Platform{
		"generic":      {},
		"talos cilium": {Talos: "v1.13.9", PrimaryCNI: "cilium"},
		"talos old":    {Talos: "v1.7.0", PrimaryCNI: "flannel"},
	}
	for _, version := range multus.Versions() {
		for name, platform := range platforms {
			t.Run(version+" "+name, func(t *testing.T) {
				checkBundle(t, render(t, multus.Config{
					Version: version, Platform: platform, Namespace: "multus",
					ArchImages: map[string]string{"arm64": "registry.example.com/multus:self-built"},
				}))
			})
		}
	}
}

// TestRenderIsStable: the same bytes every time, also at the same time.
func TestRenderIsStable(t *testing.T) {
	config := readConfig(t, "testdata/render/everything.txtar")
	want := toYAML(t, render(t, config))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 25 {
				bundle, err := multus.Render(config)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := bundle.YAML(); err != nil || !bytes.Equal(want, got) {
					t.Errorf("error %v, YAML (-first +now):\n%s", err, cmp.Diff(string(want), string(got)))
					return
				}
			}
		})
	}
	group.Wait()
}

// TestRenderSharesNothing: what a caller does to a Bundle or to its Config
// afterwards is seen by nobody else.
func TestRenderSharesNothing(t *testing.T) {
	const file = "testdata/render/everything.txtar"
	config, same := readConfig(t, file), readConfig(t, file)
	first := render(t, config)
	want := toYAML(t, first)
	if diff := cmp.Diff(same, config); diff != "" {
		t.Errorf("config changed by Render (-want +got):\n%s", diff)
	}

	scribble(reflect.ValueOf(&config))
	if diff := cmp.Diff(string(want), string(toYAML(t, first))); diff != "" {
		t.Errorf("bundle changed by a change of its config (-want +got):\n%s", diff)
	}

	scribble(reflect.ValueOf(first))
	second := render(t, same)
	if diff := cmp.Diff(string(want), string(toYAML(t, second))); diff != "" {
		t.Errorf("bundle changed by a change of another (-want +got):\n%s", diff)
	}
	if cmp.Equal(first.Fixes, second.Fixes) || cmp.Equal(first.Findings, second.Findings) {
		t.Error("scribble left fixes or findings as they were")
	}

	versions, fixes := multus.Versions(), multus.Fixes()
	versions[0], fixes[0].Name = "scribbled", "scribbled"
	if multus.Versions()[0] == "scribbled" || multus.Fixes()[0].Name == "scribbled" {
		t.Error("Versions or Fixes share their slice")
	}
}

// TestRenderSkip skips every set of fixes there is: none needs another.
func TestRenderSkip(t *testing.T) {
	names := fixNames()
	config := multus.Config{Version: "v4.0.2", Platform: multus.Platform{Talos: "v1.13.9", PrimaryCNI: "cilium"}}
	for set := range 1 << len(names) {
		config.Skip = nil
		for i, name := range names {
			if set&(1<<i) != 0 {
				config.Skip = append(config.Skip, name)
			}
		}
		for _, fix := range render(t, config).Fixes {
			if slices.Contains(config.Skip, fix.Name) {
				t.Errorf("%s was applied although skip is %q", fix.Name, config.Skip)
			}
		}
	}
}

func bare(version string) multus.Config {
	return multus.Config{Version: version, Skip: fixNames()}
}

func fixNames() []string {
	var names []string
	for _, fix := range multus.Fixes() {
		names = append(names, fix.Name)
	}
	return names
}

// readConfig decodes the section config.json strictly.
func readConfig(t testing.TB, file string) multus.Config {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(golden.Section(t, golden.Archive(t, file), "config.json")))
	decoder.DisallowUnknownFields()
	var config multus.Config
	if err := decoder.Decode(&config); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return config
}

func render(t testing.TB, config multus.Config) *multus.Bundle {
	t.Helper()
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func toYAML(t testing.TB, bundle *multus.Bundle) []byte {
	t.Helper()
	out, err := bundle.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func renderObjects(t testing.TB, config multus.Config) []*unstructured.Unstructured {
	t.Helper()
	objects, err := manifest.Parse(toYAML(t, render(t, config)))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}
