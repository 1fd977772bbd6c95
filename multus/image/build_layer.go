package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// built is the time of everything in an image: there is no other that two
// machines agree on.
var built = time.Unix(0, 0).UTC()

// layerFile is a file in a layer: a directory, a link, data, or a file from
// elsewhere.
type layerFile struct {
	path string // without a slash before it
	mode int64
	dir  bool
	link string // target
	data []byte
	from fs.FS
	name string // in from
}

// packLayer writes and compresses a layer. Its bytes depend on the files alone,
// not on their order.
func packLayer(ctx context.Context, files []layerFile) (*packedLayer, error) {
	var compressed bytes.Buffer
	diffID, digest := sha256.New(), sha256.New()
	zip := gzip.NewWriter(io.MultiWriter(&compressed, digest))
	w := layerWriter{ctx, tar.NewWriter(io.MultiWriter(zip, diffID)), map[string]bool{".": true}}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b layerFile) int { return cmp.Compare(a.path, b.path) })
	for _, file := range files {
		if err := w.add(file); err != nil {
			return nil, fmt.Errorf("%s: %w", file.path, err)
		}
	}
	if err := w.tar.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return &packedLayer{content: compressed.Bytes(), diffID: sum(diffID), digest: sum(digest)}, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// layerWriter writes files, each directory once and before what is in it.
type layerWriter struct {
	ctx         context.Context // while files are copied from elsewhere
	tar         *tar.Writer
	directories map[string]bool
}

func (w *layerWriter) add(file layerFile) error {
	if err := w.directory(path.Dir(file.path), 0o755); err != nil {
		return err
	}
	if file.dir {
		return w.directory(file.path, file.mode)
	}
	header := &tar.Header{Name: file.path, Mode: file.mode, ModTime: built, Typeflag: tar.TypeReg}
	if file.link != "" {
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, file.link, 0o777
		return w.tar.WriteHeader(header)
	}
	var content io.Reader = bytes.NewReader(file.data)
	header.Size = int64(len(file.data))
	if file.from != nil {
		opened, err := file.from.Open(file.name)
		if err != nil {
			return err
		}
		defer opened.Close() //nolint:errcheck // it was only read
		info, err := opened.Stat()
		if err != nil {
			return err
		}
		content, header.Size = &contextReader{w.ctx, opened}, info.Size()
	}
	if err := w.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(w.tar, content)
	return err
}

func (w *layerWriter) directory(dir string, mode int64) error {
	if w.directories[dir] {
		return nil
	}
	if err := w.directory(path.Dir(dir), 0o755); err != nil {
		return err
	}
	w.directories[dir] = true
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: mode, ModTime: built})
}

// contextReader ends when its context does.
type contextReader struct {
	ctx  context.Context
	from io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}

// packedLayer is a layer in memory.
type packedLayer struct {
	content        []byte
	diffID, digest v1.Hash
}

// Digest is that of the compressed layer.
func (l *packedLayer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is that of the layer's tar archive.
func (l *packedLayer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size is in bytes, compressed.
func (l *packedLayer) Size() (int64, error) { return int64(len(l.content)), nil }

// MediaType says how the layer is compressed.
func (l *packedLayer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed returns the layer as it is sent.
func (l *packedLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.content)), nil
}

// Uncompressed returns the layer's tar archive.
func (l *packedLayer) Uncompressed() (io.ReadCloser, error) {
	return gzip.NewReader(bytes.NewReader(l.content))
}
