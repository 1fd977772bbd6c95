package multus_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/multihome/multihome/internal/manifest"
	"github.com/multihome/multihome/multus"
)

// TestManifestsHaveWhatFixesLookFor: a fix that looked for a name in vain
// would do nothing, without a word.
func TestManifestsHaveWhatFixesLookFor(t *testing.T) {
	files, err := filepath.Glob("manifests/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d manifests and error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ds := daemonSetOf(t, file)
			spec := ds.Spec.Template.Spec
			if names := containerNames(spec.Containers); !slices.Equal(names, []string{"kube-multus"}) {
				t.Errorf("containers: got %q", names)
			}
			if names := containerNames(spec.InitContainers); !slices.Equal(names, []string{"install-multus-binary"}) {
				t.Errorf("init containers: got %q", names)
			}
			for name, want := range map[string]string{"host-run-netns": "/run/netns/", "cnibin": "/opt/cni/bin"} {
				i := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
				if i < 0 || spec.Volumes[i].HostPath == nil || spec.Volumes[i].HostPath.Path != want {
					t.Errorf("volume %s is not host path %s", name, want)
				}
			}
			if ds.Labels["name"] == "" || ds.Labels["name"] != ds.Spec.Selector.MatchLabels["name"] || ds.Labels["name"] != ds.Spec.Template.Labels["name"] {
				t.Error("label name is not the same on DaemonSet, selector and pods")
			}
			if spec.Affinity != nil {
				t.Error("upstream sets an affinity, which the arm64 fix would replace")
			}
		})
	}
}

// TestManifestsAreAllUsed: each embedded manifest stands for some release.
func TestManifestsAreAllUsed(t *testing.T) {
	files, err := filepath.Glob("manifests/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		want := readObjects(t, file)
		used := slices.ContainsFunc(multus.Versions(), func(version string) bool {
			return len(changes(want, renderObjects(t, bare(version)))) == 0
		})
		if !used {
			t.Errorf("no release renders to %s when every fix is skipped", file)
		}
	}
}

func containerNames(containers []corev1.Container) []string {
	var names []string
	for _, c := range containers {
		names = append(names, c.Name)
	}
	return names
}

func daemonSetOf(t *testing.T, file string) *appsv1.DaemonSet {
	t.Helper()
	for _, object := range readObjects(t, file) {
		if object.GetKind() == "DaemonSet" {
			ds := &appsv1.DaemonSet{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, ds, true); err != nil {
				t.Fatal(err)
			}
			return ds
		}
	}
	t.Fatalf("%s has no DaemonSet", file)
	return nil
}

func readObjects(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}
