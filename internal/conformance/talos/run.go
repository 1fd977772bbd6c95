package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/config"
	coreconfig "github.com/siderolabs/talos/pkg/machinery/config/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/container"
	"github.com/siderolabs/talos/pkg/machinery/config/encoder"
	"github.com/siderolabs/talos/pkg/machinery/config/generate"
	"github.com/siderolabs/talos/pkg/machinery/config/machine"
	"github.com/siderolabs/talos/pkg/machinery/config/validation"
	"golang.org/x/tools/txtar"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/talos"
)

// fewest is the number of layouts that every minor must accept.
const fewest = 60

// testdata of package talos, seen from the module of a minor.
const testdata = "../../../talos/testdata"

// step is one call of a layout; exactly one field is set.
type step struct {
	Bridge *talos.BridgeConfig `json:"bridge"`
	Bond   *talos.BondConfig   `json:"bond"`
	VLAN   *talos.VLANConfig   `json:"vlan"`
	Link   *talos.LinkConfig   `json:"link"`
	DHCP   *talos.DHCPConfig   `json:"dhcp"`
}

func (s step) patch(version string) (talos.Patch, error) {
	switch {
	case s.Bridge != nil:
		return talos.BridgePatch(version, *s.Bridge)
	case s.Bond != nil:
		return talos.BondPatch(version, *s.Bond)
	case s.VLAN != nil:
		return talos.VLANPatch(version, *s.VLAN)
	case s.Link != nil:
		return talos.LinkPatch(version, *s.Link)
	case s.DHCP != nil:
		return talos.DHCPPatch(version, *s.DHCP)
	}
	return talos.Patch{}, errors.New("a step without a patch")
}

// mode is how a node runs; Talos' own type is internal.
type mode struct {
	name    string
	install bool
}

// String is the name of the mode.
func (m mode) String() string { return m.name }

// RequiresInstall reports whether the config must name a disk.
func (m mode) RequiresInstall() bool { return m.install }

// InContainer reports whether the node is a container.
func (m mode) InContainer() bool { return false }

var modes = []validation.RuntimeMode{mode{"metal", true}, mode{"cloud", false}}

// Run judges everything for one Talos version, whose machinery this program is
// built with, and the Kubernetes version that goes with it.
func Run(t *testing.T, version, kubernetes string) {
	configs := map[string][]byte{
		"controlplane": generated(t, version, kubernetes, machine.TypeControlPlane),
		"worker":       generated(t, version, kubernetes, machine.TypeWorker),
	}
	t.Run("layouts", func(t *testing.T) { runLayouts(t, version, configs) })
	t.Run("wrong", func(t *testing.T) { runWrong(t, version) })
	t.Run("published", func(t *testing.T) { runPublished(t, version, configs) })
	t.Run("kubernetes", func(t *testing.T) { runKubernetes(t, version, configs) })
}

// generated is a machine config as talosctl gen config writes it, without
// comments.
func generated(t *testing.T, version, kubernetes string, kind machine.Type) []byte {
	t.Helper()
	contract, err := config.ParseContractFromVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	input, err := generate.NewInput("conformance", "https://10.0.0.10:6443", kubernetes,
		generate.WithVersionContract(contract), generate.WithInstallDisk("/dev/sda"))
	if err != nil {
		t.Fatal(err)
	}
	provider, err := input.Config(kind)
	if err != nil {
		t.Fatal(err)
	}
	text, err := provider.EncodeBytes(encoder.WithComments(encoder.CommentsDisabled))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// accepted loads a machine config strictly and validates it in every mode.
func accepted(text []byte) error {
	provider, err := configloader.NewFromBytes(text)
	if err != nil {
		return err
	}
	for _, m := range modes {
		if _, err := provider.Validate(m, validation.WithLocal()); err != nil {
			return fmt.Errorf("%s mode: %w", m, err)
		}
	}
	return nil
}

// layout builds the patch of one file.
func layout(t *testing.T, path, version string) (talos.Patch, error) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	if err := json.Unmarshal(archive.Files[0].Data, &steps); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	patches := make([]talos.Patch, len(steps))
	for i, s := range steps {
		if patches[i], err = s.patch(version); err != nil {
			return talos.Patch{}, err
		}
	}
	return talos.Combine(patches...)
}

func files(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(testdata, folder, "*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %d files, error %v", folder, len(found), err)
	}
	return found
}

func runLayouts(t *testing.T, version string, configs map[string][]byte) {
	passed := 0
	for _, path := range files(t, "layouts") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			patch, err := layout(t, path, version)
			if missing := (*talos.NotSupportedError)(nil); errors.As(err, &missing) {
				return // the version lacks it, and says so
			} else if err != nil {
				t.Fatal(err)
			}
			vip := regexp.MustCompile(`vip:|Layer2VIPConfig`).Match(patch.YAML())
			for kind, config := range configs {
				if _, err := patch.Apply(config); vip && kind == "worker" {
					if err == nil {
						t.Error("a worker gets a VIP")
					}
					continue
				}
				judge(t, kind, patch, config)
			}
			passed++
		})
	}
	if passed < fewest {
		t.Errorf("%d layouts were accepted, want at least %d", passed, fewest)
	}
	t.Logf("Talos %s: %d layouts accepted on %d configs each", version, passed, len(configs))
}

// judge applies a patch once, twice and by Talos' own patcher.
func judge(t *testing.T, kind string, patch talos.Patch, config []byte) {
	t.Helper()
	once, err := patch.Apply(config)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	if err := accepted(once); err != nil {
		t.Errorf("%s: %v, with\n%s", kind, err, patch)
	}
	twice, err := patch.Apply(once)
	if err != nil || !bytes.Equal(once, twice) {
		t.Errorf("%s: a second time changes the config or fails: %v, with\n%s", kind, err, patch)
	}
	for _, f := range talos.LintNetwork(once) {
		if f.Severity == multihome.SeverityError && (f.Code != "talos/unreachable" || !warned(patch)) {
			t.Errorf("%s: %s, with\n%s", kind, f, patch)
		}
	}
	loaded, err := configpatcher.LoadPatch(patch.YAML())
	if err != nil {
		t.Errorf("%s: %v, with\n%s", kind, err, patch)
		return
	}
	out, err := configpatcher.Apply(configpatcher.WithBytes(config), []configpatcher.Patch{loaded})
	if err != nil {
		t.Errorf("%s: %v, with\n%s", kind, err, patch)
		return
	}
	merged, err := out.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if err := accepted(merged); err != nil {
		t.Errorf("%s, by configpatcher: %v, with\n%s", kind, err, patch)
	}
}

// warned reports whether the patch says itself that it may cut the node off.
func warned(patch talos.Patch) bool {
	return slices.ContainsFunc(patch.Findings, func(f multihome.Finding) bool { return f.Code == "talos/implicit-dhcp" })
}

func runWrong(t *testing.T, version string) {
	for _, path := range files(t, "wrong") {
		patch, err := layout(t, path, version)
		if err == nil && !strings.Contains(path, "form-documents") {
			t.Errorf("%s: is not refused:\n%s", path, patch)
		}
	}
}

// runPublished takes configuration as it is published: what this Talos refuses
// must be an error of LintPatch, and what it accepts must not.
func runPublished(t *testing.T, version string, configs map[string][]byte) {
	for _, path := range files(t, "published") {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		patch := archive.Files[slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "patch.yaml" })].Data
		talosErr := apply(configs["worker"], patch)
		found := slices.ContainsFunc(talos.LintPatch(configs["worker"], patch), func(f multihome.Finding) bool {
			return f.Severity == multihome.SeverityError
		})
		// Machinery of this minor decodes for LintPatch too, so both know the
		// same kinds; LintPatch may know more that is wrong.
		if talosErr != nil && !found && !strings.Contains(talosErr.Error(), "not registered") {
			t.Errorf("%s: Talos %s says %v, LintPatch has no error", path, version, talosErr)
		}
		if expected := strings.HasPrefix(filepath.Base(path), "right-"); expected && talosErr != nil && !strings.Contains(talosErr.Error(), "not registered") {
			t.Errorf("%s: Talos %s: %v", path, version, talosErr)
		} else if expected && found {
			t.Errorf("%s: LintPatch: %v", path, talos.LintPatch(configs["worker"], patch))
		}
	}
}

// apply merges and validates as talosctl does.
func apply(config, patch []byte) error {
	loaded, err := configpatcher.LoadPatch(patch)
	if err != nil {
		return err
	}
	out, err := configpatcher.Apply(configpatcher.WithBytes(config), []configpatcher.Patch{loaded})
	if err != nil {
		return err
	}
	provider, err := out.Config()
	if err != nil {
		return err
	}
	// The delete of a document that is not there stays among the documents,
	// and machinery panics when it prints it.
	documents := slices.DeleteFunc(provider.Documents(), func(d coreconfig.Document) bool {
		_, unused := d.(interface {
			ApplyTo(coreconfig.Document) error
		})
		return unused
	})
	rest, err := container.New(documents...)
	if err != nil {
		return err
	}
	text, err := rest.EncodeBytes(encoder.WithComments(encoder.CommentsDisabled))
	if err != nil {
		return err
	}
	return accepted(text)
}

// runKubernetes checks manifests and the choice of the CNI.
func runKubernetes(t *testing.T, version string, configs map[string][]byte) {
	manifest, err := os.ReadFile(filepath.Join(testdata, "manifest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	inline, err := talos.InlineManifestPatch(version, "multus", manifest)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, "controlplane", inline, configs["controlplane"])
	if _, err := inline.Apply(configs["worker"]); err == nil {
		t.Error("a worker gets an inline manifest")
	}
	for _, proxy := range []bool{false, true} {
		none, err := talos.NoCNIPatch(version, talos.NoCNIConfig{DisableKubeProxy: proxy})
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"controlplane", "worker"} {
			once, err := none.Apply(configs[kind])
			if err != nil {
				t.Fatal(err)
			}
			if err := accepted(once); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if twice, err := none.Apply(once); err != nil || !bytes.Equal(once, twice) {
				t.Errorf("%s: a second time changes the config or fails: %v", kind, err)
			}
		}
	}
}
