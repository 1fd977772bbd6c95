package image

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"

	"github.com/multihome/multihome/multus/image/internal/toolchain"
)

// Where an image has its documents.
const (
	licencesDir = "usr/share/licenses/"
	sbomPath    = "usr/share/sbom/multus-cni.spdx.json"
)

// documents are the licences of everything in the image, and the SBOM.
func (b *builder) documents(p platform, modules []toolchain.Linked) ([]layerFile, error) {
	modules = slices.Clone(modules)
	slices.SortFunc(modules, compareModules)
	modules = slices.CompactFunc(modules, func(a, b toolchain.Linked) bool { return compareModules(a, b) == 0 })

	// toolbox is of this project, whose licence has the same text.
	files := []layerFile{{path: licencesDir + "github.com/multihome/multihome/LICENSE", link: "/usr/src/multus-cni/LICENSE"}}
	bill := bom{name: "multus-cni " + b.options.Version + " " + p.String(), version: b.options.Version}
	for _, m := range modules {
		texts, err := licences(m)
		if err != nil {
			return nil, fmt.Errorf("licences of %s@%s: %w", m.Path, m.Version, err)
		}
		entry := bomModule{path: m.Path, version: m.Version, sum: m.Sum}
		for _, text := range texts {
			entry.licences = append(entry.licences, "/"+text.path)
		}
		files = append(files, texts...)
		bill.modules = append(bill.modules, entry)
	}
	content, err := bill.spdx()
	if err != nil {
		return nil, fmt.Errorf("sbom: %w", err)
	}
	return append(files, layerFile{path: sbomPath, mode: 0o644, data: content}), nil
}

// licenceName matches the files that a redistribution has to carry.
var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)([.-][a-z0-9.-]+)?$`)

// notLicences are directories without code that is linked.
var notLicences = []string{"testdata", "vendor", "test", "tests", ".github"}

// licences returns the licences and notices of a module, and of what it has
// copied from others. Of Go itself only its own are taken: the rest of the
// distribution is not linked.
func licences(m toolchain.Linked) ([]layerFile, error) {
	dir := licencesDir + m.Path + "@" + m.Version + "/"
	var files []layerFile
	err := fs.WalkDir(m.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != "." && (m.Path == "std" || slices.Contains(notLicences, entry.Name())) {
				return fs.SkipDir
			}
			return nil
		case !entry.Type().IsRegular() || !licenceName.MatchString(entry.Name()) || path.Ext(name) == ".go":
			return nil
		}
		data, err := fs.ReadFile(m.Files, name)
		files = append(files, layerFile{path: dir + name, mode: 0o644, data: data})
		return err
	})
	return files, err
}

// moduleFiles are those of a component's module.
type moduleFiles struct{ fs.FS }

// texts reads files in the module's root. The module's own licence is one of
// them, so that each must be there.
func (m moduleFiles) texts(names ...string) (map[string][]byte, error) {
	out := map[string][]byte{}
	var errs []error
	for _, name := range names {
		data, err := fs.ReadFile(m.FS, name)
		out[name] = data
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

func compareModules(a, b toolchain.Linked) int {
	return slices.Compare([]string{a.Path, a.Version}, []string{b.Path, b.Version})
}
