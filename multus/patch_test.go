package multus_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/multihome/multihome/multus"
)

const configAnnotation = "multihome.github.io/daemon-config"

func TestPatches(t *testing.T) {
	var order []string
	bundle := render(t, multus.Config{Patches: []multus.Patch{
		{Name: "first", Reason: "because", Apply: func(b *multus.Bundle) error {
			order = append(order, "first")
			b.DaemonSets[0].Labels["team"] = "network"
			return nil
		}},
		{Name: "second", Apply: func(b *multus.Bundle) error {
			order = append(order, "second after "+b.DaemonSets[0].Labels["team"])
			return nil
		}},
	}})
	if diff := cmp.Diff([]string{"first", "second after network"}, order); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	want := []multus.Fix{{Name: "first", Reason: "because"}, {Name: "second"}}
	if diff := cmp.Diff(want, bundle.Fixes[len(bundle.Fixes)-2:]); diff != "" {
		t.Errorf("last fixes (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(toYAML(t, bundle)), "team: network") {
		t.Error("the patch is not in the YAML")
	}
}

// TestPatchOfDaemonConfigRestarts: the hash on the pods is that of the
// configuration as patched.
func TestPatchOfDaemonConfigRestarts(t *testing.T) {
	hash := func(config multus.Config) string {
		return render(t, config).DaemonSets[0].Spec.Template.Annotations[configAnnotation]
	}
	patched := multus.Config{Patches: []multus.Patch{{Name: "config", Apply: func(b *multus.Bundle) error {
		b.ConfigMap.Data["daemon-config.json"] = "{}"
		return nil
	}}}}
	if hash(multus.Config{}) == "" || hash(multus.Config{}) == hash(patched) {
		t.Errorf("hash %q does not follow the patch: %q", hash(multus.Config{}), hash(patched))
	}
	skipped := multus.Config{Skip: []string{"config-restart"}}
	if got := hash(skipped); got != "" {
		t.Errorf("hash %q although skipped", got)
	}
}

func TestPatchErrors(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name  string
		apply func(*multus.Bundle) error
		want  string
	}{
		{"its own error", func(*multus.Bundle) error { return broken }, `patch "mine": broken`},
		{"no CRD", func(b *multus.Bundle) error { b.CRD = nil; return nil }, "took away an object"},
		{"no DaemonSet", func(b *multus.Bundle) error { b.DaemonSets = nil; return nil }, "took away an object"},
		{"a nil DaemonSet", func(b *multus.Bundle) error { b.DaemonSets = append(b.DaemonSets, nil); return nil }, "to nil"},
		{"two images", func(b *multus.Bundle) error {
			b.DaemonSets[0].Spec.Template.Spec.Containers[0].Image = "other:1"
			return nil
		}, `DaemonSet kube-system/kube-multus-ds: container kube-multus runs "other:1" and init container install-multus-binary runs "ghcr.io`},
		{"no init container", func(b *multus.Bundle) error {
			b.DaemonSets[0].Spec.Template.Spec.InitContainers = nil
			return nil
		}, `install-multus-binary runs ""`},
		{"broken configuration", func(b *multus.Bundle) error {
			b.ConfigMap.Data["daemon-config.json"] = "{,}"
			return nil
		}, "ConfigMap kube-system/multus-daemon-config: data[daemon-config.json] is not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bundle, err := multus.Render(multus.Config{Patches: []multus.Patch{{Name: "mine", Apply: tt.apply}}})
			if bundle != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got a bundle: %t, and error %v; want %s", bundle != nil, err, tt.want)
			}
			if tt.name == "its own error" && !errors.Is(err, broken) {
				t.Error("the patch's error is not wrapped")
			}
		})
	}
}

// TestPatchMayAddADaemonSet: one that has nothing to do with Multus is let be.
func TestPatchMayAddADaemonSet(t *testing.T) {
	bundle := render(t, multus.Config{Patches: []multus.Patch{{Name: "mine", Apply: func(b *multus.Bundle) error {
		b.DaemonSets = append(b.DaemonSets, &appsv1.DaemonSet{})
		return nil
	}}}})
	if _, err := bundle.YAML(); err == nil || !strings.Contains(err.Error(), "kind is missing") {
		t.Errorf("YAML of an object without a name: error %v", err)
	}
}
