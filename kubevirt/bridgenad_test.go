package kubevirt_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/kubevirt"
	"github.com/multihome/multihome/nad"
)

func TestBridgeNAD(t *testing.T) {
	tests := []struct {
		name     string
		config   kubevirt.BridgeNADConfig
		want     string
		resource string
	}{
		{
			name: "recommended", config: kubevirt.BridgeNADConfig{Bridge: "br0"},
			want: `{"cniVersion":"1.0.0","name":"lan","type":"bridge","bridge":"br0","preserveDefaultVlan":false,"disableContainerInterface":true,"macspoofchk":false}`,
		},
		{
			name: "everything", resource: "bridge.network.kubevirt.io/br0",
			config: kubevirt.BridgeNADConfig{
				Bridge: "br0", VLAN: 100, VLANTrunk: []nad.VLANTrunk{{MinID: 200, MaxID: 299}}, MTU: 9000,
				PreserveDefaultVLAN: true, MACSpoofCheck: true, PortIsolation: true, Marker: true,
			},
			want: `{"cniVersion":"1.0.0","name":"lan","type":"bridge","bridge":"br0","mtu":9000,"vlan":100,"vlanTrunk":[{"minID":200,"maxID":299}],"preserveDefaultVlan":true,"macspoofchk":true,"disableContainerInterface":true,"portIsolation":true}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def, err := kubevirt.BridgeNAD("lan", tt.config)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Compact(&got, []byte(def.Spec.Config)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := def.Annotations[nad.ResourceNameAnnotation]; got != tt.resource {
				t.Errorf("resource %q, want %q", got, tt.resource)
			}
			for _, finding := range nad.Lint(def) {
				if finding.Code != "nad/needs-nft" { // for macspoofchk, which was asked for
					t.Error(finding)
				}
			}
			// What the recommended network is for has no findings.
			spec := bridged(t, "vms/lan")
			def.Namespace = "vms"
			for _, finding := range kubevirt.Check("vms", spec, kubevirt.NADs(def)) {
				if finding.Severity != multihome.SeverityInfo || !tt.config.MACSpoofCheck {
					t.Error(finding)
				}
			}
		})
	}
}

func TestBridgeNADRefuses(t *testing.T) {
	tests := []struct {
		name   string
		config kubevirt.BridgeNADConfig
		want   []string
	}{
		{"", kubevirt.BridgeNADConfig{}, []string{"bridge"}},
		{"lan", kubevirt.BridgeNADConfig{Bridge: "a-very-long-name", VLAN: 4095, MTU: 5}, []string{"bridge", "mtu", "vlan"}},
		{"LAN!", kubevirt.BridgeNADConfig{Bridge: "br0"}, []string{"name", "name"}},
	}
	for _, tt := range tests {
		_, err := kubevirt.BridgeNAD(tt.name, tt.config)
		var got []string
		for _, part := range parts(err) {
			if problem, ok := errors.AsType[*field.Error](part); ok {
				got = append(got, problem.Field[strings.LastIndexByte(problem.Field, '.')+1:])
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q %+v: %v\n(-want +got):\n%s", tt.name, tt.config, err, diff)
		}
	}
}

// parts takes a joined error apart.
func parts(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

func TestBridgeNADConfigDeepCopyInto(t *testing.T) {
	config := kubevirt.BridgeNADConfig{Bridge: "br0", VLANTrunk: []nad.VLANTrunk{{ID: 5}}, Marker: true}
	var out kubevirt.BridgeNADConfig
	config.DeepCopyInto(&out)
	if diff := cmp.Diff(config, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	config.VLANTrunk[0].ID = 6
	if out.VLANTrunk[0].ID != 5 {
		t.Error("the copy shares VLANTrunk")
	}
}
