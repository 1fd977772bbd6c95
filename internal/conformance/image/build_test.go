package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/multihome/multihome/multus/image"
)

var all = flag.Bool("all", false, "build v4.2.4 too")

// releases that are built.
func releases() []string {
	if *all {
		return []string{"v4.3.0", "v4.2.4"}
	}
	return []string{"v4.3.0"}
}

func build(t *testing.T, release string, platforms ...string) v1.ImageIndex {
	t.Helper()
	start, packages := time.Now(), 0
	index, err := image.Build(t.Context(), image.BuildOptions{
		Version: release, Plugins: true, Platforms: platforms,
		Progress: func(e image.BuildEvent) {
			if e.Step == image.BuildStepCompile {
				packages++
				return
			}
			t.Log(e)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("built in %s, %d packages compiled", time.Since(start).Round(time.Second), packages)
	return index
}

func TestBuild(t *testing.T) {
	for _, release := range releases() {
		t.Run(release, func(t *testing.T) {
			index := build(t, release)
			images := images(t, index)
			t.Run("verify", func(t *testing.T) { verify(t, index, release) })
			t.Run("starts", func(t *testing.T) {
				for arch, files := range images {
					starts(t, arch, release, files)
				}
			})
			t.Run("containers", func(t *testing.T) { containers(t, index, release) })
			t.Run("documents", func(t *testing.T) {
				for _, files := range images {
					documents(t, files)
				}
			})
			t.Run("again", func(t *testing.T) {
				t.Setenv("TMPDIR", t.TempDir())
				t.Setenv("GOFLAGS", "-tags=nothing -ldflags=-X=a=b")
				want, got := digest(t, index), digest(t, build(t, release, "linux/arm64"))
				if want != got {
					t.Errorf("the second build is %s, the first %s", got, want)
				}
			})
		})
	}
}

// digest is that of the image for arm64.
func digest(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range manifest.Manifests {
		if entry.Platform.Architecture == "arm64" {
			return entry.Digest.String()
		}
	}
	t.Fatal("no image for arm64")
	return ""
}

// verify holds the image against what manifests and fixes run in it.
func verify(t *testing.T, index v1.ImageIndex, release string) {
	report, err := image.VerifyIndex(t.Context(), "example.com/multus-cni:"+release+"-thick", index, image.VerifyOptions{Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil || len(report.Findings) > 0 {
		t.Errorf("%v\n%s", err, report)
	}
	report, err = image.VerifyIndex(t.Context(), "plugins", index, image.VerifyOptions{Programs: []string{"/plugins/*", "/bin/sh"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Error(err)
	}
}

// images returns the files of each image, by architecture and path.
func images(t *testing.T, index v1.ImageIndex) map[string]map[string][]byte {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string][]byte{}
	for _, entry := range manifest.Manifests {
		image, err := index.Image(entry.Digest)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		files, size := map[string][]byte{}, int64(0)
		for _, layer := range layers {
			n, err := layer.Size()
			if err != nil {
				t.Fatal(err)
			}
			size += n
			unpack(t, layer, files)
		}
		unpacked := 0
		for _, content := range files {
			unpacked += len(content)
		}
		t.Logf("%s: %d MB, %d MB unpacked", entry.Platform, size>>20, unpacked>>20)
		out[entry.Platform.Architecture] = files
	}
	return out
}

func unpack(t *testing.T, layer v1.Layer, files map[string][]byte) {
	t.Helper()
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files["/"+header.Name] = data
	}
}

// emulator returns the command that runs programs of an architecture, empty for
// this machine's own.
func emulator(t *testing.T, arch string) (command []string, ok bool) {
	t.Helper()
	if arch == runtime.GOARCH {
		return nil, true
	}
	cpu := map[string]string{"arm64": "aarch64", "amd64": "x86_64"}[arch]
	for _, name := range []string{"qemu-" + cpu + "-static", "qemu-" + cpu} {
		if found, err := exec.LookPath(name); err == nil {
			return []string{found}, true
		}
	}
	const said = "no qemu-%s here: NOT RUN: that programs for %s start (Debian: apt-get install qemu-user-static)"
	if os.Getenv("CI") == "true" {
		t.Errorf(said, cpu, arch)
	} else {
		t.Logf(said, cpu, arch)
	}
	return nil, false
}

// starts runs programs of the image. The daemon's own status after -version is
// 4.
func starts(t *testing.T, arch, release string, files map[string][]byte) {
	emulator, ok := emulator(t, arch)
	if !ok {
		return
	}
	const bin = "/usr/src/multus-cni/bin/"
	tests := []struct {
		program string
		args    []string
		status  int
		want    string
	}{
		{bin + "multus-daemon", []string{"-version"}, 4, "version:" + release + "(built by multihome)"},
		{bin + "multus-shim", []string{"-version"}, 0, release},
		{bin + "install_multus", []string{"--help"}, 1, "specify installer type"},
		{bin + "passthru", nil, 0, "Passthrough CNI Plugin"},
		{"/plugins/macvlan", nil, 0, "v1.9.1"},
		{"/bin/toolbox", []string{"sh", "-c", `x=$(echo a | cat) && for i in 1 2; do echo "$x$i"; done | grep a2; exit 7`}, 7, "a2"},
	}
	for _, tt := range tests {
		program := filepath.Join(t.TempDir(), path.Base(tt.program))
		if err := os.WriteFile(program, files[tt.program], 0o755); err != nil {
			t.Fatal(err)
		}
		args := append(append(slices.Clone(emulator), program), tt.args...)
		command := exec.CommandContext(t.Context(), args[0], args[1:]...)
		command.Env = []string{}
		out, err := command.CombinedOutput()
		status := command.ProcessState.ExitCode()
		if status != tt.status || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s %s %q: status %d, want %d; error %v; output, want %q:\n%s", arch, tt.program, tt.args, status, tt.status, err, tt.want, out)
			continue
		}
		t.Logf("%s %s %q: status %d: %s", arch, tt.program, tt.args, status, bytes.TrimSpace(out))
	}
}

// documents looks for the licences of all modules and reads the SBOM.
func documents(t *testing.T, files map[string][]byte) {
	var sbom struct {
		Packages []struct{ Name, VersionInfo string }
	}
	if err := json.Unmarshal(files["/usr/share/sbom/multus-cni.spdx.json"], &sbom); err != nil {
		t.Fatal(err)
	}
	var without, modules []string
	for _, p := range sbom.Packages[2:] { // the image itself and toolbox come first
		dir := "/usr/share/licenses/" + p.Name + "@" + p.VersionInfo + "/"
		modules = append(modules, p.Name)
		found := false
		for name, text := range files {
			found = found || strings.HasPrefix(name, dir) && len(text) > 0
		}
		if !found {
			without = append(without, p.Name)
		}
	}
	if diff := cmp.Diff([]string(nil), without); diff != "" {
		t.Errorf("modules without a licence (-want +got):\n%s", diff)
	}
	for _, name := range []string{"std", "k8s.io/client-go", "mvdan.cc/sh/v3", "gopkg.in/k8snetworkplumbingwg/multus-cni.v4", "github.com/containernetworking/plugins"} {
		if !slices.Contains(modules, name) {
			t.Errorf("the SBOM lacks %s; it has %q", name, modules)
		}
	}
}
