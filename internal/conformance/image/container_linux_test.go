package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome/multus"
)

// containers runs, in the root file system that the image makes, what the
// containers of a DaemonSet run: of the rendered manifest, and of upstream's as
// it is.
func containers(t *testing.T, index v1.ImageIndex, release string) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Error("not root: what runs in a container is not tested")
		}
		t.Skip("not root: NOT RUN: what a DaemonSet runs in the image's file system")
	}
	root := rootOf(t, index)
	pod := podOf(t, multus.Config{Version: release, Platform: multus.Platform{Talos: "v1.13.9"}})
	const bin, conf = "/host/opt/cni/bin", "/host/etc/cni/net.d"
	for _, dir := range []string{bin, conf} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range pod.InitContainers {
		run(t, root, 0, c.Command, c.Env)
	}
	want := []string{".multihome", "multus-shim", "passthru"}
	want = append(want, names(t, root+"/plugins")...)
	slices.Sort(want)
	if diff := cmp.Diff(want, names(t, root+bin)); diff != "" {
		t.Errorf("on the node (-want +got):\n%s", diff)
	}
	for name, from := range map[string]string{"multus-shim": "/usr/src/multus-cni/bin/multus-shim", "macvlan": "/plugins/macvlan"} {
		same(t, root+from, root+filepath.Join(bin, name))
	}

	// v4.2.1 and v4.2.2 copy with a shell, earlier releases with cp alone.
	for _, old := range []string{"v4.1.4", "v4.2.2"} {
		for _, name := range []string{"multus-shim", "passthru"} {
			if err := os.Remove(filepath.Join(root, bin, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		asItIs := podOf(t, multus.Config{Version: old, Skip: []string{"shim-install"}})
		run(t, root, 0, asItIs.InitContainers[0].Command, nil)
		same(t, root+"/usr/src/multus-cni/bin/multus-shim", root+filepath.Join(bin, "multus-shim"))
	}

	probe := pod.Containers[0].StartupProbe.Exec.Command
	run(t, root, 1, probe, nil)
	if err := os.WriteFile(root+conf+"/00-multus.conf", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, root, 0, probe, nil)

	// The daemon finds its user, without which it crashes, and then misses the
	// API server.
	const config = `{"cniVersion":"0.3.1","cniConfigDir":"/host/etc/cni/net.d","multusConfigFile":"auto","multusAutoconfigDir":"/host/etc/cni/net.d","socketDir":"/host/run/multus","multusMasterCNI":"10-a.conflist","logToStderr":true,"logLevel":"verbose"}`
	for name, content := range map[string]string{
		conf + "/10-a.conflist": `{"cniVersion":"0.3.1","name":"a","plugins":[{"type":"ptp"}]}`,
		"/config.json":          config,
	} {
		if err := os.WriteFile(root+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t, root, 3, []string{"/usr/src/multus-cni/bin/multus-daemon", "-config", "/config.json"}, nil)
	if !strings.Contains(out, "failed to create the server") {
		t.Errorf("the daemon ended otherwise: %s", out)
	}
}

func podOf(t *testing.T, config multus.Config) corev1.PodSpec {
	t.Helper()
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	return bundle.DaemonSets[0].Spec.Template.Spec
}

// run runs a command in the root file system and returns what it prints.
func run(t *testing.T, root string, status int, command []string, env []corev1.EnvVar) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	if !filepath.IsAbs(command[0]) {
		c.Path = "/bin/" + command[0] // where the image's PATH leads
		c.Err = nil
	}
	c.Dir = "/"
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MESSAGE=/message"}
	for _, variable := range env {
		c.Env = append(c.Env, variable.Name+"="+variable.Value)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	out, err := c.CombinedOutput()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != status {
		t.Errorf("%q: %v, want status %d: %s", command, err, status, out)
	} else {
		t.Logf("%.60q: status %d: %s", command, status, bytes.TrimSpace(out))
	}
	return string(out)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, entry := range entries {
		out = append(out, entry.Name())
	}
	return out
}

func same(t *testing.T, a, b string) {
	t.Helper()
	want, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(b)
	if err != nil || !bytes.Equal(want, got) {
		t.Errorf("%s is not %s: %v", b, a, err)
	}
}

// rootOf unpacks this machine's image.
func rootOf(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, entry := range manifest.Manifests {
		if entry.Platform.Architecture != runtime.GOARCH {
			continue
		}
		image, err := index.Image(entry.Digest)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range layers {
			content, err := layer.Uncompressed()
			if err != nil {
				t.Fatal(err)
			}
			extract(t, content, root)
		}
	}
	return root
}

func extract(t *testing.T, content io.Reader, root string) {
	t.Helper()
	made := map[string]error{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(root, header.Name)
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(at, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(header.Linkname, at)
		default:
			var file *os.File
			if file, err = os.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, header.FileInfo().Mode()); err == nil {
				_, err = io.Copy(file, archive)
				err = errors.Join(err, file.Close())
			}
		}
		made[header.Name] = err
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		if made[name] != nil {
			t.Error(made[name])
		}
	}
}
