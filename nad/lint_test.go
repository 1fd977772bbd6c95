package nad_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/nad"
)

// TestLint lints each x.json of testdata/lint and compares with x.findings.
// What Lint calls an error no builder writes, and everything else they do.
func TestLint(t *testing.T) {
	files, err := filepath.Glob("testdata/lint/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d golden files and error %v", len(files), err)
	}
	for _, file := range files {
		archive := golden.Archive(t, file)
		for _, section := range archive.Files {
			name, isConfig := strings.CutSuffix(section.Name, ".json")
			if !isConfig {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+name, func(t *testing.T) {
				def := definition("net", strings.TrimSuffix(string(section.Data), "\n"))
				var got strings.Builder
				failed := false
				for _, finding := range nad.Lint(def) {
					failed = failed || finding.Severity == multihome.SeverityError
					text := strings.ReplaceAll(finding.String(), "NetworkAttachmentDefinition shop/net ", "")
					fmt.Fprintln(&got, text)
					if finding.Object != "NetworkAttachmentDefinition shop/net" || finding.Message == "" {
						t.Errorf("incomplete: %+v", finding)
					}
				}
				golden.Check(t, file, name+".findings", []byte(got.String()))
				if def.Spec.Config != "" {
					checkBuild(t, def, failed)
				}
			})
		}
	}
}

// checkBuild builds what def says, from its text and as if it were new.
func checkBuild(t *testing.T, def *netattdefv1.NetworkAttachmentDefinition, failed bool) {
	t.Helper()
	network, err := nad.Parse(def)
	if err != nil {
		if !failed {
			t.Errorf("not read, but not an error for Lint: %v", err)
		}
		return
	}
	if _, err := network.Definition(); (err != nil) != failed {
		t.Errorf("built as it is: got error %v, Lint says error: %t", err, failed)
	}
}

// definition returns a NAD in the namespace shop.
func definition(name, config string) *netattdefv1.NetworkAttachmentDefinition {
	return &netattdefv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: config},
	}
}

func TestLintNames(t *testing.T) {
	tests := []struct{ name, want string }{
		{"net", ""},
		{"my.net", "warning nad/name-dots"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			for _, finding := range nad.Lint(definition(tt.name, `{"cniVersion":"1.0.0","name":"`+tt.name+`","type":"loopback"}`)) {
				got.WriteString(finding.String())
			}
			if !strings.HasPrefix(got.String(), tt.want) || tt.want == "" && got.String() != "" {
				t.Errorf("got %q, want %q", got.String(), tt.want)
			}
		})
	}
	if got := nad.Lint(nil); got != nil {
		t.Errorf("nil: got %v", got)
	}
}

// TestLintResource: a resource takes the place of a device.
func TestLintResource(t *testing.T) {
	for _, plugin := range []string{"sriov", "ib-sriov", "macvtap", "host-device", "ovs"} {
		def := definition("net", `{"cniVersion":"1.0.0","name":"net","type":"`+plugin+`"}`)
		if got := nad.Lint(def); len(got) == 0 || got[0].Code != "nad/required" {
			t.Errorf("%s without a resource: got %v", plugin, got)
		}
		def.Annotations = map[string]string{nad.ResourceNameAnnotation: "example.com/vf"}
		if got := nad.Lint(def); len(got) > 0 {
			t.Errorf("%s with a resource: got %v", plugin, got)
		}
	}
}

// TestErrorsAreNotCrowdedOut: much advice before an error hides nothing.
func TestErrorsAreNotCrowdedOut(t *testing.T) {
	routes := strings.Repeat(`{"dst":"0.0.0.0/0","mtu":1400,"table":7},`, 500) + `{"dst":"nowhere"}`
	def := definition("net", `{"cniVersion":"1.0.0","name":"net","type":"macvlan","master":"eth0","ipam":{"type":"static","routes":[`+routes+`]}}`)
	found := false
	for _, finding := range nad.Lint(def) {
		found = found || finding.Path == "spec.config.ipam.routes[500].dst"
	}
	if network := parse(t, def); !found {
		if _, err := network.Definition(); err == nil {
			t.Error("built in spite of a broken route")
		}
	}
}

// TestLintIsBounded: a hostile NAD of one mebibyte is judged, briefly.
func TestLintIsBounded(t *testing.T) {
	many := func(s string) string { return strings.Repeat(s+",", 1<<20/len(s)) + s }
	for name, config := range map[string]string{
		"plugins":       `{"plugins":[` + many(`{}`) + `]}`,
		"null plugins":  `{"plugins":[` + many(`null`) + `]}`,
		"unknown keys":  `{"type":"macvlan",` + many(`"a":0`) + `}`,
		"wrong routes":  `{"type":"macvlan","ipam":{"type":"static","routes":[` + many(`0`) + `]}}`,
		"empty routes":  `{"type":"macvlan","ipam":{"type":"static","routes":[` + many(`{}`) + `]}}`,
		"ranges":        `{"type":"macvlan","ipam":{"type":"host-local","ranges":[` + many(`[{"subnet":"10.0.0.0/8"}]`) + `]}}`,
		"chained":       `{"plugins":[` + many(`{"type":"sbr"}`) + `]}`,
		"link routes":   `{"type":"macvlan","ipam":{"type":"static","addresses":[{"address":"10.7.0.5/24"}],"routes":[` + many(`{"dst":"10.0.0.0/8","scope":253}`) + `]}}`,
		"many networks": `{"type":"macvlan","ipam":{"type":"static","addresses":[` + many(`{"address":"10.7.0.5/24"}`) + `],"routes":[` + many(`{"dst":"10.0.0.0/8","gw":"10.8.0.1"}`) + `]}}`,
		"deep":          `{"type":"macvlan","a":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}`,
		"too deep":      strings.Repeat(`{"a":`, 1<<18),
		"a long string": `{"type":"` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got := nad.Lint(definition("net", config)); len(got) > 400 {
				t.Errorf("got %d findings", len(got))
			}
		})
	}
}
