package lab

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// PodImage is the image of pods that do nothing, and are asked about their network: see the program podbox.
// Every node has it. It serves as the pause image too.
const PodImage = "lab.invalid/podbox:1"

// image is a container image of files on this machine.
type image struct {
	names      []string
	entrypoint string
	files      map[string]string // path in the image: file
	links      map[string]string // path in the image: target
	text       map[string]string // path in the image: content
}

// write writes the image as an archive that containerd imports into dir, and returns its name. The name tells
// what is in it, so that what was written before is taken as it is.
func (i image) write(dir string) (string, error) {
	file, err := i.writeNew(dir)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", i.names[0], err)
	}
	return file, nil
}

func (i image) writeNew(dir string) (string, error) {
	archive := filepath.Join(dir, i.key()+".tar")
	if _, err := os.Stat(archive); err == nil {
		return archive, nil
	}
	content, err := i.image()
	if err != nil {
		return "", err
	}
	tags := map[name.Tag]v1.Image{}
	for _, n := range i.names {
		tag, err := name.NewTag(n)
		if err != nil {
			return "", err
		}
		tags[tag] = content
	}
	unfinished, err := os.CreateTemp(dir, "unfinished-*.tar")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished.Name())
	if err := errors.Join(tarball.MultiWrite(tags, unfinished), unfinished.Close()); err != nil {
		return "", err
	}
	return archive, os.Rename(unfinished.Name(), archive)
}

// key names what the image holds. Programs are in directories that are named by what they were built from, so
// their own names are enough.
func (i image) key() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q", i.names, i.entrypoint, i.files, i.links, i.text)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func (i image) image() (v1.Image, error) {
	layer, err := i.layer()
	if err != nil {
		return nil, err
	}
	// Not compressed: nobody sends it anywhere.
	content, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer, types.DockerUncompressedLayer))
	if err != nil {
		return nil, err
	}
	config, err := content.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint = []string{i.entrypoint}
	config.Config.WorkingDir = "/"
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return mutate.ConfigFile(content, config)
}

// layer returns the image's one layer as a tar archive.
func (i image) layer() ([]byte, error) {
	var archive bytes.Buffer
	w := layerWriter{tar.NewWriter(&archive), map[string]bool{".": true}}
	for _, dir := range []string{"run", "tmp", "root"} {
		if err := w.directory(dir); err != nil {
			return nil, err
		}
	}
	for _, target := range sortedKeys(i.files) {
		content, err := os.ReadFile(i.files[target])
		if err == nil {
			err = w.add(target, tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}, content)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, target := range sortedKeys(i.text) {
		if err := w.add(target, tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}, []byte(i.text[target])); err != nil {
			return nil, err
		}
	}
	for _, target := range sortedKeys(i.links) {
		if err := w.add(target, tar.Header{Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: i.links[target]}, nil); err != nil {
			return nil, err
		}
	}
	return archive.Bytes(), w.Close()
}

// layerWriter writes a layer, each directory once and before what is in it.
type layerWriter struct {
	*tar.Writer
	directories map[string]bool
}

func (w layerWriter) directory(dir string) error {
	if w.directories[dir] {
		return nil
	}
	if err := w.directory(path.Dir(dir)); err != nil {
		return err
	}
	w.directories[dir] = true
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755})
}

func (w layerWriter) add(target string, header tar.Header, content []byte) error {
	header.Name = strings.TrimPrefix(target, "/")
	header.Size = int64(len(content))
	if err := w.directory(path.Dir(header.Name)); err != nil {
		return err
	}
	if err := w.WriteHeader(&header); err != nil {
		return err
	}
	_, err := io.Copy(w, bytes.NewReader(content))
	return err
}
