package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
)

// Linkage says what a binary needs beside itself to start.
type Linkage string

const (
	// LinkageUnknown is what a file is that does not tell within its first bytes.
	LinkageUnknown Linkage = ""
	// LinkageStatic binaries start by themselves.
	LinkageStatic Linkage = "static"
	// LinkageDynamic binaries need the loader in Binary.Interpreter, and
	// libraries, which are not looked for.
	LinkageDynamic Linkage = "dynamic"
)

// Binary is what the header of a program's file says.
type Binary struct {
	// Machine is the architecture in Go's words, "amd64", or the ELF
	// header's number where Go has no word for it. Empty: no ELF file.
	Machine string `json:"machine,omitempty"`
	// Class is 32 or 64 bits. Zero: no ELF file.
	Class int `json:"class,omitempty"`
	// Linkage of an ELF file.
	Linkage Linkage `json:"linkage,omitempty"`
	// Interpreter starts the file: the loader of a dynamic binary, the program
	// in the first line of a script. Empty: none does.
	Interpreter string `json:"interpreter,omitempty"`
}

// String is "arm64, static", "script of /bin/sh" or "no program".
func (b Binary) String() string {
	switch {
	case b.Machine != "" && b.Linkage != LinkageUnknown:
		return b.Machine + ", " + string(b.Linkage)
	case b.Machine != "":
		return b.Machine
	case b.Interpreter != "":
		return "script of " + b.Interpreter
	default:
		return "no program"
	}
}

// headBytes are read of every file. Program headers and the path of the loader
// are within the first page of what compilers write.
const headBytes = 8 << 10

// readBinary reads what the first bytes of a file say. It never fails: what is
// not understood is no program.
func readBinary(head []byte) Binary {
	if script, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ := bytes.Cut(script, []byte("\n"))
		if words := strings.Fields(string(line)); len(words) > 0 {
			return Binary{Interpreter: words[0]}
		}
		return Binary{}
	}
	h, ok := readELF(head)
	if !ok {
		return Binary{}
	}
	b := Binary{Machine: h.machine(), Class: 32}
	if h.class == elf.ELFCLASS64 {
		b.Class = 64
	}
	b.Linkage, b.Interpreter = h.linkage(head)
	return b
}

// elfHeader is what is needed of an ELF file's header.
type elfHeader struct {
	class   elf.Class
	order   binary.ByteOrder
	number  elf.Machine
	offset  uint64 // of the program headers
	entry   uint16 // bytes of one
	entries uint16
}

// readELF reads the header of an executable or a shared object, which a
// position-independent program is as well.
func readELF(head []byte) (elfHeader, bool) {
	var h elfHeader
	if len(head) < 52 || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return h, false
	}
	switch h.class = elf.Class(head[elf.EI_CLASS]); h.class {
	case elf.ELFCLASS32:
	case elf.ELFCLASS64:
		if len(head) < 64 {
			return h, false
		}
	default:
		return h, false
	}
	switch elf.Data(head[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		h.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		h.order = binary.BigEndian
	default:
		return h, false
	}
	if kind := elf.Type(h.order.Uint16(head[16:])); kind != elf.ET_EXEC && kind != elf.ET_DYN {
		return h, false
	}
	h.number = elf.Machine(h.order.Uint16(head[18:]))
	if h.class == elf.ELFCLASS64 {
		h.offset, h.entry, h.entries = h.order.Uint64(head[32:]), h.order.Uint16(head[54:]), h.order.Uint16(head[56:])
	} else {
		h.offset, h.entry, h.entries = uint64(h.order.Uint32(head[28:])), h.order.Uint16(head[42:]), h.order.Uint16(head[44:])
	}
	return h, true
}

// machines holds Go's word for a machine, as that depends on its class and
// byte order too.
var machines = map[string]elfHeader{
	"386":      {number: elf.EM_386, class: elf.ELFCLASS32, order: binary.LittleEndian},
	"amd64":    {number: elf.EM_X86_64, class: elf.ELFCLASS64, order: binary.LittleEndian},
	"arm":      {number: elf.EM_ARM, class: elf.ELFCLASS32, order: binary.LittleEndian},
	"arm64":    {number: elf.EM_AARCH64, class: elf.ELFCLASS64, order: binary.LittleEndian},
	"loong64":  {number: elf.EM_LOONGARCH, class: elf.ELFCLASS64, order: binary.LittleEndian},
	"mips":     {number: elf.EM_MIPS, class: elf.ELFCLASS32, order: binary.BigEndian},
	"mipsle":   {number: elf.EM_MIPS, class: elf.ELFCLASS32, order: binary.LittleEndian},
	"mips64":   {number: elf.EM_MIPS, class: elf.ELFCLASS64, order: binary.BigEndian},
	"mips64le": {number: elf.EM_MIPS, class: elf.ELFCLASS64, order: binary.LittleEndian},
	"ppc64":    {number: elf.EM_PPC64, class: elf.ELFCLASS64, order: binary.BigEndian},
	"ppc64le":  {number: elf.EM_PPC64, class: elf.ELFCLASS64, order: binary.LittleEndian},
	"riscv64":  {number: elf.EM_RISCV, class: elf.ELFCLASS64, order: binary.LittleEndian},
	"s390x":    {number: elf.EM_S390, class: elf.ELFCLASS64, order: binary.BigEndian},
}

func (h elfHeader) machine() string {
	for goarch, m := range machines {
		if m.number == h.number && m.class == h.class && m.order == h.order {
			return goarch
		}
	}
	return fmt.Sprintf("ELF machine %d, %s, %s", uint16(h.number), h.class, h.order)
}

// linkage looks for the segment that names a loader.
func (h elfHeader) linkage(head []byte) (Linkage, string) {
	size := uint64(32)
	if h.class == elf.ELFCLASS64 {
		size = 56
	}
	length := uint64(len(head))
	if uint64(h.entry) < size || h.offset > length || uint64(h.entry)*uint64(h.entries) > length-h.offset {
		return LinkageUnknown, ""
	}
	for i := range uint64(h.entries) {
		segment := head[h.offset+i*uint64(h.entry):][:size]
		if elf.ProgType(h.order.Uint32(segment)) != elf.PT_INTERP {
			continue
		}
		var at, n uint64
		if h.class == elf.ELFCLASS64 {
			at, n = h.order.Uint64(segment[8:]), h.order.Uint64(segment[32:])
		} else {
			at, n = uint64(h.order.Uint32(segment[4:])), uint64(h.order.Uint32(segment[16:]))
		}
		if at > length || n > length-at {
			return LinkageDynamic, ""
		}
		name, _, _ := bytes.Cut(head[at:at+n], []byte{0})
		return LinkageDynamic, string(name)
	}
	return LinkageStatic, ""
}
