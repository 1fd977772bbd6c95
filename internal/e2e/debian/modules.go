package debian

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ModuleFiles returns the files of modules and of those that they need, each once and after what it needs itself.
func (k Kernel) ModuleFiles(names ...string) ([]string, error) {
	index, err := k.moduleIndex()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, name := range names {
		module, ok := index[name]
		if !ok {
			return nil, fmt.Errorf("kernel %s: has no module %s", k.Version, name)
		}
		for _, file := range slices.Backward(module) {
			if file = filepath.Join(k.Modules(), file); !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

// moduleIndex reads modules.dep, which depmod writes: for each module its file, then those that it needs, the nearest
// first. Names are below the modules' directory.
func (k Kernel) moduleIndex() (map[string][]string, error) {
	file := filepath.Join(k.Modules(), "modules.dep")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	index := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		module, needs, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%s: %q: want a file, a colon and what it needs", file, line)
		}
		name, _, _ := strings.Cut(path.Base(module), ".") // the rest says how it is compressed
		index[name] = append([]string{module}, strings.Fields(needs)...)
	}
	return index, nil
}
