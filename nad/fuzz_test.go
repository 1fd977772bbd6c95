package nad_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome/nad"
)

func seeds(f *testing.F) {
	f.Helper()
	for _, seed := range []string{
		"", "null", "[]", "{}", `{"type":"macvlan"}`, `{"plugins":[]}`, `{"plugins":[null]}`, `{"plugins":[{}]}`, `{"type":"a","plugins":[{"type":"b"}]}`,
		`{"cniVersion":"0.3.1","name":"net","type":"macvlan","master":"eth0","mode":"bridge","ipam":{"type":"host-local","subnet":"192.168.1.0/24","rangeStart":"192.168.1.200","routes":[{"dst":"0.0.0.0/0"}]}}`,
		`{"name":"net","plugins":[{"type":"bridge","bridge":"br0","vlanTrunk":[{"id":1},{"minID":2,"maxID":3}],"capabilities":{"ips":true}},{"type":"tuning","sysctl":{"net.core.somaxconn":"500"}}]}`,
		`{"type":"vlan","VLANID":5,"vlanId":7,"mtu":null,"ipam":{"type":"whereabouts","range":"10.7.0.5-10.7.0.9/24","exclude":["10.7.0.6"],"gateway":"10.7.0.1"}}`,
		`{"type":"ptp","ipam":{"type":"host-local","ranges":[[{"subnet":"::ffff:10.0.0.0/104"}],[]]}}`, `{"type":"sriov","vlanQoS":1e1,"MTU":9000.0}`,
		`{"type":"other","\u0074ype2":"\ud800","x":{"":[1,"\u2028<>"]},"ipam":{"type":"other","ipam":{"type":"dhcp"}}}`, "{\"type\":\"a\xff\",\"\xfe\":1}",
		`{"type":"portmap","conditionsV4":[""],"markMasqBit":-0,"dns":{"search":[null]}}`, `{"name":"a","type":"ovs","vlan":-1,"trunk":{}}`,
		`{"name":null,"type":"bridge","args":{"cni":{"mac":5}},"prevResult":[],"ipam":{"type":"a/b"}}`,
		`{"cniVersion":null,"plugins":[{"type":"ptp"},{"type":"tuning","args":{"cni":{"sysctl":{"net.a":"b"},"mac":"02:00:00:00:00:00:00:01"}},"ipam":{"type":5}}]}`,
		`{"plugins":[{"type":"tap","owner":4294967295,"group":0},{"type":"bandwidth","ingressRate":10000000000,"ingressBurst":9999}]}`,
		`{"type":"dhcp","ipam":{"type":"dhcp","provide":[{"option":"12"}],"request":[{}],"priority":9223372036854775808}}`,
	} {
		f.Add(seed)
	}
}

// FuzzParse: no panic of anything that takes a NAD; an unchanged text comes
// back; what is written says the same when it is read; what Lint calls no
// error is built.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, config string) {
		def := definition("net", config)
		findings := nad.Lint(def)
		nad.CheckAttachment(def, nad.Attachment{Name: "net", IPs: []string{"10.0.0.1/8"}, MAC: "02:00:00:00:00:01", DefaultRoute: []string{"10.0.0.1"}})
		network, err := nad.Parse(def)
		if err != nil {
			if len(findings) == 0 || findings[0].Severity != "error" {
				t.Errorf("%q: not read (%v), but Lint says %v", config, err, findings)
			}
			return
		}
		if text, err := network.Config(); err != nil || text != config {
			t.Errorf("%q: unchanged it is %q, %v", config, text, err)
		}
		if _, err := network.Definition(); (err != nil) != (len(findings) > 0 && findings[0].Severity == "error") && len(network.Plugins) > 0 && !strings.Contains(err.Error(), "name: Invalid") {
			t.Errorf("%q: built with error %v, but Lint says %v", config, err, findings)
		}
		network.Source = ""
		roundTrip(t, config, network)
	})
}

// FuzzParseConfig: no panic; JSON is what encoding/json takes for it; keys and
// values are those that it reads; what is written says the same when it is read.
func FuzzParseConfig(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, config string) {
		network, err := nad.ParseConfig([]byte(config))
		if isJSON := json.Valid([]byte(config)); isJSON == isNoJSON(err) {
			t.Errorf("%q: is JSON: %t, but read with %v", config, isJSON, err)
		}
		if err != nil {
			return
		}
		if !network.List && !hasDuplicates(config) {
			agreesWithJSON(t, config, network.Plugins[0])
		}
		network.Source = ""
		roundTrip(t, config, network)
	})
}

// isNoJSON reports whether the error of reading says that the text is no JSON.
func isNoJSON(err error) bool {
	var invalid *field.Error
	return errors.As(err, &invalid) && strings.HasPrefix(invalid.Detail, "must be JSON")
}

func roundTrip(t *testing.T, config string, network *nad.Network) {
	t.Helper()
	if network.CNIVersion == "" {
		network.CNIVersion = "1.0.0"
	}
	text, err := network.Config()
	if err != nil {
		t.Fatalf("%q: not written: %v", config, err)
	}
	if text == "" {
		return
	}
	again, err := nad.ParseConfig([]byte(text))
	if err != nil {
		t.Fatalf("%q: written as %q, which is not read: %v", config, text, err)
	}
	again.ResourceName, again.Source = network.ResourceName, ""
	for _, n := range []*nad.Network{network, again} {
		for i, p := range n.Plugins {
			if bridge, ok := p.(nad.BridgeConfig); ok {
				bridge.PreserveDefaultVLAN = nil // is written out
				n.Plugins[i] = bridge
			}
		}
	}
	if diff := cmp.Diff(network, again); diff != "" {
		t.Errorf("%q: written as %q (-first +second):\n%s", config, text, diff)
	}
}

// agreesWithJSON lets encoding/json read the same text into the same struct,
// but for what it does on its own account: unknown keys, the type of ipam.
func agreesWithJSON(t *testing.T, config string, got nad.Plugin) {
	t.Helper()
	want := reflect.New(reflect.TypeOf(got))
	var shallow map[string]json.RawMessage
	if err := json.Unmarshal([]byte(config), &shallow); err != nil {
		t.Fatalf("%q: read, but encoding/json says %v", config, err)
	}
	for key := range shallow {
		if strings.EqualFold(key, "ipam") || strings.EqualFold(key, "plugins") {
			return // an interface, which encoding/json cannot fill
		}
	}
	if err := json.Unmarshal([]byte(config), want.Interface()); err != nil {
		t.Fatalf("%q: read, but encoding/json says %v", config, err)
	}
	ignored := cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".Extra" || name == ".Plugin"
	}, cmp.Ignore())
	if diff := cmp.Diff(want.Elem().Interface(), got, ignored); diff != "" {
		t.Errorf("%q (-encoding/json +got):\n%s", config, diff)
	}
}

// hasDuplicates reports whether an object may have a key twice, in any case:
// those encoding/json merges in its own way.
func hasDuplicates(config string) bool {
	d := json.NewDecoder(strings.NewReader(config))
	seen := make(map[string]bool)
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if key, ok := token.(string); ok {
			folded := strings.ToLower(strings.ToUpper(key))
			if seen[folded] {
				return true
			}
			seen[folded] = true
		}
	}
}
