package main

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// startRegistry starts a registry on this machine that stands for all others.
// The official image is wrong for arm64, the own one is right.
func startRegistry(ctx context.Context) (host string, stop func(), err error) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	host = strings.TrimPrefix(server.URL, "http://")
	err = errors.Join(
		push(ctx, host+"/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_X86_64}),
		push(ctx, host+"/multus-cni:v4.3.0-thick", map[string]elf.Machine{"arm64": elf.EM_AARCH64}),
	)
	return host, server.Close, err
}

// push writes an image whose programs are built for the machine that is given
// for each architecture.
func push(ctx context.Context, ref string, machines map[string]elf.Machine) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		machine, ok := machines[arch]
		if !ok {
			continue
		}
		layer, err := programs(machine)
		if err != nil {
			return err
		}
		img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: arch})
		if err != nil {
			return err
		}
		if img, err = mutate.AppendLayers(img, static.NewLayer(layer, types.OCIUncompressedLayer)); err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return err
	}
	return remote.WriteIndex(parsed, index, remote.WithContext(ctx))
}

// programs is a layer with the programs of Multus, as far as they are looked
// into: the header of each.
func programs(machine elf.Machine) ([]byte, error) {
	var program, layer bytes.Buffer
	header := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Phoff: 64, Ehsize: 64, Phentsize: 56}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	if err := binary.Write(&program, binary.LittleEndian, header); err != nil {
		return nil, err
	}
	w := tar.NewWriter(&layer)
	for _, path := range []string{
		"usr/src/multus-cni/bin/install_multus", "usr/src/multus-cni/bin/multus-daemon", "usr/src/multus-cni/bin/multus-shim", "usr/src/multus-cni/bin/passthru",
		"bin/cat", "bin/sh", "bin/grep", "bin/mv", "bin/rm", "bin/rmdir", "bin/sha256sum", "bin/sleep",
	} {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(program.Len()), Typeflag: tar.TypeReg}); err != nil {
			return nil, err
		}
		if _, err := w.Write(program.Bytes()); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return layer.Bytes(), err
}
