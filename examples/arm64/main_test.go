package main_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const want = `== Verify
linux/amd64: an image is there: true
linux/arm64: an image is there: true
error image/wrong-machine: Image ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick linux/arm64: /bin/sh, /usr/src/multus-cni/bin/install_multus, /usr/src/multus-cni/bin/multus-daemon, /usr/src/multus-cni/bin/multus-shim, /usr/src/multus-cni/bin/passthru, cat, rm, grep and 4 more are built for amd64; such a program ends with exec format error; name an image that is built for it in Config.ArchImages["arm64"], or build one with image.Build

== Install on a cluster with an arm64 node
refused, and nothing was changed: image/wrong-machine

== Another image for arm64
ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick on [amd64]
registry.example.com/multus-cni:v4.3.0-thick@DIGEST on [arm64]
2 of 2 nodes ready
`

func TestArm64(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "arm64")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), binary).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := regexp.MustCompile(`sha256:[0-9a-f]{64}`).ReplaceAllString(string(out), "DIGEST")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}
