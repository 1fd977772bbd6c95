package cilium_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/internal/golden"
)

// TestSettings reads cilium-config as it is found in the wild, and says what
// is wrong with it: each file has the data, and is told the version.
func TestSettings(t *testing.T) {
	files, err := filepath.Glob("testdata/settings/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive := golden.Archive(t, file)
			data := map[string]string{}
			if err := yaml.UnmarshalStrict(golden.Section(t, archive, "data.yaml"), &data); err != nil {
				t.Fatal(err)
			}
			settings, err := cilium.Parse(data)
			problems := ""
			if err != nil {
				problems = err.Error() + "\n"
			}
			config := cilium.Config{
				Settings: settings, Known: true, Namespace: "kube-system",
				Version: strings.TrimSpace(string(golden.Section(t, archive, "version"))),
			}
			golden.Check(t, file, "problems", []byte(problems))
			golden.Check(t, file, "settings.json", indented(t, settings))
			golden.Check(t, file, "findings", []byte(strings.Join(texts(config.Findings()), "\n")))
		})
	}
}

// All that the agent would not understand is said at once, with its key.
func TestParseProblems(t *testing.T) {
	_, err := cilium.Parse(map[string]string{"cni-exclusive": "yes", "devices": "eth0", "routing-mode": "bridge"})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("error %v, want two joined ones", err)
	}
	var got []string
	for _, err := range joined.Unwrap() {
		var problem *field.Error
		if !errors.As(err, &problem) {
			t.Fatalf("%v is no *field.Error", err)
		}
		got = append(got, problem.Field)
	}
	if diff := cmp.Diff([]string{"data[cni-exclusive]", "data[routing-mode]"}, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestChained(t *testing.T) {
	tests := []struct {
		data map[string]string
		want bool
	}{
		{data: nil},
		{data: map[string]string{"cni-chaining-mode": "none"}},
		{data: map[string]string{"cni-chaining-mode": "Portmap"}},
		{data: map[string]string{"cni-chaining-mode": "flannel"}, want: true},
		{data: map[string]string{"cni-chaining-mode": "aws-cni"}, want: true},
		{data: map[string]string{"cni-chaining-target": "lan"}, want: true},
	}
	for _, tt := range tests {
		settings, err := cilium.Parse(tt.data)
		if err != nil || settings.Chained() != tt.want {
			t.Errorf("%v: Chained = %t, %v, want %t", tt.data, settings.Chained(), err, tt.want)
		}
	}
	if (cilium.Settings{}).Chained() {
		t.Error("the zero Settings are chained")
	}
}

func TestCNIVersion(t *testing.T) {
	tests := []struct {
		config cilium.Config
		want   string
	}{
		{cilium.Config{}, ""},
		{cilium.Config{Version: "v1.13.18"}, ""},
		{cilium.Config{Version: "v1.14.0"}, "0.3.1"},
		{cilium.Config{Version: "v1.19.9"}, "0.3.1"},
		{cilium.Config{Version: "v1.20.0"}, "1.0.0"},
		{cilium.Config{Version: "v1.20.0-rc.1"}, "1.0.0"},
		{cilium.Config{Version: "v1.20.2", Settings: cilium.Settings{ReadConf: "/tmp/conf"}}, ""},
		{cilium.Config{Version: "v1.20.2", Settings: cilium.Settings{ChainingTarget: "lan"}}, ""},
	}
	for _, tt := range tests {
		if got := tt.config.CNIVersion(); got != tt.want {
			t.Errorf("%s: CNIVersion = %q, want %q", tt.config.Version, got, tt.want)
		}
	}
}
