package image

import (
	"context"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// BuildFrom is Build from modules that stand in for the real ones: sums are
// their hashes by path, and toolbox the sources of the tools.
func BuildFrom(ctx context.Context, options BuildOptions, sums map[string][2]string, toolbox map[string]string) (v1.ImageIndex, error) {
	r := recipeFor(options.Version, options.Plugins)
	for i := range r {
		if r[i].sources != nil {
			r[i].sources = toolbox
			continue
		}
		r[i].module.Sum, r[i].module.GoModSum = sums[r[i].module.Path][0], sums[r[i].module.Path][1]
	}
	return build(ctx, options, r)
}

// MultusSums are the hashes on record.
var MultusSums = multusSums

// Toolbox holds the sources of toolbox that an image is built from.
func Toolbox() map[string]string { return toolboxComponent().sources }

// BOMModule is a module with code in an image.
type BOMModule struct {
	Path, Version, Sum string
	Licences           []string
}

// SPDX writes the SBOM of an image.
func SPDX(name, version string, modules []BOMModule) ([]byte, error) {
	bill := bom{name: name, version: version}
	for _, m := range modules {
		bill.modules = append(bill.modules, bomModule{m.Path, m.Version, m.Sum, m.Licences})
	}
	return bill.spdx()
}

// File is a file of a layer, to be read from a file system.
type File struct {
	Path, Name string
	From       fs.FS
}

// PackLayer writes and compresses a layer of files.
func PackLayer(ctx context.Context, files []File) (v1.Layer, error) {
	var list []layerFile
	for _, f := range files {
		list = append(list, layerFile{path: f.Path, mode: 0o755, from: f.From, name: f.Name})
	}
	return packLayer(ctx, list)
}
