package debian_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/e2e/debian"
)

func TestImageDependency(t *testing.T) {
	tests := []struct {
		name, control string
		want          string // package and version; "" for an error
	}{
		{
			"Debian 12", "Package: linux-image-amd64\nVersion: 6.1.172-1\nDepends: linux-image-6.1.0-48-amd64 (= 6.1.172-1)\nSize: 1480\n",
			"linux-image-6.1.0-48-amd64 6.1.172-1",
		},
		{
			"among others", "Depends: firmware (>= 1), linux-image-6.1.0-48-amd64 (= 6.1.172-1), kmod\n",
			"linux-image-6.1.0-48-amd64 6.1.172-1",
		},
		{"any version", "Depends: linux-image-6.1.0-48-amd64\n", ""},
		{"something else", "Depends: libc6 (= 2.36)\n", ""},
		{"another field", "Breaks: linux-image-6.1.0-48-amd64 (= 6.1.172-1)\n", ""},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, version, err := debian.ImageDependency(tt.control)
			got := strings.TrimSpace(name + " " + version)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestModuleFiles(t *testing.T) {
	const index = `kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/net/tun.ko.xz:
`
	tests := []struct {
		name, index string
		modules     []string
		want        []string // nil for an error
	}{
		{
			"in the order of need", index,
			[]string{"virtio_pci"},
			[]string{"kernel/drivers/virtio/virtio.ko", "kernel/drivers/virtio/virtio_ring.ko", "kernel/drivers/virtio/virtio_pci.ko"},
		},
		{
			"each once", index,
			[]string{"virtio_ring", "tun", "virtio_pci", "virtio"},
			[]string{
				"kernel/drivers/virtio/virtio.ko", "kernel/drivers/virtio/virtio_ring.ko",
				"kernel/drivers/net/tun.ko.xz", "kernel/drivers/virtio/virtio_pci.ko",
			},
		},
		{"unknown", index, []string{"tun", "vir"}, nil},
		{"no index", "what\n", []string{"tun"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := debian.Kernel{Version: "6.1.0", Dir: t.TempDir()}
			if err := os.MkdirAll(k.Modules(), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(k.Modules(), "modules.dep"), []byte(tt.index), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := k.ModuleFiles(tt.modules...)
			if (err != nil) != (tt.want == nil) {
				t.Errorf("error %v", err)
			}
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], k.Modules()+"/")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNeed: nothing is asked of apt-get for what is there.
func TestNeed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	here := filepath.Join(t.TempDir(), "here")
	if err := os.WriteFile(here, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := debian.Need(t.Context(), t.Output(), debian.Package{Name: "here", File: here}); err != nil {
		t.Error(err)
	}
	err := debian.Need(t.Context(), t.Output(), debian.Package{Name: "here", File: here}, debian.Package{Name: "absent", File: here + "/not"})
	if err == nil || !strings.Contains(err.Error(), "absent") || strings.Contains(err.Error(), "here absent") {
		t.Errorf("got %v, want an error about the package absent alone", err)
	}
}
