package nad_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome/nad"
)

// FuzzAttachments: no panic; what is read says the same after it is written;
// values of JSON are those that encoding/json reads.
func FuzzAttachments(f *testing.F) {
	for _, seed := range []string{
		"lan", "infra/lan@net1, dmz", "a,", "@", "/", "a@b,c", "null", "[null]", "[]", "[[]]", `"lan"`, `{"name":"lan"}`, `[{"name":""}]`,
		`[{"name":"lan","ips":["10.0.0.5/24"],"mac":"02:00:00:00:00:01","default-route":[],"x":{"a":[1]}}]`,
		`[{"name":"lan","interfaceRequest":"net7","cni-args":{"n":1.5e400}}]`, `[{"NAME":"lan","name":null}]`, "[{\"name\":\"l\\u0061n\",\"\xff\":1}]",
		`[{"name":"lan","portMappings":[{"hostPort":80,"x":1}],"bandwidth":{"ingressRate":9223372036854775807,"ingressBurst":1}}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pod := podWith(networks, text)
		first, err := nad.Attachments(pod)
		if err != nil {
			return
		}
		if text != "" && strings.ContainsAny(text, `[{"`) {
			agrees(t, text, first)
		}
		written := &corev1.Pod{}
		written.Namespace = pod.Namespace
		if err := nad.Attach(written, first...); err != nil {
			return // such as one interface for two networks
		}
		second, err := nad.Attachments(written)
		if err != nil {
			t.Fatalf("%q: written as %q: %v", text, written.Annotations[networks], err)
		}
		if diff := cmp.Diff(first, second); diff != "" && len(first) > 0 {
			t.Errorf("%q: written as %q (-first +second):\n%s", text, written.Annotations[networks], diff)
		}
	})
}

// agrees compares with encoding/json, as far as that has no duplicate keys to
// merge.
func agrees(t *testing.T, text string, got []nad.Attachment) {
	t.Helper()
	type element struct {
		nad.Attachment
		Older string `json:"interfaceRequest"`
	}
	var want []element
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatalf("%q: accepted, but encoding/json says %v", text, err)
	}
	for i := range got {
		a, b := want[i].Attachment, got[i]
		if a.Interface == "" {
			a.Interface = want[i].Older
		}
		a.CNIArgs, b.CNIArgs, b.Extra = nil, nil, nil // numbers differ on purpose
		if len(a.PortMappings) > 0 || a.Bandwidth != nil || strings.Count(text, `"`) > 40 {
			a.PortMappings, a.Bandwidth, b.PortMappings, b.Bandwidth = nil, nil, nil, nil
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%q (-encoding/json +got):\n%s", text, diff)
		}
	}
}

// FuzzStatus: no panic, and an error or as many entries as encoding/json sees.
func FuzzStatus(f *testing.F) {
	for _, seed := range []string{"", "null", "[]", "[null]", "{}", `[{"name":"shop/lan","interface":"net1","ips":["10.0.0.5"],"default":true}]`, `[{"device-info":{"pci":null}}]`, "[{}]]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := nad.Status(podWith(netattdefv1.NetworkStatusAnnot, text))
		var raw []json.RawMessage
		if valid := json.Unmarshal([]byte(text), &raw) == nil; err == nil && (!valid || len(got) != len(raw)) {
			t.Errorf("%q: got %d entries, want %d", text, len(got), len(raw))
		}
	})
}
