package vm

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// moduleIndex is modules.dep as depmod writes it: what each module needs, the nearest first, all by file names below
// the modules' directory.
type moduleIndex map[string][]string

func parseModuleIndex(text string) (moduleIndex, error) {
	index := moduleIndex{}
	for line := range strings.Lines(text) {
		file, needs, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("modules.dep: %q: want a file, a colon and what it needs", line)
		}
		index[file] = strings.Fields(needs)
	}
	return index, nil
}

// order returns the files of modules and of what they need, each once and after what it needs itself.
func (index moduleIndex) order(names ...string) ([]string, error) {
	var files []string
	for _, name := range names {
		file, ok := index.file(name)
		if !ok {
			return nil, fmt.Errorf("modules.dep: has no module %s", name)
		}
		needs := slices.Clone(index[file])
		slices.Reverse(needs)
		for _, f := range append(needs, file) {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	return files, nil
}

func (index moduleIndex) file(name string) (string, bool) {
	for file := range index {
		if base, _, _ := strings.Cut(path.Base(file), "."); base == name {
			return file, true
		}
	}
	return "", false
}
