package image_test

import (
	"math/rand/v2"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/multihome/multihome/multus/image"
)

// ballast is a file that compresses as badly as programs do.
func ballast(goarch string, size int) []byte {
	out := program(goarch)
	rest := make([]byte, size-len(out))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range rest {
		rest[i] = byte(random.IntN(16)) // about half of it
	}
	return append(out, rest...)
}

// likeOfficial is an image with layers as upstream's has: a distribution of
// 75 MB at the bottom, eight programs of a tenth of their size on top.
func likeOfficial(b *testing.B, goarch string) (v1.Image, int64) {
	b.Helper()
	var base []file
	for i := range 75 {
		base = append(base, file{name: "usr/lib/" + string(rune('a'+i%26)) + string(rune('a'+i/26)), body: ballast(goarch, 1<<20)})
	}
	base = append(without(multusFiles(goarch), "install_multus", "multus-daemon", "multus-shim", "passthru"), base...)
	var programs []file
	for _, name := range []string{"cert-approver", "install_multus", "kubeconfig_generator", "multus", "multus-daemon", "multus-shim", "passthru", "thin_entrypoint"} {
		programs = append(programs, file{name: bin + name, body: ballast(goarch, 4<<20)})
	}
	img := imageOf(b, "linux/"+goarch, layerOf(b, base...), layerOf(b, programs...), layerOf(b, file{name: "usr/src/multus-cni/LICENSE"}))
	manifest, err := img.Manifest()
	if err != nil {
		b.Fatal(err)
	}
	size := manifest.Config.Size
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return img, size
}

// BenchmarkVerify tells how much of an image is fetched to judge it, in percent
// of its size.
func BenchmarkVerify(b *testing.B) {
	amd64, amd64Size := likeOfficial(b, "amd64")
	arm64, arm64Size := likeOfficial(b, "arm64")
	s := serve(b, nil)
	right := push(b, s, "a/multus:v4.3.0-thick", indexOf(b, labelled{"linux/amd64", amd64}, labelled{"linux/arm64", arm64}))
	hole := push(b, s, "a/hole:v4.3.0-thick", indexOf(b, labelled{"linux/amd64", amd64}))
	for _, bench := range []struct {
		name    string
		ref     string
		options image.VerifyOptions
		size    int64
	}{
		{"right", right, image.VerifyOptions{}, amd64Size + arm64Size},
		{"whole", right, image.VerifyOptions{Whole: true}, amd64Size + arm64Size},
		{"daemon", right, image.VerifyOptions{Programs: []string{"/usr/src/multus-cni/bin/multus-daemon"}}, amd64Size + arm64Size},
		{"platforms", right, image.VerifyOptions{Programs: []string{}}, amd64Size + arm64Size},
		{"hole", hole, image.VerifyOptions{Platforms: []string{"linux/arm64"}}, amd64Size},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var report image.Report
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if report, err = image.Verify(b.Context(), bench.ref, bench.options); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(report.Fetched)/float64(bench.size)*100, "%fetched")
			b.ReportMetric(float64(report.Fetched)/1e6, "MB-fetched")
		})
	}
}
