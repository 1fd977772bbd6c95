package image

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

// errEnough ends the reading of a layer early, because all is known.
var errEnough = errors.New("enough")

// DigestError says that content is not what its digest says: it was changed on
// the way, or by whoever keeps it.
type DigestError struct {
	// What has the digest: "layer", "manifest".
	What string
	// Want is the digest asked for, Got that of what came.
	Want, Got string
}

// Error names both digests.
func (e *DigestError) Error() string {
	return fmt.Sprintf("%s %s: the content has digest %s", e.What, e.Want, e.Got)
}

// layerError is a layer that a container runtime cannot unpack, whatever the
// network does.
type layerError struct{ err error }

func (e *layerError) Error() string { return e.err.Error() }
func (e *layerError) Unwrap() error { return e.err }

// blobReader counts and digests what is read of a blob, and remembers whether
// it was the reading that failed.
type blobReader struct {
	ctx    context.Context // a reader has no other way to end with it
	from   io.Reader
	what   string
	digest v1.Hash
	sum    hash.Hash // nil: the digest is a file's name, or not known
	read   int64
	failed error
}

func newBlobReader(ctx context.Context, from io.Reader, what string, digest v1.Hash) *blobReader {
	b := &blobReader{ctx: ctx, from: from, what: what, digest: digest}
	if sum, err := v1.Hasher(digest.Algorithm); err == nil {
		b.sum = sum
	}
	return b
}

// String is "layer sha256:...".
func (b *blobReader) String() string { return b.what + " " + digestName(b.digest) }

// digestName is a digest for people: that of a file in a tarball is its name.
func digestName(digest v1.Hash) string {
	if digest.Algorithm == byFile {
		return digest.Hex
	}
	return digest.String()
}

// Read reads, and at the end compares the digest.
func (b *blobReader) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		b.failed = err
		return 0, err
	}
	n, err := b.from.Read(p)
	b.read += int64(n)
	if b.sum != nil {
		b.sum.Write(p[:n])
		// The registry's client compares too, and has no type to tell it by.
		if errors.Is(err, io.EOF) || err != nil && strings.HasPrefix(err.Error(), "error verifying ") {
			if got := hex.EncodeToString(b.sum.Sum(nil)); got != b.digest.Hex {
				err = &DigestError{What: b.what, Want: b.digest.String(), Got: b.digest.Algorithm + ":" + got}
			}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = err
	}
	return n, err
}

// unpacked limits what a layer unpacks to.
type unpacked struct {
	from   io.Reader
	blob   *blobReader
	limits Limits
	layer  int64  // bytes of this layer
	total  *int64 // bytes of all layers of the platform
}

// Read reads, and fails at a limit.
func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	u.layer += int64(n)
	*u.total += int64(n)
	switch {
	case *u.total > u.limits.Unpacked:
		return 0, &LimitError{What: u.blob.String() + " and those above it, unpacked, in bytes", Limit: u.limits.Unpacked}
	case u.layer > ratioFree && u.layer/max(u.blob.read, 1) > u.limits.Ratio:
		return 0, &LimitError{What: u.blob.String() + " unpacked, in multiples of its size", Limit: u.limits.Ratio}
	}
	return n, err
}

// decompress looks at the first bytes of a layer, as containerd does, and not
// at what its media type says.
func decompress(from io.Reader) (io.Reader, func(), error) {
	buffered := bufio.NewReader(from)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		unzip, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, nil, fmt.Errorf("gzip: %w", err)
		}
		return unzip, func() {}, nil
	case string(magic) == "\x28\xb5\x2f\xfd":
		// One goroutine, this one, and a window that a real layer stays below.
		unzip, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", err)
		}
		return unzip, unzip.Close, nil
	default:
		return buffered, func() {}, nil
	}
}

// readLayer streams one layer into the tree. It calls added after each entry
// that changes something, with its path, and stops where that says errEnough.
// A *layerError is an archive that no runtime can unpack.
func (t *tree) readLayer(blob *blobReader, layer int, limits Limits, total *int64, added func(at string) error) error {
	plain, closePlain, err := decompress(blob)
	if err == nil {
		defer closePlain()
		err = t.readTar(&unpacked{from: plain, blob: blob, limits: limits, total: total}, layer, limits, added)
	}
	_, isLimit := errors.AsType[*LimitError](err)
	switch {
	case err == nil, errors.Is(err, errEnough), isLimit:
		return err
	case blob.failed != nil:
		return blob.failed
	default:
		return &layerError{err: err}
	}
}

// mostNames is how many bytes the names of an image's files may have.
const mostNames = 64 << 20

func (t *tree) readTar(from io.Reader, layer int, limits Limits, added func(at string) error) error {
	archive := tar.NewReader(from)
	head := make([]byte, headBytes)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			// What follows the archive belongs to the blob's digest.
			_, err = io.Copy(io.Discard, from)
			return err
		}
		if err != nil {
			return fmt.Errorf("tar: %w", err)
		}
		if t.added >= limits.Entries {
			return &LimitError{What: "number of files in the image", Limit: int64(limits.Entries)}
		}
		if t.names > mostNames {
			return &LimitError{What: "names of the files in the image, in bytes", Limit: mostNames}
		}
		at := ""
		switch header.Typeflag {
		case tar.TypeReg, tar.TypeGNUSparse:
			n, err := io.ReadFull(archive, head)
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("tar: %w", err)
			}
			if int64(n) < min(header.Size, headBytes) {
				return fmt.Errorf("tar: %s: %w", header.Name, io.ErrUnexpectedEOF)
			}
			at = t.add(header.Name, node{kind: regular, layer: layer, mode: header.Mode, binary: readBinary(head[:n])})
		case tar.TypeDir:
			at = t.add(header.Name, node{kind: directory, layer: layer})
		case tar.TypeSymlink:
			at = t.add(header.Name, node{kind: link, layer: layer, target: header.Linkname})
		case tar.TypeLink:
			at = t.hardLink(header.Name, header.Linkname, layer)
		case tar.TypeXGlobalHeader:
			t.added++ // it is no file, and it is not free
		default:
			at = t.add(header.Name, node{kind: other, layer: layer})
		}
		if at == "" {
			continue
		}
		if err := added(at); err != nil {
			return err
		}
	}
}
