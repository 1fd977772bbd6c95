package image_test

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/multihome/multihome/multus/image"
)

// multusName is what images in memory are called.
const multusName = "registry.example.com/multus-cni:v4.3.0-thick"

func TestVerify(t *testing.T) {
	amd64 := labelled{"linux/amd64", multusImage(t, "amd64")}
	arm64 := func(layers ...v1.Layer) v1.ImageIndex {
		return indexOf(t, amd64, labelled{"linux/arm64", imageOf(t, "linux/arm64", layers...)})
	}
	zstdLayer := func(files ...file) v1.Layer {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return static.NewLayer(w.EncodeAll(tarOf(t, files...), nil), types.OCILayerZStd)
	}
	right := multusFiles("arm64")
	loader := "/lib/ld-linux-aarch64.so.1"
	dynamic := append(without(right, "cat"), file{name: "usr/bin/cat", body: elfFile("arm64", loader, elf.ET_DYN)})
	tests := []struct {
		name  string
		index v1.ImageIndex
		want  []string // severity, code and platform
		says  string   // in one of the messages
	}{
		{"right", rightIndex(t), nil, ""},
		{"scratch image", arm64(), []string{"error image/no-program linux/arm64", "warning image/no-cleaner linux/arm64"}, "/usr/src/multus-cni/bin/multus-daemon"},
		{"amd64 alone", indexOf(t, amd64), []string{"error image/no-platform linux/arm64"}, "it holds linux/amd64 alone"},
		{"no image at all", indexOf(t), []string{"error image/no-platform linux/amd64", "error image/no-platform linux/arm64"}, "it holds no image at all"},
		{
			"amd64 programs for arm64", arm64(layerOf(t, multusFiles("amd64")...)),
			[]string{"error image/wrong-machine linux/arm64"},
			"grep and 4 more are built for amd64",
		},
		{
			"one amd64 program", arm64(layerOf(t, append(without(right, "multus-shim"), file{name: bin + "multus-shim", body: program("amd64")})...)),
			[]string{"error image/wrong-machine linux/arm64"},
			"/usr/src/multus-cni/bin/multus-shim is built for amd64",
		},
		{
			"a machine without a name", arm64(layerOf(t, append(without(right, "multus-shim"), file{name: bin + "multus-shim", body: program("other")})...)),
			[]string{"error image/wrong-machine linux/arm64"},
			"ELF machine 16962",
		},
		{
			"amd64 image under arm64", indexOf(t, amd64, labelled{"linux/arm64", multusImage(t, "amd64")}),
			[]string{"warning image/label linux/arm64", "error image/wrong-machine linux/arm64"},
			"its configuration says linux/amd64",
		},
		{
			"containerd's fallback", indexOf(t, amd64, labelled{"linux/arm/v8", multusImage(t, "amd64")}),
			[]string{"warning image/label linux/arm/v8", "error image/no-platform linux/arm64"},
			"containerd takes linux/arm/v8 in its place, whose programs are built for amd64",
		},
		{
			"upstream's entry for arm/v8", indexOf(t, amd64, labelled{"linux/arm64", multusImage(t, "arm64")}, labelled{"linux/arm/v8", multusImage(t, "amd64")}),
			[]string{"info image/arm-v8 linux/arm/v8"},
			"is an entry that no node asks for",
		},
		{
			"arm64/v8 is arm64", indexOf(t, amd64, labelled{"linux/arm64/v8", imageOf(t, "linux/arm64/v8", layerOf(t, right...))}),
			nil, "",
		},
		{"platforms by configuration", indexOf(t, labelled{"", amd64.image}, labelled{"", multusImage(t, "arm64")}), nil, ""},
		{"an attestation beside it", indexOf(t, amd64, labelled{"linux/arm64", multusImage(t, "arm64")}, labelled{"unknown/unknown", empty.Image}), nil, ""},
		{"an index in the index", indexOf(t, labelled{"", rightIndex(t)}), nil, ""},

		{"no tools for an uninstall", arm64(layerOf(t, without(right, "rmdir", "sleep")...)), []string{"warning image/no-cleaner linux/arm64"}, "lacks rmdir, sleep"},
		{"no cat", arm64(layerOf(t, without(right, "cat")...)), []string{"error image/no-program linux/arm64"}, "lacks cat"},
		{"not executable", arm64(layerOf(t, append(without(right, "cat"), file{name: "usr/bin/cat", body: program("arm64"), mode: 0o644})...)), []string{"error image/not-executable linux/arm64"}, "cat is not executable"},
		{"empty file", arm64(layerOf(t, append(without(right, "cat"), file{name: "usr/bin/cat"})...)), []string{"error image/no-program linux/arm64"}, "cat is no program"},
		{"no loader", arm64(layerOf(t, dynamic...)), []string{"error image/no-loader linux/arm64"}, "lacks " + loader + ", without which cat cannot start"},
		{"loader in a layer below", arm64(layerOf(t, file{name: loader[1:], body: program("arm64")}), layerOf(t, dynamic...)), nil, ""},
		{
			"loader of another machine", arm64(layerOf(t, file{name: loader[1:], body: program("arm")}), layerOf(t, dynamic...)),
			[]string{"error image/wrong-machine linux/arm64"},
			loader + " is built for arm;",
		},
		{
			"script without its interpreter", arm64(layerOf(t, append(without(right, "cat"), file{name: "usr/bin/cat", body: []byte("#! /usr/bin/perl -w\n")})...)),
			[]string{"error image/no-loader linux/arm64"},
			"lacks /usr/bin/perl",
		},
		{"script of a script", arm64(layerOf(t, append(without(right, "cat"),
			file{name: "usr/bin/cat", body: []byte("#!/usr/bin/a\n")}, file{name: "usr/bin/a", body: []byte("#!/bin/sh")})...)), nil, ""},

		{"zstd", arm64(zstdLayer(right...)), nil, ""},
		{"not compressed", arm64(static.NewLayer(tarOf(t, right...), types.OCIUncompressedLayer)), nil, ""},
		{"gzip that says it is zstd", arm64(static.NewLayer(gzipped(t, tarOf(t, right...)), types.OCILayerZStd)), nil, ""},
		{
			"a layer of no known type", arm64(layerOf(t, right...), static.NewLayer([]byte("{}"), "application/json")),
			[]string{"error image/layer-type linux/arm64"},
			`is of type "application/json"`,
		},
		{
			"a layer elsewhere", arm64(static.NewLayer(gzipped(t, tarOf(t, right...)), types.DockerForeignLayer)),
			[]string{"warning image/foreign-layer linux/arm64", "error image/no-program linux/arm64", "warning image/no-cleaner linux/arm64"},
			"1 of 1 were not",
		},
		{
			"a layer that is no archive", arm64(layerOf(t, right...), static.NewLayer([]byte(strings.Repeat("no archive ", 200)), types.OCILayer)),
			[]string{"error image/layer-broken linux/arm64"},
			"cannot be unpacked: tar: ",
		},
		{
			"a layer cut in the middle", arm64(layerOf(t, right...), static.NewLayer(gzipped(t, tarOf(t, right...))[:150], types.OCILayer)),
			[]string{"error image/layer-broken linux/arm64"},
			"cannot be unpacked: ",
		},
		{
			"names that climb out", arm64(layerOf(t, append([]file{{name: "../../etc/passwd"}, {name: "a/../../../opt/cat", body: program("amd64")}}, right...)...)),
			[]string{"warning image/path-escape linux/arm64"},
			"2 names",
		},

		{"links to themselves", arm64(layerOf(t, append(without(right, "cat"), file{name: "usr/bin/cat", link: "cat"})...)), []string{"error image/no-program linux/arm64"}, "lacks cat"},
		{"links to one another", arm64(layerOf(t, append(without(right, "cat"),
			file{name: "usr/bin/cat", link: "/x/y"}, file{name: "x", link: "y"}, file{name: "y", link: "x"})...)), []string{"error image/no-program linux/arm64"}, "lacks cat"},
		{"links that grow", arm64(layerOf(t, append(without(right, "cat"),
			file{name: "usr/bin/cat", link: "/x/a"}, file{name: "x", link: "x/x/x/x"})...)), []string{"error image/no-program linux/arm64"}, "lacks cat"},
		{"a link that climbs out", arm64(layerOf(t, append(without(right, "cat"),
			file{name: "usr/bin/cat", link: "../../../../../usr/bin/dash"})...)), nil, ""},
		{"hard links", arm64(layerOf(t, append(without(right, "cat"), file{name: "usr/bin/cat", link: "usr/bin/dash", hard: true})...)), nil, ""},
		{"a hard link to what comes later", arm64(layerOf(t, append([]file{{name: "usr/bin/cat", link: "usr/bin/dash", hard: true}}, without(right, "cat")...)...)), nil, ""},
		{"a directory in a program's place", arm64(layerOf(t, append(without(right, "cat"), file{name: "usr/bin/cat/"})...)), []string{"error image/no-program linux/arm64"}, "lacks cat"},
		{"a device in a program's place", arm64(layerOf(t, append(without(right, "cat"), file{name: "usr/bin/cat", kind: tar.TypeChar})...)), []string{"error image/no-program linux/arm64"}, "cat is no program"},

		{"removed above", arm64(layerOf(t, right...), layerOf(t, file{name: "usr/bin/.wh.cat"})), []string{"error image/no-program linux/arm64"}, "lacks cat"},
		{"its directory removed above", arm64(layerOf(t, right...), layerOf(t, file{name: "usr/src/.wh.multus-cni"})), []string{"error image/no-program linux/arm64"}, "multus-daemon"},
		{"its directory emptied above", arm64(layerOf(t, right...), layerOf(t, file{name: bin + ".wh..wh..opq"})), []string{"error image/no-program linux/arm64"}, "multus-daemon"},
		{"a file in its directory's place", arm64(layerOf(t, right...), layerOf(t, file{name: "usr/src"})), []string{"error image/no-program linux/arm64"}, "multus-daemon"},
		{"replaced above by a right one", arm64(layerOf(t, multusFiles("amd64")...), layerOf(t, right...)), nil, ""},
		{"replaced above by a wrong one", arm64(layerOf(t, right...), layerOf(t, multusFiles("amd64")...)), []string{"error image/wrong-machine linux/arm64"}, "amd64"},
		{
			"emptied and filled in one layer", arm64(layerOf(t, multusFiles("amd64")...), layerOf(t, append([]file{{name: bin + ".wh..wh..opq"}, {name: "usr/bin/.wh..wh..opq"}}, right...)...)),
			nil, "",
		},
		{
			"removed, then back in a layer above", arm64(layerOf(t, right...), layerOf(t, file{name: "usr/bin/.wh.cat"}), layerOf(t, file{name: "usr/bin/cat", body: program("arm64")})),
			nil, "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, whole := range []bool{false, true} {
				report, err := image.VerifyIndex(t.Context(), multusName, test.index, image.VerifyOptions{Whole: whole})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, codes(report)); diff != "" {
					t.Errorf("whole %v: findings (-want +got):\n%s\n%s", whole, diff, report)
				}
				if !strings.Contains(report.String(), test.says) {
					t.Errorf("whole %v: nothing says %q:\n%s", whole, test.says, report)
				}
				var wrong *image.ReportError
				bad := strings.Contains(strings.Join(test.want, "\n"), "error")
				if got := errors.As(report.Err(), &wrong); got != bad {
					t.Errorf("whole %v: Err is %v", whole, report.Err())
				}
			}
		})
	}
}
