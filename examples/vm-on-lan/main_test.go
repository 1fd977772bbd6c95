package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

func TestVMOnLAN(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "run", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rest := string(out)
	for _, want := range []string{ // in this order
		"== On macvlan\nerror kubevirt/mac-moves: VirtualMachine vms/web spec.template.spec.networks[1].multus.networkName: NAD vms/lan is of the plugin macvlan",
		"source: kubevirt #5483",
		"== On a bridge\nno findings\nits pod calls the interface pod094a367b026\n",
		"---\n", "kind: NetworkAttachmentDefinition", `"disableContainerInterface": true`,
		"---\n", "kind: VirtualMachine", "- masquerade: {}\n", "name: default", "- bridge: {}\n", "name: lan", "pod: {}", "networkName: vms/lan",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("no %q, or not in its place, in:\n%s", want, out)
		}
		rest = after
	}
}
