package multus_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestInstallPlugins runs the program of the init container, as rendered, on
// directories of this machine: with sh, and with busybox where there is one,
// which is what the default image has.
func TestInstallPlugins(t *testing.T) {
	tests := []struct {
		name string
		run  func(n *pluginNode)
		// replaces: tools are replaced by others in PATH, which not every
		// build of busybox looks at.
		replaces bool
	}{
		{name: "copies what is missing", run: copiesMissing},
		{name: "leaves others' plugins alone", run: leavesForeign},
		{name: "leaves an identical plugin alone", run: leavesIdentical},
		{name: "replaces its own older copy", run: replacesOwn},
		{name: "replaces a plugin that runs", run: replacesRunning},
		{name: "leaves its own copy alone once changed", run: leavesChanged},
		{name: "leaves what took the place of its copy alone", run: leavesReplaced},
		{name: "copies again what was removed", run: copiesRemoved},
		{name: "recovers from being cut off", run: recovers, replaces: true},
		{name: "copies the plugins named", run: copiesNamed},
		{name: "reports what it cannot do", run: reports},
		{name: "does not fail without a place to report to", run: reportsNowhere},
		{name: "reports all without its tools", run: reportsWithoutTools, replaces: true},
	}
	for _, shell := range shells(t) {
		t.Run(shell.name, func(t *testing.T) {
			t.Run("parses", func(t *testing.T) {
				command := exec.Command(shell.command[0], append(slices.Clone(shell.command[1:]), "-n", "-c", pluginContainer(t).Command[2])...)
				if out, err := command.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
			for _, tt := range tests {
				if tt.replaces && shell.builtin {
					t.Logf("%s: with sh alone", tt.name)
					continue
				}
				t.Run(tt.name, func(t *testing.T) { tt.run(newPluginNode(t, shell)) })
			}
		})
	}
}

// TestInstallPluginsIsNotExpanded: Kubernetes turns $(NAME) of a command into
// the value of that variable, and $$ into $.
func TestInstallPluginsIsNotExpanded(t *testing.T) {
	container := pluginContainer(t)
	for _, argument := range container.Command {
		if strings.Contains(argument, "$$") {
			t.Errorf("$$ in %q", argument)
		}
		for _, env := range container.Env {
			if strings.Contains(argument, "$("+env.Name+")") {
				t.Errorf("$(%s) in %q", env.Name, argument)
			}
		}
	}
}

func copiesMissing(n *pluginNode) {
	n.ship("macvlan", "v1")
	n.ship("static", "v1")
	n.ship("LICENSE", "text")
	n.ship("README.md", "text")
	if err := os.Chmod(filepath.Join(n.source, "static"), 0o644); err != nil {
		n.t.Fatal(err)
	}
	n.install()
	n.wants(map[string]string{"macvlan": "v1", "static": "v1"})
	for _, name := range []string{"macvlan", "static"} {
		if info, err := os.Stat(filepath.Join(n.target, name)); err != nil || info.Mode() != 0o755 {
			n.t.Errorf("%s: mode %v and error %v, want 0755", name, info.Mode(), err)
		}
	}
	n.wantsMessage("")

	before := n.stat("macvlan")
	n.install()
	if !os.SameFile(before, n.stat("macvlan")) {
		n.t.Error("a second run wrote macvlan again")
	}
}

func leavesForeign(n *pluginNode) {
	n.ship("bridge", "v1")
	n.ship("macvlan", "v1")
	n.ship("vlan", "v1")
	n.ship("tuning", "v1")
	n.put("bridge", "the OS' own")
	n.put("elsewhere", "linked to")
	n.link("elsewhere", "macvlan")
	n.link("nowhere", "vlan")
	n.mkdir("tuning")
	n.install()
	n.wants(map[string]string{
		"bridge": "the OS' own", "elsewhere": "linked to", "macvlan": "-> elsewhere", "vlan": "-> nowhere", "tuning": "directory",
	})
	n.wantsMessage("")
}

func leavesIdentical(n *pluginNode) {
	n.ship("bridge", "v1")
	n.put("bridge", "v1")
	before := n.stat("bridge")
	n.install()
	if !os.SameFile(before, n.stat("bridge")) {
		n.t.Error("an identical bridge was written again")
	}
	// It is still not ours.
	n.ship("bridge", "v2")
	n.install()
	n.wants(map[string]string{"bridge": "v1"})
}

func replacesOwn(n *pluginNode) {
	for _, version := range []string{"v1", "v2", "v3", "v1"} {
		n.ship("macvlan", version)
		n.install()
		n.wants(map[string]string{"macvlan": version})
	}
	n.wantsMessage("")
}

func replacesRunning(n *pluginNode) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		n.t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		n.t.Fatal(err)
	}
	n.ship("sleep", string(program))
	n.install()
	running := exec.Command(filepath.Join(n.target, "sleep"), "600")
	if err := running.Start(); err != nil {
		n.t.Fatal(err)
	}
	defer func() {
		_ = running.Process.Kill()
		_ = running.Wait()
	}()
	// The test can fail: writing in place does.
	if err := os.WriteFile(filepath.Join(n.target, "sleep"), program, 0o755); !errors.Is(err, syscall.ETXTBSY) {
		n.t.Fatalf("writing the running file: error %v, want text file busy", err)
	}
	n.ship("sleep", string(program)+"newer")
	n.install()
	n.wants(map[string]string{"sleep": string(program) + "newer"})
	n.wantsMessage("")
}

func leavesChanged(n *pluginNode) {
	n.ship("macvlan", "v1")
	n.install()
	n.put("macvlan", "patched by somebody")
	n.ship("macvlan", "v2")
	n.install()
	n.wants(map[string]string{"macvlan": "patched by somebody"})
}

func leavesReplaced(n *pluginNode) {
	n.ship("macvlan", "v1")
	n.ship("vlan", "v1")
	n.ship("ipvlan", "v1")
	n.install()
	n.put("copy", "v1")
	for _, name := range []string{"macvlan", "vlan", "ipvlan"} {
		if err := os.Remove(filepath.Join(n.target, name)); err != nil {
			n.t.Fatal(err)
		}
		n.ship(name, "v2")
	}
	n.link("copy", "macvlan")
	n.link("nowhere", "vlan")
	n.mkdir("ipvlan")
	n.install()
	n.wants(map[string]string{"copy": "v1", "macvlan": "-> copy", "vlan": "-> nowhere", "ipvlan": "directory"})
}

func copiesRemoved(n *pluginNode) {
	n.ship("macvlan", "v1")
	n.install()
	if err := os.Remove(filepath.Join(n.target, "macvlan")); err != nil {
		n.t.Fatal(err)
	}
	n.install()
	n.wants(map[string]string{"macvlan": "v1"})
}

// recovers kills the program where it would rename: at the first installation
// and at an update.
func recovers(n *pluginNode) {
	const killer = "#!/bin/sh\nkill -9 $PPID\n"
	cutOff := func() {
		n.t.Helper()
		if _, err := n.run(n.pathWith("mv", killer)); err == nil {
			n.t.Fatal("the program survived")
		}
		if leftovers := n.leftovers(); len(leftovers) != 1 {
			n.t.Errorf("leftovers: %q, want one", leftovers)
		}
	}
	n.ship("macvlan", "v1")
	cutOff()
	n.wants(map[string]string{})
	n.install()
	n.wants(map[string]string{"macvlan": "v1"})

	n.ship("macvlan", "v2")
	cutOff()
	n.wants(map[string]string{"macvlan": "v1"})
	// Cut off again, and the image goes on meanwhile.
	n.ship("macvlan", "v3")
	cutOff()
	n.wants(map[string]string{"macvlan": "v1"})
	n.install()
	n.wants(map[string]string{"macvlan": "v3"})
	n.wantsMessage("")

	// Cut off at a plugin that the next image does not have.
	n.ship("vlan", "v1")
	cutOff()
	if err := os.Remove(filepath.Join(n.source, "vlan")); err != nil {
		n.t.Fatal(err)
	}
	n.install()
	n.wants(map[string]string{"macvlan": "v3"})
}

func copiesNamed(n *pluginNode) {
	n.ship("macvlan", "v1")
	n.ship("static", "v1")
	n.ship("vlan", "v1")
	n.install("PLUGINS=macvlan vlan")
	n.wants(map[string]string{"macvlan": "v1", "vlan": "v1"})
	n.wantsMessage("")
}

func reports(n *pluginNode) {
	n.ship("macvlan", "v1")
	output := n.install("PLUGINS=nonesuch macvlan nothing")
	n.wants(map[string]string{"macvlan": "v1"})
	n.wantsMessage("not installed: nonesuch nothing\n")
	if want := "nonesuch: not in " + n.source + " of this image\n"; !strings.Contains(output, want) {
		n.t.Errorf("output %q lacks %q", output, want)
	}

	// A file where a directory should be stops root too.
	n.put("file", "")
	n.install("TARGET=" + filepath.Join(n.target, "file"))
	n.wantsMessage("not installed: macvlan\n")

	n.install("SOURCE=" + filepath.Join(n.source, "none"))
	n.wantsMessage("not installed: *\n")
}

func reportsNowhere(n *pluginNode) {
	n.ship("macvlan", "v1")
	n.install("PLUGINS=nonesuch macvlan", "MESSAGE="+filepath.Join(n.source, "none", "message"))
	n.wants(map[string]string{"macvlan": "v1"})
}

func reportsWithoutTools(n *pluginNode) {
	n.ship("macvlan", "v1")
	n.ship("bridge", "v1")
	n.put("bridge", "the OS' own")
	for _, tool := range []string{"sha256sum", "cp", "chmod", "sync", "mv"} {
		n.install(n.pathWith(tool, "#!/bin/sh\nexit 1\n"))
		n.wants(map[string]string{"bridge": "the OS' own"})
		if tool == "sha256sum" {
			n.wantsMessage("not installed: bridge macvlan\n")
		} else {
			n.wantsMessage("not installed: macvlan\n")
		}
	}
}
