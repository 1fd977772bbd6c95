// Gomod writes the go.mod and go.sum of the labnode module and of the modules below it that hold older releases
// of Multus: a module can require one version of another.
//
// Run it in internal/e2e/labnode, after the node module has changed or a version below:
//
//	go run ./gomod
//
// Every module that the node module requires too is required at the same version. So the packages that the
// programs share with Kubernetes, client-go above all, are the very same and compiled once, which is nearly all
// of the time that a build takes. The versions below are the newest that leave them alone.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	labnode = "github.com/multihome/multihome/internal/e2e/labnode"
	multus  = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
)

// module is one go.mod to write.
type module struct {
	dir      string
	requires []string // module@version
	replaces []string // module@version, where the node module's version does not compile
	tools    []string
}

func modules() []module {
	main := module{
		dir: ".",
		requires: []string{
			"github.com/containerd/containerd/v2@v2.2.9",
			"github.com/containernetworking/plugins@v1.9.1",
			"github.com/flannel-io/flannel@v0.28.4", // for ./flanneld
			"github.com/opencontainers/runc@v1.4.3",
			multus + "@v4.3.0",
		},
		replaces: []string{
			"github.com/containerd/containerd/api@v1.10.0", // 1.11 moved its ttrpc services
			"k8s.io/cri-api@v0.34.10",                      // 0.37 has methods that containerd 2.2 lacks
		},
		tools: []string{"github.com/opencontainers/runc", multus + "/cmd/passthru-cni"},
	}
	for _, program := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		main.tools = append(main.tools, "github.com/containerd/containerd/v2/cmd/"+program)
	}
	for _, plugin := range []string{
		"ipam/dhcp", "ipam/host-local", "ipam/static",
		"main/bridge", "main/dummy", "main/host-device", "main/ipvlan", "main/loopback", "main/macvlan", "main/ptp", "main/tap", "main/vlan",
		"meta/bandwidth", "meta/firewall", "meta/portmap", "meta/sbr", "meta/tuning", "meta/vrf",
	} {
		main.tools = append(main.tools, "github.com/containernetworking/plugins/plugins/"+plugin)
	}
	out := []module{
		main,
		{
			dir: "multus-v4.2.4", requires: []string{multus + "@v4.2.4"},
			tools: []string{multus + "/cmd/passthru-cni", multus + "/cmd/multus", multus + "/cmd/thin_entrypoint"}, // thin Multus too
		},
		{
			dir: "multus-v4.1.4", requires: []string{multus + "@v4.1.4"},
			replaces: []string{"k8s.io/kubelet@v0.29.0"}, // its podresources are those of that time
		},
		{dir: "multus-v4.0.2", requires: []string{multus + "@v4.0.2"}},
	}
	for i := range out {
		for _, program := range []string{"install_multus", "multus-daemon", "multus-shim"} {
			out[i].tools = append(out[i].tools, multus+"/cmd/"+program)
		}
	}
	return out
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gomod:", err)
		os.Exit(1)
	}
}

func run() error {
	node := filepath.Join("..", "node")
	described, err := goCommand(node, "mod", "edit", "-json")
	if err != nil {
		return err
	}
	var wanted goMod
	if err := json.Unmarshal(described, &wanted); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(node, "go.sum"))
	if err != nil {
		return err
	}
	for _, m := range modules() {
		if err := m.write(wanted, sums); err != nil {
			return fmt.Errorf("%s: %w", m.dir, err)
		}
	}
	return nil
}

// goMod is the part of `go mod edit -json` that is taken over.
type goMod struct {
	Go      string
	Require []struct{ Path, Version string }
}

func (m module) write(node goMod, sums []byte) error {
	var b strings.Builder
	fmt.Fprintf(&b, "// Written by `go run ./gomod` in internal/e2e/labnode: do not edit.\n\n")
	fmt.Fprintf(&b, "module %s\n\ngo %s\n\nrequire (\n", filepath.ToSlash(filepath.Join(labnode, m.dir)), node.Go)
	for _, r := range node.Require {
		if r.Path != "k8s.io/kubernetes" { // it requires modules that only its own replace lines find
			fmt.Fprintf(&b, "%s %s\n", r.Path, r.Version)
		}
	}
	for _, r := range m.requires {
		fmt.Fprintf(&b, "%s\n", strings.Replace(r, "@", " ", 1))
	}
	b.WriteString(")\n")
	for _, r := range m.replaces {
		path, version, _ := strings.Cut(r, "@")
		fmt.Fprintf(&b, "replace %s => %[1]s %s\n", path, version)
	}
	for _, tool := range m.tools {
		fmt.Fprintf(&b, "tool %s\n", tool)
	}
	err := errors.Join(
		os.MkdirAll(m.dir, 0o755),
		os.WriteFile(filepath.Join(m.dir, "go.mod"), []byte(b.String()), 0o644),
		os.WriteFile(filepath.Join(m.dir, "go.sum"), sums, 0o644),
	)
	if err != nil {
		return err
	}
	_, err = goCommand(m.dir, "mod", "tidy")
	return err
}

// goCommand runs the Go command outside any workspace and returns its standard output.
func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
