// Command provision writes the machine configs of a Talos cluster whose nodes
// have a bridge and Multus from their first boot, and what Cilium needs beside
// it: the files that a person hands to talosctl and helm.
//
//	go run ./examples/provision DIR
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/siderolabs/talos/pkg/machinery/config"
	"github.com/siderolabs/talos/pkg/machinery/config/encoder"
	"github.com/siderolabs/talos/pkg/machinery/config/generate"
	"github.com/siderolabs/talos/pkg/machinery/config/machine"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/talos"
)

const (
	talosVersion      = "v1.13.9"
	kubernetesVersion = "1.36.0"
	endpoint          = "https://10.0.0.10:6443"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "provision:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: provision DIR")
	}
	everyNode, controlPlanes, err := patches()
	if err != nil {
		return err
	}
	for _, finding := range controlPlanes.Findings {
		fmt.Fprintln(out, finding)
	}
	files, err := generated()
	if err != nil {
		return err
	}
	for name, patch := range map[string]talos.Patch{"controlplane.yaml": controlPlanes, "worker.yaml": everyNode} {
		if files[name], err = patch.Apply(files[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := talos.CheckSize(files[name], talos.MaxMaintenanceSize); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, finding := range talos.LintNetwork(files[name]) {
			if finding.Severity == multihome.SeverityError {
				return fmt.Errorf("%s: %s", name, finding)
			}
		}
	}
	// KubePrism, the load balancer on every Talos node, stands in for
	// kube-proxy; Multus' configuration is left alone.
	if files["cilium-values.yaml"], err = yaml.Marshal(cilium.HelmValues(cilium.ValuesOptions{Talos: true, KubeVirt: true})); err != nil {
		return err
	}
	return write(args[0], files, out)
}

// patches returns what every node gets, and what control planes get: Multus
// too. The nodes are reached by eno1, and the bridge for VMs is over eno2.
func patches() (everyNode, controlPlanes talos.Patch, err error) {
	bridge, err := talos.BridgePatch(talosVersion, talos.BridgeConfig{
		Name: "br0", Links: []string{"eno2"},
		PrimaryLink: talos.PrimaryLink{Name: "eno1"},
	})
	if err != nil {
		return everyNode, controlPlanes, err
	}
	noCNI, err := talos.NoCNIPatch(talosVersion, talos.NoCNIConfig{DisableKubeProxy: true})
	if err != nil {
		return everyNode, controlPlanes, err
	}
	if everyNode, err = talos.Combine(bridge, noCNI); err != nil {
		return everyNode, controlPlanes, err
	}
	bundle, err := multus.Render(multus.Config{Platform: multus.Platform{
		Talos: talosVersion, PrimaryCNI: "cilium", Architectures: []string{"amd64"},
	}})
	if err != nil {
		return everyNode, controlPlanes, err
	}
	manifest, err := bundle.YAML()
	if err != nil {
		return everyNode, controlPlanes, err
	}
	inline, err := talos.InlineManifestPatch(talosVersion, "multus", manifest)
	if err != nil {
		return everyNode, controlPlanes, err
	}
	controlPlanes, err = talos.Combine(everyNode, inline)
	return everyNode, controlPlanes, err
}

// generated returns the files of a new cluster, as talosctl gen config does.
func generated() (map[string][]byte, error) {
	contract, err := config.ParseContractFromVersion(talosVersion)
	if err != nil {
		return nil, err
	}
	input, err := generate.NewInput("lab", endpoint, kubernetesVersion,
		generate.WithVersionContract(contract), generate.WithInstallDisk("/dev/sda"))
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for name, kind := range map[string]machine.Type{"controlplane.yaml": machine.TypeControlPlane, "worker.yaml": machine.TypeWorker} {
		provider, err := input.Config(kind)
		if err != nil {
			return nil, err
		}
		if files[name], err = provider.EncodeBytes(encoder.WithComments(encoder.CommentsDisabled)); err != nil {
			return nil, err
		}
	}
	client, err := input.Talosconfig()
	if err != nil {
		return nil, err
	}
	files["talosconfig"], err = client.Bytes()
	return files, err
}

// write saves the files, which hold the keys of the cluster, and says what to
// do with them.
func write(dir string, files map[string][]byte, out io.Writer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var names []string
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(out, "wrote %s, %d bytes\n", name, len(files[name]))
	}
	_, err := fmt.Fprint(out, `next:
  talosctl apply-config --insecure --nodes IP --file controlplane.yaml
  talosctl --talosconfig talosconfig bootstrap --nodes IP --endpoints IP
  helm install cilium cilium/cilium --namespace kube-system --values cilium-values.yaml
`)
	return err
}
