package multus_test

import (
	"maps"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// TestKeptByOther: programs that keep applying what they installed are named
// before an install starts a tug of war with them.
func TestKeptByOther(t *testing.T) {
	tests := []struct {
		name                string
		labels, annotations map[string]string
		want                bool
	}{
		{"Argo CD", map[string]string{"argocd.argoproj.io/instance": "multus"}, nil, true},
		{"Flux", map[string]string{"kustomize.toolkit.fluxcd.io/name": "multus"}, nil, true},
		{"Talos", nil, map[string]string{"config.k8s.io/owning-inventory": "talos-bootstrap-manifests-inventory"}, true},
		{"somebody who is done", nil, map[string]string{"meta.helm.sh/release-name": "multus"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var objects []client.Object
			for _, object := range manifestObjects(t, asUpstream("v4.2.4")) {
				if object.GetKind() == "DaemonSet" {
					labels := object.GetLabels()
					maps.Copy(labels, test.labels)
					object.SetLabels(labels)
					object.SetAnnotations(test.annotations)
				}
				objects = append(objects, object)
			}
			cluster := simulate(t, multustest.Options{Objects: objects})
			installer, err := multus.NewInstaller(cluster.Client(), onFlannel)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := installer.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(codes(plan.Findings), "multus/kept-by-other"); got != test.want {
				t.Errorf("multus/kept-by-other among the findings: %v, want %v: %v", got, test.want, plan.Findings)
			}
		})
	}
}
