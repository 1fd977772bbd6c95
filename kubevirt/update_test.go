package kubevirt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/internal/vmcases"
	"github.com/multihome/multihome/kubevirt"
)

// changed returns the cases of update.txtar, each after the VM that runs.
func changed(tb testing.TB) (running vmcases.Case, changes []vmcases.Case) {
	tb.Helper()
	cases, err := vmcases.Read(golden.Archive(tb, "testdata/update.txtar"))
	if err != nil {
		tb.Fatal(err)
	}
	return cases[0], cases[1:]
}

// TestCheckUpdate compares what each x.yaml of testdata/update.txtar takes of a
// VM that runs as running.yaml with x.findings.
func TestCheckUpdate(t *testing.T) {
	running, changes := changed(t)
	for _, c := range changes {
		t.Run(c.Name, func(t *testing.T) {
			var got strings.Builder
			for _, finding := range kubevirt.CheckUpdate(&running.Spec, &c.Spec, kubevirt.Cluster{Version: c.Cluster.Version}) {
				fmt.Fprintln(&got, finding)
				if finding.Path == "" || finding.Source == "" {
					t.Errorf("incomplete: %+v", finding)
				}
			}
			golden.Check(t, "testdata/update.txtar", c.Name+".findings", []byte(got.String()))
		})
	}
	if got := kubevirt.CheckUpdate(&running.Spec, &running.Spec, kubevirt.Cluster{}); len(got) != 0 {
		t.Errorf("no change: got %v", got)
	}
}

// TestCheckUpdateChangesNothing: old and new stay as they are.
func TestCheckUpdateChangesNothing(t *testing.T) {
	running, changes := changed(t)
	for _, c := range changes {
		before := []*kubevirtv1.VirtualMachineInstanceSpec{running.Spec.DeepCopy(), c.Spec.DeepCopy()}
		kubevirt.CheckUpdate(&running.Spec, &c.Spec, kubevirt.Cluster{})
		if diff := cmp.Diff(before, []*kubevirtv1.VirtualMachineInstanceSpec{&running.Spec, &c.Spec}); diff != "" {
			t.Errorf("%s (-before +after):\n%s", c.Name, diff)
		}
	}
}
