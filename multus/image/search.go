package image

import (
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// search looks for programs in a tree that is growing.
type search struct {
	tree  *tree
	wants []*want
	// waits are paths that can bring what is not found yet.
	waits map[string]bool
	// unread is how many layers were left out.
	unread int
}

// want is one program that is looked for.
type want struct {
	name     string
	paths    []string // where it may be, best first
	optional bool
	// by is the program that needs it to start, nil for one that was asked for.
	by *want
	// all: every program of the directory. It is found once all layers are read.
	all bool

	found bool
	at    string // its file
	node  node
}

func newSearch(programs, optional, searchPath []string) *search {
	s := &search{tree: newTree()}
	for _, name := range programs {
		s.wants = append(s.wants, newWant(name, searchPath, false))
	}
	for _, name := range optional {
		if !slices.Contains(programs, name) {
			s.wants = append(s.wants, newWant(name, searchPath, true))
		}
	}
	s.updateAll()
	return s
}

func newWant(name string, searchPath []string, optional bool) *want {
	w := &want{name: name, optional: optional}
	dir, all := strings.CutSuffix(name, "/*")
	switch {
	case all:
		w.all, w.paths = true, []string{dir}
	case strings.Contains(name, "/"):
		w.paths = []string{name}
	default:
		for _, dir := range searchPath {
			w.paths = append(w.paths, path.Join(dir, name))
		}
	}
	return w
}

// done reports whether nothing is left to look for.
func (s *search) done() bool {
	return !slices.ContainsFunc(s.wants, func(w *want) bool { return !w.found })
}

// update looks again if the new path is one that was waited for.
func (s *search) update(at string) {
	if s.waits[at] {
		s.updateAll()
	}
}

// updateAll looks for what is not found yet. Programs that start those found
// join in.
func (s *search) updateAll() {
	s.waits = map[string]bool{}
	for i := 0; i < len(s.wants); i++ { // it grows
		w := s.wants[i]
		if w.found || w.all {
			continue
		}
		for _, name := range w.paths {
			at, n, waits, found := s.tree.find(name)
			if found && n.kind != directory {
				w.found, w.at, w.node = true, at, n
				s.needInterpreter(w)
				break
			}
			for _, wait := range waits {
				s.waits[wait] = true
			}
		}
	}
}

// again looks for everything anew, once all layers are read: a later entry of
// the same name, or of a directory that comes first in PATH, may be another
// file.
func (s *search) again() {
	s.wants = slices.DeleteFunc(s.wants, func(w *want) bool { return w.by != nil })
	for _, w := range s.wants {
		w.found, w.at, w.node = false, "", node{}
	}
	s.updateAll()
}

// mostInterpreters start one another: a script of a script's interpreter.
const mostInterpreters = 4

func (s *search) needInterpreter(w *want) {
	name := w.node.binary.Interpreter
	known := slices.ContainsFunc(s.wants, func(other *want) bool { return other.name == name && (!other.optional || w.optional) })
	if name == "" || known || depth(w) >= mostInterpreters {
		return
	}
	s.wants = append(s.wants, &want{name: name, paths: []string{name}, optional: w.optional, by: w})
}

func depth(w *want) int {
	if w.by == nil {
		return 0
	}
	return 1 + depth(w.by)
}

// files returns what was found for a want: one file, or those of a directory
// that are programs.
func (s *search) files(w *want) []*want {
	if !w.all {
		return []*want{w}
	}
	var out []*want
	for _, at := range s.tree.list(w.paths[0]) {
		file := &want{name: path.Join(w.paths[0], path.Base(at)), optional: w.optional}
		var found bool
		if file.at, file.node, _, found = s.tree.find(at); found && file.node.kind == regular && file.node.binary != (Binary{}) {
			file.found = true
			out = append(out, file)
		}
	}
	return out
}

// programs is what the report says of each.
func (s *search) programs(layers []v1.Descriptor) []Program {
	var out []Program
	for _, w := range s.wants {
		files := s.files(w)
		if len(files) == 0 {
			out = append(out, Program{Name: w.name})
		}
		for _, file := range files {
			program := Program{Name: file.name}
			if file.found {
				program.Path, program.Binary, program.Layer = file.at, file.node.binary, digestName(layers[file.node.layer].Digest)
			}
			out = append(out, program)
		}
	}
	return out
}
