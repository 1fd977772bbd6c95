package image_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"path"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/multihome/multihome/multus/image"
)

// FuzzReadBinary holds the reader of ELF headers against debug/elf: where that
// understands a program, both see the same machine and the same loader.
func FuzzReadBinary(f *testing.F) {
	for _, arch := range []string{"amd64", "arm", "arm64", "s390x", "386"} {
		f.Add(program(arch))
		f.Add(elfFile(arch, "/lib/ld", elf.ET_DYN))
	}
	f.Add([]byte("#!/bin/sh"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := image.ReadBinary(body)
		if len(body) > 8<<10 {
			return // only its head is read
		}
		want, err := elf.NewFile(bytes.NewReader(body))
		if err != nil || want.Type != elf.ET_EXEC && want.Type != elf.ET_DYN {
			return
		}
		if got.Machine == "" || got.Class != map[elf.Class]int{elf.ELFCLASS32: 32, elf.ELFCLASS64: 64}[want.Class] {
			t.Fatalf("got %+v, debug/elf sees %s %s", got, want.Machine, want.Class)
		}
		if want.Machine == elf.EM_AARCH64 && want.Class == elf.ELFCLASS64 && want.Data == elf.ELFDATA2LSB != (got.Machine == "arm64") {
			t.Fatalf("got %+v, debug/elf sees %s", got, want.Machine)
		}
		for _, segment := range want.Progs {
			if segment.Type == elf.PT_INTERP && got.Linkage == image.LinkageStatic {
				t.Fatalf("got %+v, debug/elf sees a loader", got)
			}
		}
	})
}

// FuzzLayers reads hostile layers: no panic, no more than the limits allow, and
// what is found is a path inside the image.
func FuzzLayers(f *testing.F) {
	const name = "/bin/a"
	limits := image.Limits{Unpacked: 1 << 20, Entries: 100}
	upper := tarOf(f, file{name: "bin", link: "usr/bin"}, file{name: ".wh.lib"}, file{name: "usr/.wh..wh..opq"})
	lower := tarOf(f, file{name: "usr/bin/a", body: program("arm64")}, file{name: "../x", link: "usr/bin/a", hard: true})
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(lower, upper)
	f.Add(gzipped(f, lower), gzipped(f, upper))
	f.Add(encoder.EncodeAll(lower, nil), encoder.EncodeAll(upper, nil))
	f.Add([]byte{}, []byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		at, unpacked, err := image.FindInLayers(t.Context(), name, limits, lower, upper)
		if limit, ok := errors.AsType[*image.LimitError](err); ok {
			if limit.Limit == 0 {
				t.Errorf("a limit of nothing: %v", err)
			}
			return
		}
		if unpacked > limits.Unpacked {
			t.Errorf("unpacked %d bytes", unpacked)
		}
		if at != "" && (!path.IsAbs(at) || at != path.Clean(at)) {
			t.Errorf("found at %q", at)
		}
		if err != nil {
			return
		}
		again, _, err := image.FindInLayers(t.Context(), name, limits, lower, upper)
		if err != nil || again != at {
			t.Errorf("found at %q, then at %q, %v", at, again, err)
		}
	})
}
