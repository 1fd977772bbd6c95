package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// tarFiles are the files of a tarball. It is not unpacked: where each lies in
// it is looked up once.
type tarFiles struct {
	file  *os.File
	files map[string]tarFile
	links map[string]string
}

type tarFile struct{ offset, size int64 }

func openTarball(ctx context.Context, ref string, limits Limits) (source, error) {
	name, image := splitName(ref)
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("tarball: %w", err)
	}
	files := &tarFiles{file: file, files: map[string]tarFile{}, links: map[string]string{}}
	out, err := files.source(ctx, image, limits)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return out, nil
}

func (f *tarFiles) source(ctx context.Context, name string, limits Limits) (source, error) {
	if err := f.scan(ctx, limits); err != nil {
		return nil, fmt.Errorf("tarball %s: %w", f.file.Name(), err)
	}
	layout := layoutSource{files: f, name: name, limits: limits}
	if _, isLayout := f.files["index.json"]; isLayout {
		return &layout, nil
	}
	return openDocker(ctx, layout)
}

// scan reads the headers of the tarball and seeks over the rest.
func (f *tarFiles) scan(ctx context.Context, limits Limits) error {
	archive := tar.NewReader(f.file)
	for count := 0; ; count++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("is not a tar archive, or it is compressed: %w", err)
		}
		if count >= limits.Entries {
			return &LimitError{What: "number of files in the tarball", Limit: int64(limits.Entries)}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Clean("/" + header.Name)[1:]
		switch header.Typeflag {
		case tar.TypeReg:
			offset, err := f.file.Seek(0, io.SeekCurrent)
			if err != nil {
				return err
			}
			f.files[name] = tarFile{offset: offset, size: header.Size}
		case tar.TypeSymlink: // a layer that two images share, in old versions of docker save
			f.links[name] = path.Join(path.Dir("/"+name), header.Linkname)[1:]
		}
	}
}

func (f *tarFiles) open(name string) (io.ReadCloser, error) {
	if target, ok := f.links[name]; ok {
		name = target
	}
	file, ok := f.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(io.NewSectionReader(f.file, file.offset, file.size)), nil
}

func (f *tarFiles) close() error { return f.file.Close() }
