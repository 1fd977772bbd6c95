package cilium_test

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/cilium/daemon/cmd/cni"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/hive"
	"github.com/cilium/hive/cell"
	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/cilium"
)

const (
	multusConf = `{"cniVersion":"0.3.1","name":"multus-cni-network","type":"multus-shim"}`
	flannel    = `{"cniVersion":"1.0.0","name":"cbr0","plugins":[{"type":"flannel"}]}`
)

// directories are what a node has before its agent starts.
var directories = map[string]map[string]string{
	"empty":           {},
	"multus":          {"00-multus.conf": multusConf},
	"multus, primary": {"00-multus.conf": multusConf, "10-flannel.conflist": flannel, "05-cilium.conflist": "{}"},
	"old Cilium":      {"00-multus.conf": multusConf, "05-cilium.conf": `{"name":"cilium","type":"cilium-cni"}`},
	"all endings": {
		"a.conf": "{}", "b.conflist": "{}", "c.json": "{}", "d.conf.cilium_bak": flannel, "README": "", "e.CONF": "{}", ".hidden.conf": "{}",
		"f.conf.bak": "{}", "g.yaml": "{}",
	},
	"backup is there": {"00-multus.conf": multusConf, "00-multus.conf.cilium_bak": "{}"},
	"no JSON":         {"00-multus.conf": "{", "10-flannel.conflist": flannel, "20-null.conf": "null", "30-list.conf": "[]", "40-number.conf": `{"name":1}`},
}

// configurations are what cilium-config says, besides the conflist.
var configurations = []map[string]string{
	{"cni-exclusive": "true"},
	{"cni-exclusive": "false"},
	{},
	{"cni-exclusive": "true", "cni-chaining-mode": "portmap"},
	{"cni-exclusive": "true", "cni-chaining-mode": "Flannel"},
	{"cni-exclusive": "true", "cni-chaining-mode": "generic-veth"}, // without a target
	{"cni-exclusive": "true", "cni-chaining-mode": "aws-cni"},
	{"cni-exclusive": "true", "cni-chaining-mode": "AWS-CNI"}, // which is another
	{"cni-exclusive": "false", "cni-chaining-target": "cbr0", "cni-chaining-mode": ""},
	{"cni-exclusive": "true", "cni-chaining-target": "cbr0"},
	{"cni-exclusive": "false", "cni-chaining-target": "*"},
	{"cni-exclusive": "true", "cni-chaining-target": "nobody's"},
	{"cni-exclusive": "true", "read-cni-conf": "source"},
}

// agent is the part of Cilium's agent that manages CNI configurations.
type agent struct {
	hive    *hive.Hive
	manager cni.CNIConfigManager
}

var quiet = slog.New(slog.DiscardHandler)

// start starts it with the flags that cilium-config sets, and waits until it
// has written its conflist or failed to: it says so in its status, after all
// that it does to the directory.
func start(t *testing.T, flags map[string]string) agent {
	t.Helper()
	a := agent{}
	a.hive = hive.New(
		cni.Cell,
		cell.Provide(func() *option.DaemonConfig { return &option.DaemonConfig{} }),
		cell.Invoke(func(m cni.CNIConfigManager) { a.manager = m }),
	)
	for flag, value := range flags {
		a.hive.Viper().Set(flag, value)
	}
	if err := a.hive.Start(quiet, t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the agent to speak", func() bool { return !strings.Contains(a.manager.Status().Msg, "not started") })
	return a
}

func (a agent) stop(t *testing.T) {
	t.Helper()
	if err := a.hive.Stop(quiet, t.Context()); err != nil {
		t.Fatal(err)
	}
}

// until waits for what is going to happen; the limit is for a test that hangs.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func fill(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, entry := range entries {
		if !entry.IsDir() {
			out = append(out, entry.Name())
		}
	}
	slices.Sort(out)
	return out
}

// TestConfDir: what Cilium's agent leaves of a directory is what ConfDir says,
// for every directory and configuration above, with and without a conflist.
func TestConfDir(t *testing.T) {
	compared := 0
	for name, files := range directories {
		for n, data := range configurations {
			for _, conflist := range []string{"05-cilium.conflist", "05-cilium.conf", ""} {
				t.Run(fmt.Sprintf("%s/%d/%s", name, n, conflist), func(t *testing.T) {
					dir := t.TempDir()
					fill(t, dir, files)
					if err := os.Mkdir(filepath.Join(dir, "multus.d.conf"), 0o700); err != nil {
						t.Fatal(err)
					}
					flags := map[string]string{}
					maps.Copy(flags, data)
					if flags["read-cni-conf"] != "" {
						flags["read-cni-conf"] = filepath.Join(t.TempDir(), "source.conflist")
						if err := os.WriteFile(flags["read-cni-conf"], []byte(flannel), 0o600); err != nil {
							t.Fatal(err)
						}
					}
					if conflist != "" {
						flags["write-cni-conf-when-ready"] = filepath.Join(dir, conflist)
					}
					settings, err := cilium.Parse(flags)
					if err != nil {
						t.Fatal(err)
					}
					a := start(t, flags)
					if mode := a.manager.GetChainingMode(); mode != settings.ChainingMode {
						t.Errorf("chaining mode %q, and Parse says %q", mode, settings.ChainingMode)
					}
					want := settings.ConfDir(files)
					if diff := cmp.Diff(want, list(t, dir)); diff != "" {
						t.Errorf("%s (-predicted +Cilium):\n%s", a.manager.Status().Msg, diff)
					}
					a.stop(t)
					compared++
				})
			}
		}
	}
	if want := len(directories) * len(configurations) * 3; compared != want {
		t.Errorf("%d cases, want %d", compared, want)
	}
}

// TestConfDirLater: Multus writes its file once the agent runs. An exclusive
// agent takes it away all the same; any other leaves it, and stops without
// having touched it.
func TestConfDirLater(t *testing.T) {
	for _, exclusive := range []string{"true", "false"} {
		t.Run("exclusive "+exclusive, func(t *testing.T) {
			dir := t.TempDir()
			flags := map[string]string{"cni-exclusive": exclusive, "write-cni-conf-when-ready": filepath.Join(dir, "05-cilium.conflist")}
			settings, err := cilium.Parse(flags)
			if err != nil {
				t.Fatal(err)
			}
			a := start(t, flags)
			for range 3 {
				fill(t, dir, map[string]string{"00-multus.conf": multusConf})
				want := settings.ConfDir(map[string]string{"00-multus.conf": multusConf})
				until(t, "the directory as predicted", func() bool { return cmp.Equal(want, list(t, dir)) })
			}
			a.stop(t)
			if _, err := os.Stat(filepath.Join(dir, "00-multus.conf")); os.IsNotExist(err) != settings.Exclusive {
				t.Errorf("00-multus.conf after all: %v", err)
			}
		})
	}
}

// TestChainedToMultus: with target "*" Cilium makes its conflist out of Multus'
// file, which delegates to Cilium's: what finding cilium/chaining-any says.
func TestChainedToMultus(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]string{"00-multus.conf": multusConf, "10-flannel.conflist": flannel})
	flags := map[string]string{"cni-chaining-target": "*", "write-cni-conf-when-ready": filepath.Join(dir, "05-cilium.conflist")}
	start(t, flags).stop(t)
	conflist, err := os.ReadFile(filepath.Join(dir, "05-cilium.conflist"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(conflist), "multus-shim") || !strings.Contains(string(conflist), "cilium-cni") {
		t.Errorf("Cilium's conflist does not call Multus: %s", conflist)
	}
	settings, err := cilium.Parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	findings := cilium.Config{Settings: settings, Known: true}.Findings()
	if len(findings) == 0 || findings[0].Code != "cilium/chaining-any" {
		t.Errorf("findings %v, want cilium/chaining-any", findings)
	}
}

// TestCNIVersion compares what the agent writes with Config.CNIVersion.
func TestCNIVersion(t *testing.T) {
	dir := t.TempDir()
	start(t, map[string]string{"write-cni-conf-when-ready": filepath.Join(dir, "05-cilium.conflist")}).stop(t)
	conflist, err := os.ReadFile(filepath.Join(dir, "05-cilium.conflist"))
	if err != nil {
		t.Fatal(err)
	}
	want := cilium.Config{Version: "v1.20.2"}.CNIVersion()
	if !strings.Contains(string(conflist), `"cniVersion": "`+want+`"`) {
		t.Errorf("no cniVersion %s in %s", want, conflist)
	}
}
