package nad_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/nad"
)

// TestForms reads the config.json of each file of testdata/forms, as they are
// published in guides and manuals, and compares what this package makes of it.
func TestForms(t *testing.T) {
	files, err := filepath.Glob("testdata/forms/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d golden files and error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive := golden.Archive(t, file)
			name := strings.TrimSpace(string(golden.Section(t, archive, "name")))
			source := string(golden.Section(t, archive, "config.json"))
			network := parse(t, definition(name, source))
			if got, err := network.Config(); err != nil || got != source {
				t.Errorf("unchanged: got error %v and another text:\n%s", err, got)
			}
			network.Source = ""
			def, err := network.Definition()
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, file, "want.json", []byte(def.Spec.Config))
			sameJSON(t, source, def.Spec.Config)
			again := parse(t, def)
			again.Source = ""
			if diff := cmp.Diff(network, again); diff != "" {
				t.Errorf("parsed, built and parsed (-first +second):\n%s", diff)
			}
		})
	}
}

// sameJSON compares two configurations but for the name, which Multus puts in
// where it is missing, and an empty ipam, which is none.
func sameJSON(t *testing.T, want, got string) {
	t.Helper()
	read := func(text string) map[string]any {
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		delete(v, "name")
		if ipam, ok := v["ipam"].(map[string]any); ok && len(ipam) == 0 {
			delete(v, "ipam")
		}
		return v
	}
	if diff := cmp.Diff(read(want), read(got)); diff != "" {
		t.Errorf("says something else (-read +written):\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, config string
		want         nad.Network
	}{
		{"empty", "", nad.Network{Name: "net"}},
		{"name is put in", `{"type":"loopback"}`, nad.Network{Name: "net", Plugins: []nad.Plugin{nad.LoopbackConfig{}}}},
		{"name of its own", `{"name":"other","type":"loopback"}`, nad.Network{Name: "other", Plugins: []nad.Plugin{nad.LoopbackConfig{}}}},
		{"list of one", `{"name":"net","disableCheck":"true","plugins":[{"type":"loopback","name":"x"}]}`, nad.Network{
			Name: "net", List: true, Extra: map[string]json.RawMessage{"disableCheck": json.RawMessage(`"true"`)},
			Plugins: []nad.Plugin{nad.LoopbackConfig{Common: nad.Common{Extra: map[string]json.RawMessage{"name": json.RawMessage(`"x"`)}}}},
		}},
		{
			"keys in any case", `{"Name":"net","CNIVERSION":"1.0.0","Type":"macvlan","MASTER":"eth0","Ipam":{"TYPE":"static"}}`,
			nad.Network{Name: "net", CNIVersion: "1.0.0", Plugins: []nad.Plugin{nad.MacvlanConfig{Master: "eth0", IPAM: nad.Static{}}}},
		},
		{"the last of two", `{"type":"bridge","type":"macvlan","master":"eth0","mtu":1,"MTU":2}`, nad.Network{Name: "net", Plugins: []nad.Plugin{nad.MacvlanConfig{Master: "eth0", MTU: 2}}}},
		{
			"objects that are there twice", `{"type":"loopback","dns":{"domain":"a","search":["b"]},"dns":{"domain":"c"}}`,
			nad.Network{Name: "net", Plugins: []nad.Plugin{nad.LoopbackConfig{Common: nad.Common{DNS: nad.DNS{Domain: "c", Search: []string{"b"}}}}}},
		},
		{"pointers that are there twice", `{"name":"net","plugins":[{"type":"sbr","table":1,"table":2}]}`, nad.Network{Name: "net", List: true, Plugins: []nad.Plugin{nad.SBRConfig{Table: new(2)}}}},
		{
			"null is nothing", `{"type":"bridge","bridge":"br0","bridge":null,"vlan":null,"vlanTrunk":[],"vlanTrunk":null,"preserveDefaultVlan":true,"preserveDefaultVlan":null,"ipam":null,"capabilities":null,"dns":null}`,
			nad.Network{Name: "net", Plugins: []nad.Plugin{nad.BridgeConfig{Bridge: "br0"}}},
		},
		{"ipam without a type", `{"type":"macvlan","ipam":{"routes":[]}}`, nad.Network{Name: "net", Plugins: []nad.Plugin{nad.MacvlanConfig{
			IPAM: nad.Raw{Common: nad.Common{Extra: map[string]json.RawMessage{"routes": json.RawMessage("[]")}}},
		}}}},
		{"empty ipam", `{"type":"macvlan","ipam":{}}`, nad.Network{Name: "net", Plugins: []nad.Plugin{nad.MacvlanConfig{}}}},
		{"escapes and letters", "{\"t\\u0079pe\":\"macvlan\",\"master\":\"\\u0065th0\",\"\\ud83d\\ude00\":\"é\\n\"}", nad.Network{Name: "net", Plugins: []nad.Plugin{nad.MacvlanConfig{
			Master: "eth0", Common: nad.Common{Extra: map[string]json.RawMessage{"\U0001f600": json.RawMessage(`"é\n"`)}},
		}}}},
		{"type beside plugins", `{"type":"loopback","plugins":[{"type":"macvlan"}]}`, nad.Network{Name: "net", Plugins: []nad.Plugin{
			nad.LoopbackConfig{Common: nad.Common{Extra: map[string]json.RawMessage{"plugins": json.RawMessage(`[{"type":"macvlan"}]`)}}},
		}}},
		{"space everywhere", " \n{ \"type\" :\t\"macvlan\" , \"mtu\" : 1500 , \"x\" : [ 1 , { } , \"a b\" ] }\r\n", nad.Network{Name: "net", Plugins: []nad.Plugin{
			nad.MacvlanConfig{MTU: 1500, Common: nad.Common{Extra: map[string]json.RawMessage{"x": json.RawMessage(`[1,{},"a b"]`)}}},
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := parse(t, definition("net", tt.config))
			if got.Source != tt.config {
				t.Errorf("got source %q", got.Source)
			}
			if text, err := got.Config(); err != nil || text != tt.config {
				t.Errorf("got text %q and error %v", text, err)
			}
			got.Source = ""
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name, config string
		want         []string
	}{
		{"no JSON", "{\n  \"type\": \"macvlan\",\n  // the LAN\n}", []string{`spec.config: Invalid value: "// the LAN": must be JSON, which has no comments: line 3: invalid character '/'`}},
		{"blank", " ", []string{"spec.config: Invalid value: \"\": must be JSON: line 1: unexpected end of JSON input"}},
		{"too long", strings.Repeat("{", 16<<20+1), []string{`spec.config: Invalid value: "` + strings.Repeat("{", 60) + `...": must have at most 16 MiB`}},
		{"too many plugins", `{"plugins":[` + strings.Repeat(`{"type":"tuning"},`, 100) + `{"type":"tuning"}]}`, []string{"spec.config.plugins: Too many: 101: must have at most 100 items"}},
		{"all of them", `{"type":"bridge","vlan":"100","isGateway":1,"ipam":{"type":"host-local","routes":[{"dst":1}]}}`, []string{
			`spec.config.ipam.routes[0].dst: Invalid value: "1": must be a string`, `spec.config.isGateway: Invalid value: "1": must be true or false`, `spec.config.vlan: Invalid value: "\"100\"": must be a whole number`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nad.Parse(definition("net", tt.config))
			if err == nil || got != nil {
				t.Fatalf("got %v and error %v", got, err)
			}
			if want := "NetworkAttachmentDefinition shop/net: " + strings.Join(tt.want, "\n"); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %s\nwant %s", err, want)
			}
		})
	}
	if _, err := nad.Parse(nil); err == nil {
		t.Error("nil: no error")
	}
	_, err := nad.ParseConfig([]byte(`{"type":"macvlan","mtu":[]}`))
	if err == nil || !strings.HasPrefix(err.Error(), `mtu: Invalid value: "[]"`) {
		t.Errorf("ParseConfig: got error %v", err)
	}
}

// TestParseSharesNothing: the text that was given may be used again.
func TestParseSharesNothing(t *testing.T) {
	text := []byte(`{"name":"net","type":"macvlan","master":"eth0","x":[1]}`)
	want, err := nad.ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := nad.ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		text[i] = 'x'
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Name != "net" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBuildErrors: what only a program can get wrong.
func TestBuildErrors(t *testing.T) {
	extra := func(key, value string) nad.Common {
		return nad.Common{Extra: map[string]json.RawMessage{key: json.RawMessage(value)}}
	}
	var nilPlugin *nad.MacvlanConfig
	var nilIPAM *nad.DHCP
	tests := []struct {
		name    string
		network nad.Network
		want    string
	}{
		{"no plugins", nad.Network{Name: "net"}, "network net: plugins: Required value"},
		{"no name", nad.Network{Plugins: []nad.Plugin{nad.LoopbackConfig{}}}, "name: Required value"},
		{"name of no object", nad.Network{Name: "my_net", Plugins: []nad.Plugin{nad.LoopbackConfig{}}}, `name: Invalid value: "my_net"`},
		{"nil", nad.Network{Name: "net", Plugins: []nad.Plugin{nil}}, "must not be nil"},
		{"nil pointer", nad.Network{Name: "net", Plugins: []nad.Plugin{nilPlugin}}, "must not be nil"},
		{"nil pointer of an ipam", nad.Network{Name: "net", Plugins: []nad.Plugin{nad.MacvlanConfig{IPAM: nilIPAM}}}, "must not be nil"},
		{"extra that has a field", nad.Network{Name: "net", Plugins: []nad.Plugin{nad.MacvlanConfig{Master: "eth0", Common: extra("Master", `"eth1"`)}}}, `Master: Duplicate value: "Master"`},
		{"extra that is the type", nad.Network{Name: "net", Plugins: []nad.Plugin{nad.MacvlanConfig{Common: extra("type", `"bridge"`)}}}, `type: Duplicate value`},
		{"extra that is no JSON", nad.Network{Name: "net", Plugins: []nad.Plugin{nad.MacvlanConfig{Common: extra("x", `{`)}}}, "x: "},
		{"extra of a list", nad.Network{Name: "net", List: true, Plugins: []nad.Plugin{nad.LoopbackConfig{}}, Extra: map[string]json.RawMessage{"plugins": json.RawMessage("[]")}}, `plugins: Duplicate value`},
		{"no type", nad.Network{Name: "net", Plugins: []nad.Plugin{nad.Raw{}}}, "type: Required value"},
		{"everything at once", nad.Network{Name: "net", Plugins: []nad.Plugin{nad.VLANConfig{VLANID: 5000, MTU: -1}}}, "ipam: Required value: vlan needs addresses\nmaster: Required value: the interface of the node that carries the VLAN\nmtu: Invalid value: -1: must be from 68 to 65535, or 0 for the default\nvlanId: Invalid value: 5000: must be from 0 to 4094"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.network.Definition()
			if err == nil || got != nil {
				t.Fatalf("got %v and error %v", got, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %q, want one with %q", err, tt.want)
			}
		})
	}
}

// TestTypesAreNotComparable: a field more is then no incompatible change.
func TestTypesAreNotComparable(t *testing.T) {
	for _, v := range []any{
		nad.Attachment{},
		nad.Network{},
		nad.Common{},
		nad.Raw{},
		nad.Route{},
		nad.HostLocal{},
		nad.Static{},
		nad.DHCP{},
		nad.Whereabouts{},
		nad.Cluster{},
		nad.BridgeConfig{},
		nad.MacvlanConfig{},
		nad.IPVLANConfig{},
		nad.VLANConfig{},
		nad.HostDeviceConfig{},
		nad.PTPConfig{},
		nad.DummyConfig{},
		nad.LoopbackConfig{},
		nad.TapConfig{},
		nad.TuningConfig{},
		nad.BandwidthConfig{},
		nad.PortmapConfig{},
		nad.SBRConfig{},
		nad.FirewallConfig{},
		nad.VRFConfig{},
		nad.OVSConfig{},
		nad.SRIOVConfig{},
		nad.IBSRIOVConfig{},
		nad.MacvtapConfig{},
		nad.BondConfig{},
	} {
		if reflect.TypeOf(v).Comparable() {
			t.Errorf("%T is comparable", v)
		}
	}
}

// TestJSON: what is JSON is what encoding/json takes for it.
func TestJSON(t *testing.T) {
	texts := []string{
		"", " ", "{}", " {} ", "{}{}", "{} x", "nul", "null", "nullx", "true", "truE", "fals", "{", "}", "[", "]", "[}", "{]", "[1,]", "[,1]", "[1 2]", "{,}", "\ufeff{}",
		`{"a":1,}`, `{"a":1 "b":2}`, `{"a" 1}`, `{"a":}`, `{"a"}`, `{a:1}`, `{'a':1}`, `{"a":1;}`, `{1:2}`, `{"a":1`, `{"a`, `{"a"`, `{"a":`, "{\"a\"\n:\t1\r}", "{\"a\"\v:1}",
		`"\"`, `"\a"`, `"\u12"`, `"\u12g4"`, `"\u12F4"`, `"\uD800"`, `"\`, `"\u`, "\"\x00\"", "\"\n\"", "\"\x7f\xff\"", `"\b\f\n\r\t\/\\\""`, `"\'"`,
		"0", "-0", "-", "--1", "+1", "01", "-01", "1.", ".1", "1.0", "1.e1", "1e", "1e+", "1E-05", "1e5.5", "1x", "0x1", "Infinity", "-1.5e+300", "1e999",
		strings.Repeat("[", 10000) + strings.Repeat("]", 10000), strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
		strings.Repeat(`{"a":`, 10000) + "1" + strings.Repeat("}", 10000), strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001), strings.Repeat("[", 10000),
	}
	for _, text := range texts {
		for _, text := range []string{text, `{"x":` + text + `}`, `[` + text + `,1]`} {
			_, err := nad.ParseConfig([]byte(text))
			if want := json.Valid([]byte(text)); want == isNoJSON(err) {
				t.Errorf("%.60q (%d bytes): JSON %t, but read with %.200v", text, len(text), want, err)
			}
		}
	}
}
