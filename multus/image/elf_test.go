package image_test

import (
	"debug/elf"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/multus/image"
)

func TestReadBinary(t *testing.T) {
	long := append(elfFile("arm64", "/lib/ld", elf.ET_DYN), make([]byte, 9000)...)
	far := func(field int, value byte) []byte { // a header that points out of the file
		body := elfFile("arm64", "/lib/ld", elf.ET_DYN)
		body[field+3] = value
		return body
	}
	tests := []struct {
		name string
		body []byte
		want image.Binary
		says string
	}{
		{"static", program("arm64"), image.Binary{Machine: "arm64", Class: 64, Linkage: image.LinkageStatic}, "arm64, static"},
		{"position-independent and static", elfFile("amd64", "", elf.ET_DYN), image.Binary{Machine: "amd64", Class: 64, Linkage: image.LinkageStatic}, "amd64, static"},
		{"dynamic", elfFile("amd64", "/lib64/ld-linux-x86-64.so.2", elf.ET_DYN), image.Binary{Machine: "amd64", Class: 64, Linkage: image.LinkageDynamic, Interpreter: "/lib64/ld-linux-x86-64.so.2"}, "amd64, dynamic"},
		{"32 bits", elfFile("arm", "/lib/ld-linux-armhf.so.3", elf.ET_EXEC), image.Binary{Machine: "arm", Class: 32, Linkage: image.LinkageDynamic, Interpreter: "/lib/ld-linux-armhf.so.3"}, "arm, dynamic"},
		{"32 bits, static", program("386"), image.Binary{Machine: "386", Class: 32, Linkage: image.LinkageStatic}, "386, static"},
		{"big endian", elfFile("s390x", "/lib/ld64.so.1", elf.ET_DYN), image.Binary{Machine: "s390x", Class: 64, Linkage: image.LinkageDynamic, Interpreter: "/lib/ld64.so.1"}, "s390x, dynamic"},
		{"little endian ppc64", program("ppc64le"), image.Binary{Machine: "ppc64le", Class: 64, Linkage: image.LinkageStatic}, "ppc64le, static"},
		{"unknown machine", program("other"), image.Binary{Machine: "ELF machine 16962, ELFCLASS64, LittleEndian", Class: 64, Linkage: image.LinkageStatic}, "ELF machine 16962, ELFCLASS64, LittleEndian, static"},
		{"large", long, image.Binary{Machine: "arm64", Class: 64, Linkage: image.LinkageDynamic, Interpreter: "/lib/ld"}, "arm64, dynamic"},
		{"program headers far away", far(32, 0xff), image.Binary{Machine: "arm64", Class: 64}, "arm64"},
		{"loader far away", far(64+56+8, 0xff), image.Binary{Machine: "arm64", Class: 64, Linkage: image.LinkageDynamic}, "arm64, dynamic"},
		{"object file", elfFile("arm64", "", elf.ET_REL), image.Binary{}, "no program"},
		{"cut header", program("arm64")[:60], image.Binary{}, "no program"},
		{"cut to the magic number", program("arm64")[:4], image.Binary{}, "no program"},
		{"no class", append([]byte("\x7fELF\x09\x01\x01"), make([]byte, 100)...), image.Binary{}, "no program"},
		{"no byte order", append([]byte("\x7fELF\x02\x09\x01"), make([]byte, 100)...), image.Binary{}, "no program"},
		{"script", []byte("#!/bin/sh -e\necho"), image.Binary{Interpreter: "/bin/sh"}, "script of /bin/sh"},
		{"script with a space", []byte("#! /usr/bin/env sh"), image.Binary{Interpreter: "/usr/bin/env"}, "script of /usr/bin/env"},
		{"script of nothing", []byte("#!\n"), image.Binary{}, "no program"},
		{"text", []byte("hello"), image.Binary{}, "no program"},
		{"empty", nil, image.Binary{}, "no program"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := image.ReadBinary(test.body)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if fmt.Sprint(got) != test.says {
				t.Errorf("says %q, want %q", got, test.says)
			}
		})
	}
}
