package multus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// verifier answers from memory and remembers what it was asked.
type verifier struct {
	asked    []multus.ImageUse
	findings []multihome.Finding // for the Multus image on arm64
	err      error
}

func (v *verifier) VerifyImage(_ context.Context, use multus.ImageUse) ([]multihome.Finding, error) {
	v.asked = append(v.asked, use)
	if strings.Contains(use.Image, "multus-cni") && slices.Contains(use.Architectures, "arm64") {
		return v.findings, v.err
	}
	return nil, nil
}

var aHole = multihome.Finding{Code: "image/no-platform", Severity: multihome.SeverityError, Object: "Image a", Path: "linux/arm64", Message: "there is no image for linux/arm64"}

// architecturesAsked lists the images asked about, with their architectures.
func (v *verifier) architecturesAsked() []string {
	var out []string
	for _, use := range v.asked {
		out = append(out, fmt.Sprint(use.Image, use.Architectures))
	}
	return out
}

// TestVerifyingImages: an image with a hole for arm64 is refused before
// anything is written, and an image of its own for arm64 is the way out.
func TestVerifyingImages(t *testing.T) {
	nodes := []multustest.Node{{Name: "a"}, {Name: "b", Architecture: "arm64"}}
	const official, plugins = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", "ghcr.io/home-operations/cni-plugins:1.9.1"
	tests := []struct {
		name     string
		config   multus.Config
		nodes    []multustest.Node
		verifier verifier
		options  multus.InstallOptions
		want     []string // codes that refuse
		asked    []string
	}{
		{
			"a hole",
			multus.Config{},
			nodes,
			verifier{findings: []multihome.Finding{aHole}},
			multus.InstallOptions{},
			[]string{"image/no-platform"},
			[]string{plugins + "[amd64 arm64]", official + "[amd64 arm64]"},
		},
		{
			"filled",
			multus.Config{ArchImages: map[string]string{"arm64": "registry.example.com/multus:self-built"}},
			nodes,
			verifier{findings: []multihome.Finding{aHole}},
			multus.InstallOptions{},
			nil,
			[]string{plugins + "[amd64 arm64]", official + "[amd64]", "registry.example.com/multus:self-built[arm64]"},
		},
		{"ignored", multus.Config{}, nodes, verifier{findings: []multihome.Finding{aHole}}, multus.InstallOptions{Ignore: []string{"image/no-platform"}}, nil, nil},
		{"a registry that does not answer", multus.Config{}, nodes, verifier{err: errors.New("connection refused")}, multus.InstallOptions{}, []string{"multus/image-unverified"}, nil},
		{"one that is not to count", multus.Config{}, nodes, verifier{err: errors.New("connection refused")}, multus.InstallOptions{Ignore: []string{"multus/image-unverified"}}, nil, nil},
		{
			"a platform that says nothing of nodes", onFlannel, nodes[:1],
			verifier{},
			multus.InstallOptions{},
			nil,
			[]string{plugins + "[amd64]", official + "[amd64]"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Nodes: test.nodes})
			v := test.verifier
			installer := newInstaller(t, cluster.Client(), test.config).VerifyingImages(&v)
			plan, err := installer.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if test.asked != nil {
				if diff := cmp.Diff(test.asked, v.architecturesAsked()); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
			}
			cluster.ResetRequests()
			_, err = installer.Install(t.Context(), test.options)
			var got []string
			if refused, ok := errors.AsType[*multus.PreflightError](err); ok {
				for _, f := range refused.Findings {
					got = append(got, f.Code)
					if !slices.Contains(plan.Findings, f) {
						t.Errorf("the plan does not have %v", f)
					}
				}
				if len(writes(cluster)) > 0 {
					t.Errorf("refused, and wrote %v", writes(cluster))
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("refused for %v, want %v", got, test.want)
			}
		})
	}
}

// TestVerifyingImagesAsksOnlyToChange: an install with nothing to do asks no
// registry.
func TestVerifyingImagesAsksOnlyToChange(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	v := &verifier{}
	if _, err := newInstaller(t, cluster.Client(), onFlannel).VerifyingImages(v).Install(t.Context(), multus.InstallOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(v.asked) > 0 {
		t.Errorf("asked about %v", v.architecturesAsked())
	}
}

// TestVerifyingImagesCut: a context that ends is no finding about an image.
func TestVerifyingImagesCut(t *testing.T) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	ctx, cancel := context.WithCancel(t.Context())
	v := verifierFunc(func() { cancel() })
	_, err := newInstaller(t, cluster.Client(), onFlannel).VerifyingImages(v).Plan(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if none := newInstaller(t, cluster.Client(), onFlannel).VerifyingImages(v).VerifyingImages(nil); none != nil {
		if _, err := none.Plan(t.Context()); err != nil {
			t.Errorf("without a verifier again: %v", err)
		}
	}
}

type verifierFunc func()

func (f verifierFunc) VerifyImage(context.Context, multus.ImageUse) ([]multihome.Finding, error) {
	f()
	return nil, errors.New("cut")
}
