package image_test

import (
	"io/fs"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"github.com/multihome/multihome/multus/image"
)

// BenchmarkPackLayer writes and compresses 32 MiB that compress as programs do,
// to about two fifths.
func BenchmarkPackLayer(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 32<<20)
	for i := range content {
		if i%5 < 2 {
			content[i] = byte(random.Uint32())
		}
	}
	var files fs.FS = fstest.MapFS{"program": {Data: content, Mode: 0o755}}
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := image.PackLayer(b.Context(), []image.File{{Path: "bin/program", Name: "program", From: files}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuild builds an image of small programs that are compiled already:
// what is left is asking the Go command, linking and packing.
func BenchmarkBuild(b *testing.B) {
	toys, options := newToys(b), image.BuildOptions{Platforms: []string{"linux/amd64"}}
	toys.mustBuild(b, options)
	for b.Loop() {
		toys.mustBuild(b, options)
	}
}
