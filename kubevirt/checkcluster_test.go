package kubevirt_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/kubevirt"
)

const clusterFile = "testdata/cluster.txtar"

// busy is a cluster with VMs of every kind.
func busy(tb testing.TB) *cluster {
	tb.Helper()
	return clusterOf(tb, string(golden.Section(tb, golden.Archive(tb, clusterFile), "objects.yaml")))
}

func checkCluster(t *testing.T, reader client.Reader, options kubevirt.CheckOptions) kubevirt.Report {
	t.Helper()
	report, err := kubevirt.CheckCluster(t.Context(), reader, options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func text(r kubevirt.Report) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d VMs, %d VMIs, %d omitted\n", r.VMs, r.VMIs, r.Omitted)
	for _, f := range r.Findings {
		fmt.Fprintln(&out, f)
	}
	return out.String()
}

func TestCheckCluster(t *testing.T) {
	tests := []struct {
		name    string
		options kubevirt.CheckOptions
	}{
		{"all", kubevirt.CheckOptions{}},
		{"namespace", kubevirt.CheckOptions{Namespaces: []string{"shop", "empty"}}},
		{"two findings", kubevirt.CheckOptions{MaxFindings: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := busy(t)
			first := text(checkCluster(t, c, tt.options))
			golden.Check(t, clusterFile, tt.name, []byte(first))
			golden.Check(t, clusterFile, tt.name+" requests", []byte(strings.Join(c.requests, "\n")))
			slices.Reverse(c.objects["VirtualMachine"]) // the API server's order counts, not that of creation
			if diff := cmp.Diff(first, text(checkCluster(t, c, tt.options))); diff != "" {
				t.Errorf("second time (-first +second):\n%s", diff)
			}
		})
	}
}

// TestCheckClusterWithout: what is not there or cannot be read is told, and the
// rest is checked.
func TestCheckClusterWithout(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *cluster)
	}{
		{"no permission for kubevirts", func(c *cluster) { c.forbidden = "kubevirts" }},
		{"no permission for NADs", func(c *cluster) { c.forbidden = "network-attachment-definitions" }},
		{"no permission for VMs", func(c *cluster) { c.forbidden = "virtualmachines" }},
		{"no permission for VMIs", func(c *cluster) { c.forbidden = "virtualmachineinstances" }},
		{"no KubeVirt object", func(c *cluster) { delete(c.objects, "KubeVirt") }},
		{"two KubeVirt objects", func(c *cluster) {
			second := *c.objects["KubeVirt"][0].DeepCopy()
			second.SetName("second")
			c.objects["KubeVirt"] = append(c.objects["KubeVirt"], second)
		}},
		{"strange KubeVirt object", func(c *cluster) { c.objects["KubeVirt"][0].Object["spec"] = "none" }},
		{"no Multus", func(c *cluster) { c.missing = "NetworkAttachmentDefinition" }},
		{"injection", func(c *cluster) {
			settings := c.objects["KubeVirt"][0].Object["spec"].(map[string]any)["configuration"].(map[string]any)
			settings["developerConfiguration"] = map[string]any{"featureGates": []any{"ExternalNetResourceInjection"}}
			delete(settings, "network")
			delete(settings, "migrations")
		}},
		{"broken migration network", func(c *cluster) {
			settings := c.objects["KubeVirt"][0].Object["spec"].(map[string]any)["configuration"].(map[string]any)
			settings["migrations"] = map[string]any{"network": "shop/broken"}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := busy(t)
			for kind, objects := range c.objects { // said already
				c.objects[kind] = slices.DeleteFunc(objects, func(u unstructured.Unstructured) bool { return strings.HasPrefix(u.GetName(), "strange") })
			}
			tt.change(c)
			golden.Check(t, "testdata/without.txtar", tt.name, []byte(text(checkCluster(t, c, kubevirt.CheckOptions{}))))
		})
	}
}

func TestCheckClusterNotFound(t *testing.T) {
	for _, kind := range []string{"KubeVirt", "VirtualMachine", "VirtualMachineInstance"} {
		c := busy(t)
		c.missing = kind
		if _, err := kubevirt.CheckCluster(t.Context(), c, kubevirt.CheckOptions{}); !errors.Is(err, kubevirt.ErrNotFound) {
			t.Errorf("%s: got %v", kind, err)
		}
	}
	if _, err := kubevirt.CheckCluster(t.Context(), nil, kubevirt.CheckOptions{}); err == nil {
		t.Error("no error without a reader")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kubevirt.CheckCluster(ctx, busy(t), kubevirt.CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestCheckClusterFaults breaks each request: the error names it and keeps the
// cause, and the next call is as if nothing had been.
func TestCheckClusterFaults(t *testing.T) {
	c := busy(t)
	want := text(checkCluster(t, c, kubevirt.CheckOptions{}))
	requests := slices.Clone(c.requests)
	for _, cause := range []error{
		apierrors.NewInternalError(errors.New("etcd")), apierrors.NewTooManyRequests("slowly", 1), apierrors.NewResourceExpired("too old"), errors.New("connection reset"),
	} {
		for index, request := range requests {
			c.requests = nil
			c.fail = func(n int, _ string) error {
				if n == index {
					return cause
				}
				return nil
			}
			_, err := kubevirt.CheckCluster(t.Context(), c, kubevirt.CheckOptions{})
			kind, _, _ := strings.Cut(request, " ")
			if !errors.Is(err, cause) || !strings.Contains(err.Error(), "list "+strings.ToLower(kind)+"s: ") {
				t.Errorf("%v of %s: got %v", cause, request, err)
			}
			c.fail = nil
			if diff := cmp.Diff(want, text(checkCluster(t, c, kubevirt.CheckOptions{}))); diff != "" {
				t.Errorf("after %v of %s (-want +got):\n%s", cause, request, diff)
			}
		}
	}
}

// TestCheckClusterPages: a list that begins again brings each VM once.
func TestCheckClusterPages(t *testing.T) {
	c := busy(t)
	first := c.objects["VirtualMachine"][0]
	for n := range 1200 {
		object := *first.DeepCopy()
		object.SetName(fmt.Sprintf("copy-%04d", n))
		c.objects["VirtualMachine"] = append(c.objects["VirtualMachine"], object)
	}
	want := checkCluster(t, c, kubevirt.CheckOptions{})
	expired := 0
	c.fail = func(_ int, request string) error {
		if request == "VirtualMachine  1000" && expired == 0 {
			expired++
			return apierrors.NewResourceExpired("too old")
		}
		return nil
	}
	got := checkCluster(t, c, kubevirt.CheckOptions{})
	if diff := cmp.Diff(text(want), text(got)); diff != "" || expired != 1 || got.VMs < 1200 {
		t.Errorf("%d VMs, expired %d times (-want +got):\n%s", got.VMs, expired, diff)
	}
}

// TestCheckerRBAC: the rules are the lists that are made, no more and no less.
func TestCheckerRBAC(t *testing.T) {
	for _, options := range []kubevirt.CheckOptions{{}, {Namespaces: []string{"shop", "lab", "shop"}}} {
		var allowed []string
		for _, object := range kubevirt.CheckerRBAC(options) {
			rules := []rbacv1.PolicyRule{}
			namespace := ""
			switch role := object.(type) {
			case *rbacv1.ClusterRole:
				rules = role.Rules
			case *rbacv1.Role:
				rules, namespace = role.Rules, role.Namespace+" "
			}
			for _, r := range rules {
				for _, resource := range r.Resources {
					allowed = append(allowed, namespace+resource+"."+r.APIGroups[0]+" "+strings.Join(r.Verbs, ","))
				}
			}
		}
		c := busy(t)
		checkCluster(t, c, options)
		asked := map[string]bool{}
		for _, request := range c.requests {
			kind, rest, _ := strings.Cut(request, " ")
			namespace, _, _ := strings.Cut(rest, " ")
			if namespace != "" {
				namespace += " "
			}
			asked[namespace+map[string]string{
				"KubeVirt": "kubevirts.kubevirt.io", "VirtualMachine": "virtualmachines.kubevirt.io", "VirtualMachineInstance": "virtualmachineinstances.kubevirt.io",
				"NetworkAttachmentDefinition": "network-attachment-definitions.k8s.cni.cncf.io",
			}[kind]+" list"] = true
		}
		slices.Sort(allowed)
		var want []string
		for request := range asked {
			want = append(want, request)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, allowed); diff != "" {
			t.Errorf("%v (-asked +allowed):\n%s", options, diff)
		}
	}
}
