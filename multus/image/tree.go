package image

import (
	"path"
	"slices"
	"strings"
)

// tree is what the layers of an image unpack to, as far as they have been
// read. They are read from the top: what an upper layer says of a path counts,
// and most layers below it need not be fetched.
type tree struct {
	nodes   map[string]node
	removed map[string]int // path -> topmost layer that removes it from those below
	opaque  map[string]int // directory -> topmost layer that empties it of those below
	// added is how many entries were taken in, over all layers.
	added int
	// names is how many bytes their names have.
	names int
	// escapes is how many of their names lead out of the image.
	escapes int
}

// kind of a node.
type kind uint8

const (
	directory kind = iota
	regular
	link  // symbolic
	other // a device or the like
)

// node is one file of the image.
type node struct {
	kind   kind
	layer  int // counted from the bottom
	mode   int64
	target string // of a link
	binary Binary // of a regular file
}

func newTree() *tree {
	return &tree{nodes: map[string]node{"/": {}}, removed: map[string]int{}, opaque: map[string]int{}}
}

// Names of whiteouts: what they mean to the layers below is in the OCI image
// specification.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// cleanName turns the name of an entry into an absolute path inside the image,
// which it cannot leave.
func (t *tree) cleanName(name string) string {
	if slices.Contains(strings.Split(name, "/"), "..") {
		t.escapes++
	}
	return path.Clean("/" + name)
}

// add takes in an entry of a layer and returns its path, "" for one that
// changes nothing: a whiteout, or a file that an upper layer hides.
func (t *tree) add(name string, n node) string {
	t.added++
	t.names += len(name) + len(n.target)
	if len(name) > mostPath || len(n.target) > mostPath {
		return "" // no kernel opens it
	}
	at := t.cleanName(name)
	dir, base := path.Split(at)
	switch {
	case base == whiteoutOpaque:
		keepTop(t.opaque, path.Clean(dir), n.layer)
		return ""
	case strings.HasPrefix(base, whiteoutPrefix):
		keepTop(t.removed, path.Join(dir, strings.TrimPrefix(base, whiteoutPrefix)), n.layer)
		return ""
	}
	if old, there := t.nodes[at]; at == "/" || there && old.layer > n.layer || t.hidden(at, n.layer) {
		return ""
	}
	t.nodes[at] = n
	return at
}

// hardLink takes in an entry that is another name of a file.
func (t *tree) hardLink(name, target string, layer int) string {
	if file, ok := t.nodes[t.cleanName(target)]; ok && file.kind == regular {
		file.layer = layer
		return t.add(name, file)
	}
	return t.add(name, node{kind: link, layer: layer, target: t.cleanName(target)})
}

func keepTop(layers map[string]int, at string, layer int) {
	if old, ok := layers[at]; !ok || old < layer {
		layers[at] = layer
	}
}

// hidden reports whether an upper layer takes a path of this layer away: by
// removing it or a directory above it, or by putting a file in that one's
// place.
func (t *tree) hidden(at string, layer int) bool {
	for above := at; ; above = path.Dir(above) {
		if by, ok := t.removed[above]; ok && by > layer {
			return true
		}
		if above != at {
			if by, ok := t.opaque[above]; ok && by > layer {
				return true
			}
			if n, ok := t.nodes[above]; ok && n.layer > layer && n.kind != directory {
				return true
			}
		}
		if above == "/" {
			return false
		}
	}
}

// mostLinks are followed to find one file, as Linux does.
const mostLinks = 40

// find follows links to a file. Where it is not there, waits holds the paths
// that can bring it, once they are read.
func (t *tree) find(name string) (at string, n node, waits []string, found bool) {
	parts := split(name)
	at = "/"
	for links := 0; len(parts) > 0; {
		part := parts[0]
		parts = parts[1:]
		if part == ".." {
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		var ok bool
		if n, ok = t.nodes[next]; !ok {
			// A directory need not have an entry of its own.
			waits, at = append(waits, next), next
			continue
		}
		if n.kind != link {
			at = next
			continue
		}
		if links++; links > mostLinks {
			return next, n, nil, false
		}
		if path.IsAbs(n.target) {
			at = "/"
		}
		parts = append(split(n.target), parts...)
		if len(parts) > mostParts {
			return next, n, nil, false
		}
	}
	n, found = t.nodes[at]
	return at, n, waits, found
}

// mostPath is how long a path may be, in bytes, and, with the targets of its
// links, in parts: a few links to themselves would otherwise make it long
// beyond measure.
const (
	mostPath  = 4096
	mostParts = mostPath
)

// split takes a path apart, without its empty parts.
func split(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." })
}

// list returns the paths of the files in a directory, sorted.
func (t *tree) list(dir string) []string {
	at, _, _, _ := t.find(dir)
	var out []string
	for name, n := range t.nodes {
		if n.kind != directory && path.Dir(name) == at {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
