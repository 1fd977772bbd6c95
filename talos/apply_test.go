package talos_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/talos"
)

// TestApply: each file has a machine config, what to do, and the result; doing
// it again changes nothing.
func TestApply(t *testing.T) {
	for _, path := range layouts(t, "apply") {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/apply/"), ".txtar"), func(t *testing.T) {
			archive := golden.Archive(t, path)
			p, err := layout(t, path, strings.TrimSpace(string(golden.Section(t, archive, "version"))))
			if err != nil {
				t.Fatal(err)
			}
			config := golden.Section(t, archive, "config.yaml")
			once, err := p.Apply(config)
			if refused := strings.Contains(path, "/refused-"); refused != (err != nil) {
				t.Fatalf("refused: %v, want %t", err, refused)
			}
			if err != nil {
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("quotes a value: %v", err)
				}
				golden.Check(t, path, "result.yaml", []byte("# "+strings.ReplaceAll(err.Error(), "\n", "\n# ")))
				return
			}
			twice, err := p.Apply(once)
			if err != nil || !bytes.Equal(once, twice) {
				t.Errorf("a second time: %v\n%s", err, twice)
			}
			golden.Check(t, path, "result.yaml", once)
		})
	}
}

// TestApplyLayouts applies every layout to one config twice, in both orders of
// versions.
func TestApplyLayouts(t *testing.T) {
	config := []byte("machine:\n  type: controlplane\n  network:\n    interfaces:\n      - interface: eno1\n        dhcp: true\n---\napiVersion: v1alpha1\nkind: HostnameConfig\nhostname: a\n")
	for _, path := range layouts(t, "layouts") {
		var last []byte
		for _, version := range []string{"v1.7.6", "v1.11.6", "v1.13.9", "v1.14.1"} {
			p, err := layout(t, path, version)
			if missing := (*talos.NotSupportedError)(nil); errors.As(err, &missing) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			for _, before := range [][]byte{config, last} {
				once, err := p.Apply(before)
				if err != nil {
					t.Fatalf("%s %s: %v\n%s", path, version, err, before)
				}
				if twice, err := p.Apply(once); err != nil || !bytes.Equal(once, twice) {
					t.Errorf("%s %s: a second time: %v\n%s\n%s", path, version, err, once, twice)
				}
				last = once
			}
			if patches, err := p.Patches(); err != nil || len(patches) != 1 {
				t.Errorf("%s %s: %d patches, error %v", path, version, len(patches), err)
			}
		}
	}
}

func TestZeroPatch(t *testing.T) {
	var p talos.Patch
	config := []byte("machine:\n  type: worker\n")
	out, err := p.Apply(config)
	if err != nil || !bytes.Equal(out, config) || len(p.YAML()) != 0 {
		t.Errorf("%v\n%s", err, out)
	}
	if patches, err := p.Patches(); err != nil || patches != nil {
		t.Errorf("%v, error %v", patches, err)
	}
	combined, err := talos.Combine(p, p)
	if err != nil || len(combined.YAML()) != 0 {
		t.Errorf("%v\n%s", err, combined)
	}
}

func TestCombineMixed(t *testing.T) {
	bridge := func(version string, form talos.Form) talos.Patch {
		p, err := talos.BridgePatch(version, talos.BridgeConfig{Name: "br" + version[3:5], Links: []string{"eno" + version[3:5]}, Form: form})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	tests := []struct {
		name    string
		patches []talos.Patch
		want    string
	}{
		{"versions", []talos.Patch{bridge("v1.12.7", ""), bridge("v1.13.9", "")}, `patches[1]: Invalid value: "v1.13.9": must be of the version of the others, v1.12.7`},
		{"forms", []talos.Patch{bridge("v1.13.9", ""), bridge("v1.13.9", talos.FormLegacy)}, `patches[1]: Invalid value: "legacy": must be of the form of the others, documents`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := talos.Combine(test.patches...); err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// TestApplySize: what Talos' API would not take is refused before and after.
func TestApplySize(t *testing.T) {
	p, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br0", Links: []string{"eno1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{talos.MaxSize + 1, talos.MaxSize} {
		config := append([]byte("machine:\n  type: worker\n#"), bytes.Repeat([]byte("a"), size-25)...)
		_, err := p.Apply(config[:size])
		var large *talos.SizeError
		if !errors.As(err, &large) || large.Limit != talos.MaxSize || large.Size <= talos.MaxSize {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if found := talos.LintNetwork(make([]byte, talos.MaxSize+1)); len(found) != 1 || found[0].Code != "talos/size" {
		t.Errorf("%v", found)
	}
}

// TestUTF16: Talos reads such a config too, but Apply would return a mixture.
func TestUTF16(t *testing.T) {
	p, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br0", Links: []string{"eno1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var config []byte
		for _, unit := range utf16.Encode([]rune("\uFEFFmachine:\n  type: worker\n")) {
			config = order.AppendUint16(config, unit)
		}
		const want = "machine config: is UTF-16, as PowerShell writes it; save it as UTF-8"
		if _, err := p.Apply(config); err == nil || err.Error() != want {
			t.Errorf("%v: got %v, want %s", order, err, want)
		}
		if found := talos.LintNetwork(config); len(found) != 1 || found[0].Code != "talos/unreadable" {
			t.Errorf("%v: %v", order, found)
		}
	}
}

// TestApplyLines: line ends and a missing last newline do not matter.
func TestApplyLines(t *testing.T) {
	p, err := talos.BridgePatch("v1.13.9", talos.BridgeConfig{Name: "br0", Links: []string{"eno1"}})
	if err != nil {
		t.Fatal(err)
	}
	const tail = "---\napiVersion: v1alpha1\nkind: BridgeConfig\nname: br0\nlinks:\n    - eno1\n"
	tests := []struct {
		name   string
		config string
		want   string
	}{
		{"Windows", "machine:\r\n  type: worker\r\n---\r\napiVersion: v1alpha1\r\nkind: HostnameConfig\r\nhostname: a\r\n", "machine:\r\n  type: worker\r\n---\r\napiVersion: v1alpha1\r\nkind: HostnameConfig\r\nhostname: a\r\n" + tail},
		{"no last newline", "machine: {type: worker}", "machine: {type: worker}\n" + tail},
		{"content beside the marker", "--- {machine: {type: worker}}\n--- # next\napiVersion: v1alpha1\nkind: LinkConfig\nname: eno9\n", "--- {machine: {type: worker}}\n--- # next\napiVersion: v1alpha1\nkind: LinkConfig\nname: eno9\n" + tail},
		{"JSON", `{"machine": {"type": "worker"}}`, `{"machine": {"type": "worker"}}` + "\n" + tail},
		{"empty", "", strings.TrimPrefix(tail, "---\n")},
		{"null values", "machine:\n  network:\n  sysctls: {a: ~}\n", "machine:\n  network:\n  sysctls: {a: ~}\n" + tail},
		{"comment", "# nothing\n", "# nothing\n" + tail},
		{"empty documents", "---\n---\n# a\n---\nmachine: {}\n---\n", "---\n---\n# a\n---\nmachine: {}\n---\n" + tail},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := p.Apply([]byte(test.config))
			if err != nil || string(got) != test.want {
				t.Errorf("got error %v and\n%q\nwant\n%q", err, got, test.want)
			}
		})
	}
}
