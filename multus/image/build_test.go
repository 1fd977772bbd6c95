package image_test

import (
	"archive/tar"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/multus/image"
)

func (t toys) build(ctx context.Context, options image.BuildOptions) (v1.ImageIndex, error) {
	if options.Version == "" {
		options.Version = toyVersion
	}
	return image.BuildFrom(ctx, options, t.sums, t.toolbox)
}

func (t toys) mustBuild(tb testing.TB, options image.BuildOptions) v1.ImageIndex {
	tb.Helper()
	index, err := t.build(tb.Context(), options)
	if err != nil {
		tb.Fatal(err)
	}
	return index
}

// TestBuild holds what an image has against a golden file, and what its
// programs are against the platform.
func TestBuild(t *testing.T) {
	var told []string
	index := newToys(t).mustBuild(t, image.BuildOptions{
		Plugins: true, Platforms: []string{"linux/arm/v7", "linux/amd64"},
		Progress: func(e image.BuildEvent) {
			if e.Step != image.BuildStepCompile {
				told = append(told, e.String())
			}
		},
	})
	images := imagesOf(t, index)
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm/v7"}, slices.Sorted(maps.Keys(images))); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	machines := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm/v7": elf.EM_ARM}
	var lists []string
	for platform, built := range images {
		var list strings.Builder
		files := filesOf(t, built)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			content := files[name]
			if program, isProgram := strings.CutPrefix(content, "755 \x7fELF"); isProgram {
				file, err := elf.NewFile(strings.NewReader("\x7fELF" + program))
				if err != nil || file.Machine != machines[platform] {
					t.Errorf("%s: %s: is for %v, error %v", platform, name, file.Machine, err)
				}
				content = "program"
			}
			if name == sbomFile || strings.Contains(name, "/std@") {
				continue // the Go release is in it
			}
			fmt.Fprintf(&list, "%s: %s\n", name, strings.ReplaceAll(content, "\n", `\n`))
		}
		lists = append(lists, list.String())
	}
	if lists[0] != lists[1] {
		t.Error("the platforms' images differ in more than their programs")
	}
	golden.Check(t, "testdata/build.txtar", "files", []byte(lists[0]))
	golden.Check(t, "testdata/build.txtar", "progress", []byte(strings.Join(told, "\n")+"\n"))

	// What a DaemonSet and the fixes run.
	for _, programs := range [][]string{nil, {"/plugins/*", "/bin/sh"}} {
		report, err := image.VerifyIndex(t.Context(), "example.com/multus-cni:"+toyVersion, index, image.VerifyOptions{
			Platforms: []string{"linux/amd64", "linux/arm/v7"}, Programs: programs, Whole: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Findings) > 0 {
			t.Errorf("programs %q: %s", programs, report)
		}
	}
}

func TestBuildSaysWhatItIs(t *testing.T) {
	index := newToys(t).mustBuild(t, image.BuildOptions{
		Platforms:   []string{"linux/arm/v7"},
		Annotations: map[string]string{"org.opencontainers.image.source": "https://example.com", "example.com/a": "b"},
	})
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	built := imagesOf(t, index)["linux/arm/v7"]
	config, err := built.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	of, err := built.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"org.opencontainers.image.title":       "multus-cni",
		"org.opencontainers.image.description": "Multus v4.3.0 (thick), built from its Go module by multihome",
		"org.opencontainers.image.version":     "v4.3.0",
		"org.opencontainers.image.source":      "https://example.com",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"github.com/multihome/multihome/go":    manifest.Annotations["github.com/multihome/multihome/go"],
		"example.com/a":                        "b",
	}
	for what, got := range map[string]map[string]string{"index": manifest.Annotations, "image": of.Annotations, "labels": config.Config.Labels} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if !strings.HasPrefix(want["github.com/multihome/multihome/go"], "go1.") {
		t.Errorf("Go release %q", want["github.com/multihome/multihome/go"])
	}
	wantConfig := v1.Config{
		Entrypoint: []string{"/usr/src/multus-cni/bin/multus-daemon"},
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels:     want,
	}
	if diff := cmp.Diff(wantConfig, config.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if got := config.OS + "/" + config.Architecture + "/" + config.Variant; got != "linux/arm/v7" || len(config.History) != len(of.Layers) {
		t.Errorf("platform %s, %d layers in the history of %d", got, len(config.History), len(of.Layers))
	}
}

// TestBuildIsReproducible: not the place, the cache or what else is built at the
// same time change a bit.
func TestBuildIsReproducible(t *testing.T) {
	toys, options := newToys(t), image.BuildOptions{Platforms: []string{"linux/amd64"}}
	first := digestOf(t, toys.mustBuild(t, options))
	again := newToys(t)
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("GOFLAGS", "-tags=nothing")
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			index, err := again.build(t.Context(), options)
			if err != nil {
				t.Error(err)
				return
			}
			if got := digestOf(t, index); got != first {
				t.Errorf("digest %s, the first was %s", got, first)
			}
		})
	}
	running.Wait()
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBuildOptionsProblems(t *testing.T) {
	tests := []struct {
		name    string
		options image.BuildOptions
		want    []string
	}{
		{"old", image.BuildOptions{Version: "v4.0.2"}, []string{"version v4.0.2: is older than v4.1.0, which is the first that builds as a module"}},
		{"no version", image.BuildOptions{Version: "4.3"}, []string{`version "4.3": is none of Multus 4, such as v4.3.0`}},
		{"all at once", image.BuildOptions{
			Version: "latest", Platforms: []string{"arm64", "linux/386", "windows/amd64", "linux/arm64", "linux/arm64/v8"}, Annotations: map[string]string{"": "x"},
		}, []string{
			`version "latest": is none of Multus 4, such as v4.3.0`,
			`platform "arm64": write it as linux/arm64`,
			"platform linux/386: cannot be built; there are linux/amd64, linux/arm64, linux/arm/v7, linux/ppc64le, linux/s390x",
			"platform windows/amd64: cannot be built; there are linux/amd64, linux/arm64, linux/arm/v7, linux/ppc64le, linux/s390x",
			"platform linux/arm64: named twice",
			"annotations: one has no key",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Go = filepath.Join(t.TempDir(), "none") // the options come first
			_, err := image.Build(t.Context(), tt.options)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff("build image: "+strings.Join(tt.want, "\n"), err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBuildErrorsComeFirst: nothing is compiled when the toolchain or a module
// is missing, and nothing is left behind.
func TestBuildErrorsComeFirst(t *testing.T) {
	tests := []struct {
		name    string
		options image.BuildOptions
		change  func(toys)
		want    error
		text    string
	}{
		{name: "no Go", options: image.BuildOptions{Go: "no-such-go"}, want: image.ErrToolchain, text: "no-such-go"},
		{name: "release not served", options: image.BuildOptions{Version: "v4.9.0"}, want: image.ErrModule, text: multusPath + "@v4.9.0"},
		{name: "release changed", change: func(t toys) { t.sums[multusPath] = [2]string{"h1:AAAA", "h1:AAAA"} }, want: image.ErrModule, text: "checksum mismatch"},
		{name: "plugins changed", options: image.BuildOptions{Plugins: true}, change: func(t toys) { t.sums[pluginsPath] = [2]string{"h1:AAAA", "h1:AAAA"} }, want: image.ErrModule, text: pluginsPath},
		{name: "toolbox needs a newer Go", change: func(t toys) { t.toolbox["go.mod"] = "module x\n\ngo 1.999\n" }, want: image.ErrToolchain, text: "go 1.999"},
		{name: "toolbox is no program", change: func(t toys) { t.toolbox["main.go"] = "package lib\n" }, want: image.ErrModule, text: "linux/amd64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			toys := newToys(t)
			if tt.change != nil {
				tt.change(toys)
			}
			tmp := t.TempDir()
			t.Setenv("TMPDIR", tmp)
			tt.options.Platforms = []string{"linux/amd64"}
			tt.options.Progress = func(e image.BuildEvent) {
				if e.Step != image.BuildStepFetch {
					t.Errorf("already: %s", e)
				}
			}
			_, err := toys.build(t.Context(), tt.options)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want %v and %q", err, tt.want, tt.text)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestBuildSaysWhatDoesNotCompile(t *testing.T) {
	toys := newToys(t)
	toys.toolbox["main.go"] = "package main\n\nfunc main() { noSuchName() }\n"
	_, err := toys.build(t.Context(), image.BuildOptions{Platforms: []string{"linux/amd64"}})
	if err == nil || !strings.Contains(err.Error(), "linux/amd64: own sources: for amd64: ") || !strings.Contains(err.Error(), "undefined: noSuchName") {
		t.Errorf("error %v, want the compiler's words", err)
	}
}

// TestBuildEndsWithContext: at each step, with the cause, and nothing is left.
func TestBuildEndsWithContext(t *testing.T) {
	toys := newToys(t)
	steps := []string{"fetch " + multusPath + "@" + toyVersion, "linux/amd64: pack toolbox", "linux/amd64: pack multus"}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	calledOff := errors.New("called off")
	for _, step := range steps {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := toys.build(ctx, image.BuildOptions{Platforms: []string{"linux/amd64"}, Progress: func(e image.BuildEvent) {
			if e.String() == step {
				cancel(calledOff)
			}
		}})
		if !errors.Is(err, calledOff) {
			t.Errorf("at %q: error %v, want the cause", step, err)
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("at %q: left behind: %v, %v", step, left, err)
		}
	}
}

const sbomFile = "/usr/share/sbom/multus-cni.spdx.json"

func digestOf(tb testing.TB, index v1.ImageIndex) string {
	tb.Helper()
	digest, err := index.Digest()
	if err != nil {
		tb.Fatal(err)
	}
	return digest.String()
}

// imagesOf returns the images of an index by platform.
func imagesOf(tb testing.TB, index v1.ImageIndex) map[string]v1.Image {
	tb.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string]v1.Image{}
	for _, entry := range manifest.Manifests {
		if out[entry.Platform.String()], err = index.Image(entry.Digest); err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

// filesOf returns what the files of an image hold, by path: "-> target" for a
// link, "directory", or the content. A mode other than the usual is before it.
func filesOf(tb testing.TB, from v1.Image) map[string]string {
	tb.Helper()
	layers, err := from.Layers()
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string]string{}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			tb.Fatal(err)
		}
		for archive := tar.NewReader(content); ; {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				tb.Fatal(err)
			}
			data, err := io.ReadAll(archive)
			if err != nil {
				tb.Fatal(err)
			}
			text, usual := string(data), int64(0o644)
			switch header.Typeflag {
			case tar.TypeDir:
				text, usual = "directory", 0o755
			case tar.TypeSymlink:
				text, usual = "-> "+header.Linkname, 0o777
			}
			if header.Mode != usual {
				text = fmt.Sprintf("%o %s", header.Mode, text)
			}
			if header.Uid != 0 || header.Gid != 0 || header.ModTime.Unix() != 0 {
				tb.Errorf("%s: owner %d:%d, time %s", header.Name, header.Uid, header.Gid, header.ModTime)
			}
			out["/"+strings.TrimSuffix(header.Name, "/")] = text
		}
	}
	return out
}
