package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/multihome/multihome/multus/image"
)

// program returns the file of a program: an ELF header and a few bytes.
func program(goarch string) []byte { return elfFile(goarch, "", elf.ET_EXEC) }

// elfFile returns an ELF file with a loader, unless that is empty.
func elfFile(goarch, loader string, kind elf.Type) []byte {
	machine := map[string]elf.Machine{
		"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM, "s390x": elf.EM_S390, "ppc64le": elf.EM_PPC64,
		"other": 0x4242,
	}[goarch]
	var order binary.ByteOrder = binary.LittleEndian
	data := byte(elf.ELFDATA2LSB)
	if goarch == "s390x" {
		order, data = binary.BigEndian, byte(elf.ELFDATA2MSB)
	}
	class, header, segment := byte(elf.ELFCLASS64), 64, 56
	if goarch == "386" || goarch == "arm" {
		class, header, segment = byte(elf.ELFCLASS32), 52, 32
	}
	out := make([]byte, header+2*segment)
	copy(out, elf.ELFMAG)
	out[elf.EI_CLASS], out[elf.EI_DATA], out[elf.EI_VERSION] = class, data, 1
	order.PutUint16(out[16:], uint16(kind))
	order.PutUint16(out[18:], uint16(machine))
	load, interpreter := out[header:], out[header+segment:]
	order.PutUint32(load, uint32(elf.PT_LOAD))
	if loader != "" {
		order.PutUint32(interpreter, uint32(elf.PT_INTERP))
	}
	at, n := uint64(len(out)), uint64(len(loader)+1)
	if class == byte(elf.ELFCLASS64) {
		order.PutUint64(out[32:], uint64(header))
		order.PutUint16(out[54:], uint16(segment))
		order.PutUint16(out[56:], 2)
		order.PutUint64(interpreter[8:], at)
		order.PutUint64(interpreter[32:], n)
	} else {
		order.PutUint32(out[28:], uint32(header))
		order.PutUint16(out[42:], uint16(segment))
		order.PutUint16(out[44:], 2)
		order.PutUint32(interpreter[4:], uint32(at))
		order.PutUint32(interpreter[16:], uint32(n))
	}
	return append(out, loader+"\x00"...)
}

// file is an entry of a layer.
type file struct {
	name string
	body []byte
	link string // symbolic; with hard: the other name
	hard bool
	mode int64 // zero: 0755
	kind byte  // zero: by the fields above
}

// layerOf returns a layer with files, in their order, as a tar archive.
func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.body)), Typeflag: tar.TypeReg, Linkname: f.link}
		if f.mode != 0 {
			h.Mode = f.mode
		}
		switch {
		case f.kind != 0:
			h.Typeflag = f.kind
		case f.hard:
			h.Typeflag = tar.TypeLink
		case f.link != "":
			h.Typeflag = tar.TypeSymlink
		case strings.HasSuffix(f.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if f.kind == tar.TypeXGlobalHeader {
			h = &tar.Header{Typeflag: f.kind, PAXRecords: map[string]string{"comment": f.name}}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func layerOf(t testing.TB, files ...file) v1.Layer {
	t.Helper()
	return static.NewLayer(gzipped(t, tarOf(t, files...)), types.OCILayer)
}

// bin is where Multus' image has its programs.
const bin = "usr/src/multus-cni/bin/"

// multusFiles are the programs of Multus and what its pods need beside them, as
// on Debian: /bin is a link.
func multusFiles(goarch string) []file {
	files := []file{{name: "bin", link: "usr/bin"}, {name: "usr/bin/"}}
	for _, tool := range []string{"cat", "dash", "grep", "mv", "rm", "rmdir", "sha256sum", "sleep"} {
		files = append(files, file{name: "usr/bin/" + tool, body: program(goarch)})
	}
	files = append(files, file{name: "usr/bin/sh", link: "dash"})
	for _, name := range []string{"install_multus", "multus-daemon", "multus-shim", "passthru"} {
		files = append(files, file{name: bin + name, body: program(goarch)})
	}
	return files
}

// without leaves out files by the ends of their names.
func without(files []file, names ...string) []file {
	return slices.DeleteFunc(slices.Clone(files), func(f file) bool {
		return slices.ContainsFunc(names, func(name string) bool { return path.Base(f.name) == name })
	})
}

// imageOf returns an image for a platform such as "linux/arm64".
func imageOf(t testing.TB, platform string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		t.Fatal(err)
	}
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	adds := make([]mutate.Addendum, 0, len(layers))
	for _, layer := range layers {
		mediaType, err := layer.MediaType()
		if err != nil {
			t.Fatal(err)
		}
		adds = append(adds, mutate.Addendum{Layer: layer, MediaType: mediaType})
	}
	if img, err = mutate.Append(img, adds...); err != nil {
		t.Fatal(err)
	}
	return img
}

// labelled is an image in an index. Its platform is what the index says; empty:
// it says nothing.
type labelled struct {
	platform string
	image    mutate.Appendable
}

func indexOf(t testing.TB, images ...labelled) v1.ImageIndex {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range images {
		add := mutate.IndexAddendum{Add: i.image}
		if i.platform != "" {
			p, err := v1.ParsePlatform(i.platform)
			if err != nil {
				t.Fatal(err)
			}
			add.Platform = p
		}
		index = mutate.AppendManifests(index, add)
	}
	return index
}

// multusImage is a right image for one platform.
func multusImage(t testing.TB, goarch string) v1.Image {
	t.Helper()
	return imageOf(t, "linux/"+goarch, layerOf(t, multusFiles(goarch)...))
}

// rightIndex is a right image for amd64 and arm64.
func rightIndex(t testing.TB) v1.ImageIndex {
	t.Helper()
	return indexOf(t, labelled{"linux/amd64", multusImage(t, "amd64")}, labelled{"linux/arm64", multusImage(t, "arm64")})
}

// server is a registry on loopback.
type server struct {
	*httptest.Server
	host string
}

// serve starts a registry. wrap may answer in its place; nil: it does not.
func serve(t testing.TB, wrap func(http.ResponseWriter, *http.Request, http.Handler)) *server {
	t.Helper()
	s := &server{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wrap != nil {
			wrap(w, r, handler)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	s.host = strings.TrimPrefix(s.URL, "http://")
	return s
}

// push writes an index or an image to a registry and returns its reference.
func push(t testing.TB, s *server, repository string, what remote.Taggable) string {
	t.Helper()
	ref := s.host + "/" + repository
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	switch what := what.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(parsed, what, remote.WithContext(t.Context()))
	case v1.Image:
		err = remote.Write(parsed, what, remote.WithContext(t.Context()))
	default:
		err = remote.Put(parsed, what, remote.WithContext(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// codes returns the codes of a report's findings with their platforms.
func codes(report image.Report) []string {
	var out []string
	for _, f := range report.Findings {
		out = append(out, string(f.Severity)+" "+f.Code+" "+f.Path)
	}
	return out
}
