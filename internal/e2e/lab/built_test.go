package lab_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/image"
)

// TestBuiltImage: what image.Build makes of the newest release is taken by containerd as a tarball, runs as the
// daemon, brings the reference plugins, and cleans the node in the end.
func TestBuiltImage(t *testing.T) {
	t.Parallel()
	lab.NeedRoot(t)
	const ref = "lab.invalid/multus-cni:v4.3.0-thick"
	index, err := image.Build(t.Context(), image.BuildOptions{
		Version: "v4.3.0", Platforms: []string{"linux/amd64"}, Plugins: true,
		Progress: func(e image.BuildEvent) {
			if e.Step != image.BuildStepCompile {
				t.Log(e)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := lab.New(t, lab.Options{Layout: lab.TalosOld})
	node := c.Nodes()[0]
	tarball, err := os.Create(filepath.Join(node.Root(), "var", "built.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := image.WriteTarball(index, tarball, ref); err != nil {
		t.Fatal(err)
	}
	if err := tarball.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Run(lab.Context(t), "ctr", "--namespace", "k8s.io", "images", "import", "/var/built.tar"); err != nil {
		t.Fatal(err)
	}
	before := snapshots(t, c)
	kube := newClient(t, c)
	config := multus.Config{Image: ref, ReferencePlugins: multus.ReferencePlugins{Image: ref}}
	install(t, c, kube, config)
	create(t, kube, nad("lan", macvlanConfig), nad("second", bridgeConfig))
	pod := lab.Pod("pod", "lan", "second") // macvlan is not on Talos
	create(t, kube, pod)
	checkNetworks(t, c, pod.Name)

	if err := kube.Delete(lab.Context(t), pod); err != nil {
		t.Fatal(err)
	}
	gone(t, kube, pod)
	installer, err := multus.NewInstaller(kube, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := installer.Uninstall(lab.Context(t), multus.UninstallOptions{}); err != nil {
		t.Fatal(err)
	}
	mustBeAsBefore(t, c, kube, before)
}
