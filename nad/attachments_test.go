package nad_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/multihome/multihome/nad"
)

// podWith returns a pod with one annotation.
func podWith(annotation, value string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "web", Namespace: "shop", Annotations: map[string]string{annotation: value},
	}}
}

func TestAttachments(t *testing.T) {
	tests := []struct {
		name, text string
		want       []nad.Attachment
	}{
		{"none", "", nil},
		{"short", "lan", []nad.Attachment{{Name: "lan"}}},
		{"short with everything", "infra/lan@eth1", []nad.Attachment{{Name: "lan", Namespace: "infra", Interface: "eth1"}}},
		{"short with spaces and lines", " a@one ,\n infra / b @ two", []nad.Attachment{{Name: "a", Interface: "one"}, {Name: "b", Namespace: "infra", Interface: "two"}}},
		{"short, one network twice", "lan,lan", []nad.Attachment{{Name: "lan"}, {Name: "lan"}}},
		{"short, interface with a dot and capitals", "lan@Net1.100", []nad.Attachment{{Name: "lan", Interface: "Net1.100"}}},
		{"short, empty namespace and interface", "/lan@", []nad.Attachment{{Name: "lan"}}},
		{"null without quotes is a name", "null", []nad.Attachment{{Name: "null"}}},
		{"interface of 15 bytes", "lan@abcdefghijklmno", []nad.Attachment{{Name: "lan", Interface: "abcdefghijklmno"}}},
		{"JSON with a dot in the name", `[{"name":"my.lan"}]`, []nad.Attachment{{Name: "my.lan"}}},
		{"JSON after lines and tabs", "\n\t[{\n\"name\": \"lan\"}]\n", []nad.Attachment{{Name: "lan"}}},
		{"JSON, empty", "[]", []nad.Attachment{}},
		{"keys in any case, the last of two, null", `[{"NAME":"old","name":"lan","mac":null,"Interface":"net7"}]`, []nad.Attachment{{Name: "lan", Interface: "net7"}}},
		{
			"every key", `[{"name":"lan","namespace":"infra","interface":"net1","ips":["10.0.0.5/24","2001:db8::1"],"mac":"02:00:00:00:00:01",
			"infiniband-guid":"02:00:00:00:00:00:00:0A","portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"TCP","hostIP":"10.0.0.1"}],
			"bandwidth":{"ingressRate":1,"ingressBurst":2,"egressRate":3,"egressBurst":4},"deviceID":"0000:03:02.1",
			"cni-args":{"list":[1,"a",{"b":null}]},"default-route":["10.0.0.1"],"ipam-claim-reference":"claim"}]`,
			[]nad.Attachment{{
				Name: "lan", Namespace: "infra", Interface: "net1", IPs: []string{"10.0.0.5/24", "2001:db8::1"}, MAC: "02:00:00:00:00:01",
				InfinibandGUID: "02:00:00:00:00:00:00:0A",
				PortMappings:   []nad.PortMapping{{HostPort: 8080, ContainerPort: 80, Protocol: "TCP", HostIP: "10.0.0.1"}},
				Bandwidth:      &nad.Bandwidth{IngressRate: 1, IngressBurst: 2, EgressRate: 3, EgressBurst: 4}, DeviceID: "0000:03:02.1",
				CNIArgs:      map[string]any{"list": []any{json.Number("1"), "a", map[string]any{"b": nil}}},
				DefaultRoute: []string{"10.0.0.1"}, IPAMClaim: "claim",
			}},
		},
		{"unknown keys are kept", `[{"name":"lan","ipRequest":[ 1, 2 ],"x":"<"}]`, []nad.Attachment{{
			Name: "lan", Extra: map[string]json.RawMessage{"ipRequest": json.RawMessage("[1,2]"), "x": json.RawMessage(`"<"`)},
		}}},
		{"key of Multus before 3.2", `[{"name":"lan","interfaceRequest":"net7"}]`, []nad.Attachment{{Name: "lan", Interface: "net7"}}},
		{"key of Multus before 3.2 gives way", `[{"name":"lan","interfaceRequest":"net7","interface":"net8"}]`, []nad.Attachment{{Name: "lan", Interface: "net8"}}},
		{"default route empty", `[{"name":"lan","default-route":[]}]`, []nad.Attachment{{Name: "lan", DefaultRoute: []string{}}}},
		{"default route null", `[{"name":"lan","default-route":null}]`, []nad.Attachment{{Name: "lan"}}},
		{"mac of InfiniBand", `[{"name":"lan","mac":"02:00:00:00:00:00:00:01"}]`, []nad.Attachment{{Name: "lan", MAC: "02:00:00:00:00:00:00:01"}}},
		{"escapes", `[{"n\u0061me":"l\u0061n"}]`, []nad.Attachment{{Name: "lan"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nad.Attachments(podWith(netattdefv1.NetworkAttachmentAnnot, tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got, err := nad.Attachments(&corev1.Pod{}); got != nil || err != nil {
		t.Errorf("no annotations: got %v, %v", got, err)
	}
}

func TestAttachmentsErrors(t *testing.T) {
	const at = `Pod shop/web: metadata.annotations[k8s.v1.cni.cncf.io/networks]`
	tests := []struct{ name, text, want string }{
		{"blank", " ", at + `[0]: Invalid value: " ": must not be empty`},
		{"comma too many", "lan,", at + `[1]: Invalid value: "": must not be empty; remove the comma`},
		{"no name", "infra/", at + `[0].name: Required value`},
		{"no name but an interface", "@net1", at + `[0].name: Required value`},
		{"two slashes", "a/b/c", at + `[0]: Invalid value: "a/b/c": must be name, namespace/name`},
		{"two at signs", "a@b@c", at + `[0]: Invalid value: "a@b@c": must be name, namespace/name`},
		{"interface before the slash", "a@b/c", at + `[0]: Invalid value`},
		{"dot in the short form", "my.lan", at + `[0]: Invalid value: "my.lan": must consist of lower case letters, digits and - in this form`},
		{"capital", "LAN", at + `[0]: Invalid value: "LAN": must consist of lower case`},
		{"interface of 16 bytes", "lan@abcdefghijklmnop", at + `[0].interface: Invalid value: "abcdefghijklmnop": must have at most 15 bytes`},
		{"interface of 16 bytes in JSON", `[{"name":"lan","interface":"abcdefghijklmnop"}]`, at + `[0].interface: Invalid value: "abcdefghijklmnop": must have at most 15 bytes`},
		{"interface with a space", "lan@a b", `must not contain a slash, a colon or a space`},
		{"interface with a colon", "lan@a:1", `must not contain a slash, a colon or a space`},
		{"interface dots", "lan@..", `must not be . or ..`},
		{"null element", "[null]", at + `[0]: Invalid value: "null": must be an object; Multus panics on null`},
		{"string element", `["lan"]`, at + `[0]: Invalid value: "\"lan\"": must be an object`},
		{"object", `{"name":"lan"}`, at + `: Invalid value: "{\"name\":\"lan\"}": must be a JSON array, also for one network`},
		{"quoted list", `'[{"name":"lan"}]'`, `must be a JSON array of objects`},
		{"missing brace", `[{"name":"lan"]`, `must be a JSON array of objects`},
		{"trailing data", `[{"name":"lan"}] x`, `must be a JSON array of objects`},
		{"too long", strings.Repeat("[", 16<<20+1), `must have at most 16 MiB`},
		{"no name in JSON", `[{}]`, at + `[0].name: Required value`},
		{"namespace in the name", `[{"name":"infra/lan"}]`, at + `[0].name: Invalid value: "infra/lan": must not contain the namespace, which has a key of its own`},
		{"namespace", `[{"name":"lan","namespace":"a.b"}]`, at + `[0].namespace: Invalid value: "a.b"`},
		{"ips as a string", `[{"name":"lan","ips":"10.0.0.5/24"}]`, at + `[0].ips: Invalid value: "\"10.0.0.5/24\"": must be an array`},
		{"ips", `[{"name":"lan","ips":["10.0.0.5/24","10.0.0.256","10.0.0.1/33"]}]`, at + `[0].ips[1]: Invalid value: "10.0.0.256": must be an address`},
		{"null address", `[{"name":"lan","ips":[null]}]`, at + `[0].ips[0]: Invalid value: "null": must be a value, not null`},
		{"mac", `[{"name":"lan","mac":"nonsense"}]`, at + `[0].mac: Invalid value: "nonsense": must be a hardware address`},
		{"guid", `[{"name":"lan","infiniband-guid":"nonsense"}]`, at + `[0].infiniband-guid: Invalid value`},
		{"default route", `[{"name":"lan","default-route":["10.0.0.1/24"]}]`, at + `[0].default-route[0]: Invalid value: "10.0.0.1/24": must be the address of a gateway`},
		{"port as a string", `[{"name":"lan","portMappings":[{"hostPort":"80"}]}]`, at + `[0].portMappings[0].hostPort: Invalid value: "\"80\"": must be a whole number`},
		{"cni-args", `[{"name":"lan","cni-args":[]}]`, at + `[0].cni-args: Invalid value: "[]": must be an object`},
		{"interfaceRequest", `[{"name":"lan","interfaceRequest":7}]`, at + `[0].interfaceRequest: Invalid value: "7": must be a string`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nad.Attachments(podWith(netattdefv1.NetworkAttachmentAnnot, tt.text))
			if err == nil || got != nil {
				t.Fatalf("got %v and error %v", got, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %q, want one with %q", err, tt.want)
			}
		})
	}
}

// TestAttachmentsErrorsAreBounded: a hostile annotation gives a short error.
func TestAttachmentsErrorsAreBounded(t *testing.T) {
	for _, text := range []string{
		"[" + strings.Repeat("0,", 1<<19) + "0]",
		strings.Repeat(",", 1<<20),
		"[{" + strings.Repeat(`"":0,`, 200_000) + `"name":0}]`,
		strings.Repeat("[", 1<<20),
	} {
		_, err := nad.Attachments(podWith(netattdefv1.NetworkAttachmentAnnot, text))
		if err == nil || len(err.Error()) > 20_000 {
			t.Errorf("%s...: got an error of %d bytes", text[:10], len(err.Error()))
		}
	}
}

func TestDefaultNetwork(t *testing.T) {
	tests := []struct {
		name, text string
		want       *nad.Attachment
		wantErr    string
	}{
		{"short", "infra/lan", &nad.Attachment{Name: "lan", Namespace: "infra"}, ""},
		{"JSON", `[{"name":"lan","interface":"eth0"}]`, &nad.Attachment{Name: "lan", Interface: "eth0"}, ""},
		{"empty", "", nil, "must name one network"},
		{"no element", "[]", nil, "must name one network"},
		{"two", "a,b", nil, "must name one network"},
		{"object", `{"mac":"02:00:00:00:00:01"}`, nil, "must be a JSON array"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nad.DefaultNetwork(podWith(nad.DefaultNetworkAnnotation, tt.text))
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("got error %v, want %q", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got, err := nad.DefaultNetwork(&corev1.Pod{}); got != nil || err != nil {
		t.Errorf("no annotations: got %v, %v", got, err)
	}
}

func TestStatus(t *testing.T) {
	tests := []struct {
		name, text string
		want       []netattdefv1.NetworkStatus
		wantErr    string
	}{
		{"empty list", "[]", []netattdefv1.NetworkStatus{}, ""},
		{
			"two interfaces", `[{"name":"cilium","interface":"eth0","ips":["10.244.0.5"],"mac":"02:00:00:00:00:01","default":true,"dns":{},"gateway":["10.244.0.1"]},
			{"name":"shop/lan","interface":"net1","mtu":9000,"dns":{"nameservers":["10.0.0.53"]},"device-info":{"type":"pci","pci":{"pci-address":"0000:03:02.1"}},"later":1}]`,
			[]netattdefv1.NetworkStatus{
				{Name: "cilium", Interface: "eth0", IPs: []string{"10.244.0.5"}, Mac: "02:00:00:00:00:01", Default: true, Gateway: []string{"10.244.0.1"}},
				{
					Name: "shop/lan", Interface: "net1", Mtu: 9000, DNS: netattdefv1.DNS{Nameservers: []string{"10.0.0.53"}},
					DeviceInfo: &netattdefv1.DeviceInfo{Type: "pci", Pci: &netattdefv1.PciDevice{PciAddress: "0000:03:02.1"}},
				},
			},
			"",
		},
		{"empty", "", nil, "must be a JSON array of objects"},
		{"null", "null", nil, "must be a JSON array of objects"},
		{"object", "{}", nil, "must be a JSON array of objects"},
		{"null element", "[null]", nil, "[k8s.v1.cni.cncf.io/network-status][0]: Invalid value: \"null\": must be an object"},
		{"wrong type", `[{"name":1}]`, nil, "must be a JSON array of objects"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nad.Status(podWith(netattdefv1.NetworkStatusAnnot, tt.text))
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("got error %v, want %q", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got, err := nad.Status(&corev1.Pod{}); got != nil || err != nil {
		t.Errorf("no annotations: got %v, %v", got, err)
	}
}
