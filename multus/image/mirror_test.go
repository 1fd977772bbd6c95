package image_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/image"
)

// source is a registry that stands for those on the internet, with every image
// of a Bundle.
func source(t testing.TB) (*server, image.RegistryOptions) {
	t.Helper()
	s := serve(t, nil)
	push(t, s, "k8snetworkplumbingwg/multus-cni:v4.3.0-thick", rightIndex(t))
	push(t, s, "home-operations/cni-plugins:1.9.1", indexOf(t, labelled{"linux/amd64", imageOf(t, "linux/amd64", layerOf(t, file{name: "plugins/macvlan", body: program("amd64")}))}))
	push(t, s, "own/multus", indexOf(t, labelled{"linux/arm64", multusImage(t, "arm64")}))
	return s, image.RegistryOptions{Mirrors: map[string][]string{"ghcr.io": {s.host}, "registry.example.com": {s.host}}}
}

func render(t testing.TB, config multus.Config) *multus.Bundle {
	t.Helper()
	bundle, err := multus.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func TestMirror(t *testing.T) {
	_, from := source(t)
	sidecar := multus.Patch{Name: "sidecar", Apply: func(b *multus.Bundle) error {
		spec := &b.DaemonSets[0].Spec.Template.Spec
		spec.Containers = append(spec.Containers, corev1.Container{Name: "sidecar", Image: "registry.example.com/own/multus"})
		return nil
	}}
	tests := []struct {
		name   string
		config multus.Config
		want   []string // repositories and tags below the target
	}{
		{"default", multus.Config{}, []string{"k8snetworkplumbingwg/multus-cni:v4.3.0-thick"}},
		{"plugins", multus.Config{Platform: multus.Platform{Talos: "v1.13.9"}}, []string{"home-operations/cni-plugins:1.9.1", "k8snetworkplumbingwg/multus-cni:v4.3.0-thick"}},
		{"an image for arm64", multus.Config{ArchImages: map[string]string{"arm64": "registry.example.com/own/multus"}, Namespace: "networks"}, []string{"k8snetworkplumbingwg/multus-cni:v4.3.0-thick", "own/multus:latest"}},
		{"another registry before", multus.Config{Registry: "registry.example.com"}, []string{"k8snetworkplumbingwg/multus-cni:v4.3.0-thick"}},
		{"patched", multus.Config{Patches: []multus.Patch{sidecar}}, []string{"k8snetworkplumbingwg/multus-cni:v4.3.0-thick", "own/multus:latest"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			to := serve(t, nil)
			bundle := render(t, test.config)
			before := bundle.Images()
			var events []image.MirrorEvent
			options := image.MirrorOptions{Registry: from, Progress: func(e image.MirrorEvent) { events = append(events, e) }}
			config, err := image.Mirror(t.Context(), bundle, to.host+"/mirror", options)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, ref := range render(t, config).Images() {
				name, digest, _ := strings.Cut(ref, "@")
				got = append(got, strings.TrimPrefix(name, to.host+"/mirror/"))
				if resolved, err := image.Resolve(t.Context(), name, image.ResolveOptions{}); err != nil || resolved != name+"@"+digest {
					t.Errorf("the tag is %q, %v; want %q", resolved, err, ref)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("images of the new Config (-want +got):\n%s", diff)
			}
			if !slices.Equal(before, bundle.Images()) || config.Namespace != test.config.Namespace {
				t.Errorf("the bundle or its Config changed: %q, %+v", bundle.Images(), config)
			}
			// This registry keeps the blobs of all repositories in one place.
			if first := events[0]; first.Skipped || !strings.Contains(first.String(), " copied") {
				t.Errorf("first time: %s", first)
			}

			// What is there is not copied again.
			count := len(events)
			events = nil
			again, err := image.Mirror(t.Context(), bundle, to.host+"/mirror", options)
			if err != nil {
				t.Fatal(err)
			}
			if len(events) != len(test.want) || count <= len(events) {
				t.Errorf("%d events, then %d", count, len(events))
			}
			for _, e := range events {
				if !e.Skipped || !strings.Contains(e.String(), "was there already") {
					t.Errorf("second time: %s", e)
				}
			}
			if !slices.Equal(render(t, again).Images(), render(t, config).Images()) {
				t.Errorf("second time: %q", render(t, again).Images())
			}
		})
	}
}

// TestMirrorResumes: a copy that was cut anywhere is finished by the next, and
// no manifest is there before what it names.
func TestMirrorResumes(t *testing.T) {
	_, from := source(t)
	bundle := render(t, multus.Config{})
	for cut := 1; ; cut++ {
		to := serve(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		copied := 0
		_, err := image.Mirror(ctx, bundle, to.host, image.MirrorOptions{Registry: from, Progress: func(image.MirrorEvent) {
			if copied++; copied == cut {
				cancel()
			}
		}})
		cancel()
		if err == nil {
			if cut < 7 {
				t.Errorf("only %d steps were cut", cut)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cut after %d: %v", cut, err)
		}
		skipped := 0
		config, err := image.Mirror(t.Context(), bundle, to.host, image.MirrorOptions{Registry: from, Progress: func(e image.MirrorEvent) {
			if e.Skipped {
				skipped++
			}
		}})
		if err != nil {
			t.Fatalf("after a cut after %d: %v", cut, err)
		}
		if skipped == 0 {
			t.Errorf("after a cut after %d nothing was skipped", cut)
		}
		if report, err := image.Verify(t.Context(), config.Image, image.VerifyOptions{Whole: true}); err != nil || report.Err() != nil {
			t.Errorf("after a cut after %d: %v, %v", cut, err, report.Err())
		}
	}
}

func TestMirrorFails(t *testing.T) {
	s, from := source(t)
	denied := serve(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodGet {
			http.Error(w, "{}", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	foreign := imageOf(t, "linux/arm64", layerOf(t, multusFiles("arm64")...), static.NewLayer([]byte("elsewhere"), types.DockerForeignLayer))
	push(t, s, "own/foreign", indexOf(t, labelled{"linux/arm64", foreign}))
	nested := rightIndex(t)
	for range 6 {
		nested = indexOf(t, labelled{"", nested})
	}
	push(t, s, "own/nested", nested)
	tests := []struct {
		name, image, registry string
		limits                image.Limits
		want                  string // of the error
	}{
		{"not there", "registry.example.com/own/nothing", s.host + "/m", image.Limits{}, "image not found"},
		{"may not write", "registry.example.com/own/multus", denied.host, image.Limits{}, "denied"},
		{"no registry", "registry.example.com/own/multus", "not a registry", image.Limits{}, `registry "not a registry"`},
		{"many images", "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", s.host + "/m", image.Limits{Manifests: 1}, "number of images"},
		{"nested", "registry.example.com/own/nested", s.host + "/m", image.Limits{}, "within one another"},
		{"a layer elsewhere", "registry.example.com/own/foreign", s.host + "/m", image.Limits{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bundle := render(t, multus.Config{Image: test.image})
			_, err := image.Mirror(t.Context(), bundle, test.registry, image.MirrorOptions{Registry: from, Limits: test.limits})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// TestVerifier holds the Verifier against what a Bundle needs.
func TestVerifier(t *testing.T) {
	_, from := source(t)
	verifier := image.Verifier{Registry: from}
	var got []string
	for _, use := range render(t, multus.Config{Platform: multus.Platform{Talos: "v1.13.9"}}).ImageUses() {
		findings, err := verifier.VerifyImage(t.Context(), use)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, codes(image.Report{Findings: findings})...)
	}
	// The plugins' image of this test is for amd64, and has no shell.
	if diff := cmp.Diff([]string{"error image/no-program linux/amd64", "error image/no-platform linux/arm64"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if findings, err := verifier.VerifyImage(t.Context(), multus.ImageUse{Image: "registry.example.com/own/multus", Architectures: []string{"arm64"}}); err != nil || len(findings) > 0 {
		t.Errorf("an image of which nothing is known: %v, %v", findings, err)
	}
}

// TestVerifyDirectory: "/plugins/*" is every program of a directory.
func TestVerifyDirectory(t *testing.T) {
	of := func(files ...file) v1.ImageIndex {
		return indexOf(t, labelled{"linux/arm64", imageOf(t, "linux/arm64", layerOf(t, files...))})
	}
	tests := []struct {
		name  string
		index v1.ImageIndex
		want  []string
		found []string
	}{
		{"right", of(file{name: "plugins/macvlan", body: program("arm64")}, file{name: "plugins/LICENSE", body: []byte("text")}, file{name: "other/vlan", body: program("amd64")}), nil, []string{"/plugins/macvlan"}},
		{"one wrong", of(file{name: "plugins/a", body: program("arm64")}, file{name: "plugins/b", body: program("amd64")}), []string{"error image/wrong-machine linux/arm64"}, []string{"/plugins/a", "/plugins/b"}},
		{"none", of(file{name: "plugins/"}), []string{"error image/no-program linux/arm64"}, []string{""}},
		{"a link to the directory", of(file{name: "plugins", link: "opt/cni"}, file{name: "opt/cni/a", body: program("arm64")}), nil, []string{"/opt/cni/a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			report, err := image.VerifyIndex(t.Context(), "a", test.index, image.VerifyOptions{Platforms: []string{"linux/arm64"}, Programs: []string{"/plugins/*"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, codes(report)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			var found []string
			for _, p := range report.Platforms[0].Programs {
				found = append(found, p.Path)
			}
			if diff := cmp.Diff(test.found, found); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}
