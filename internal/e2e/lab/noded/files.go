package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// ReadFiles returns what is at names and below, by path. What is not there is left out.
func (n *Node) ReadFiles(names []string, files *map[string]nodeapi.File) error {
	*files = map[string]nodeapi.File{}
	for _, name := range names {
		err := filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			file, err := readFile(path, entry)
			if err == nil {
				(*files)[path] = file
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func readFile(path string, entry fs.DirEntry) (nodeapi.File, error) {
	info, err := entry.Info()
	if err != nil {
		return nodeapi.File{}, err
	}
	file := nodeapi.File{Mode: info.Mode()}
	switch {
	case file.Mode.IsRegular():
		file.Content, err = os.ReadFile(path)
	case file.Mode.Type() == fs.ModeSymlink:
		var target string
		target, err = os.Readlink(path)
		file.Content = []byte(target)
	}
	return file, err
}

// WriteFile writes a file as a whole, by rename.
func (n *Node) WriteFile(w nodeapi.WriteFile, _ *nodeapi.None) error {
	if err := os.MkdirAll(filepath.Dir(w.Name), 0o755); err != nil {
		return err
	}
	unfinished := filepath.Join(filepath.Dir(w.Name), ".unfinished-"+filepath.Base(w.Name))
	if err := os.WriteFile(unfinished, w.File.Content, w.File.Mode); err != nil {
		return err
	}
	return os.Rename(unfinished, w.Name)
}

// Remove removes what is at a name, and below.
func (n *Node) Remove(name string, _ *nodeapi.None) error { return os.RemoveAll(name) }
