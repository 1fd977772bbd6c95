package cni_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"golang.org/x/tools/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A testCase is a configuration for spec.config of a NAD.
type testCase struct {
	name, config string
}

func (c testCase) definition() *netattdefv1.NetworkAttachmentDefinition {
	return &netattdefv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "net", Namespace: "shop"},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: c.config},
	}
}

// corpus returns all configurations, each once.
func corpus(t *testing.T) []testCase {
	t.Helper()
	cases := golden(t)
	tried := make(map[string]bool)
	for _, s := range schemas {
		cases = append(cases, s.cases(t, "", s.base, "", tried)...)
	}
	for _, s := range chained {
		alone := schema{"alone " + s.name, s.base, nil}
		cases = append(cases, alone.cases(t, "", s.base, "", tried)...)
		for n, first := range makers {
			behind := s
			if n > 0 { // what is wrong by itself was tried already
				behind.values = maps.Clone(s.values)
				maps.DeleteFunc(behind.values, func(key, _ string) bool { return general[key] != "" })
			}
			list := `{"plugins":[` + first.base + `,` + s.base + `]}`
			cases = append(cases, behind.cases(t, first.name+" and ", list, "plugins.1.", tried)...)
		}
	}
	for _, s := range ipams {
		cases = append(cases, s.cases(t, "bridge with ", `{`+bridge+`,"ipam":`+s.base+`}`, "ipam.", tried)...)
		cases = append(cases, testCase{"cniVersion 0.2.0 and " + s.name, set(t, `{"cniVersion":"0.2.0",`+bridge+`}`, "ipam", s.base)})
	}
	seen := make(map[string]bool)
	return slices.DeleteFunc(cases, func(c testCase) bool {
		before := seen[c.config]
		seen[c.config] = true
		return before || c.config == ""
	})
}

// golden returns the configurations of nad's own tests.
func golden(t *testing.T) []testCase {
	t.Helper()
	files, err := filepath.Glob("../../../nad/testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d golden files, %v", len(files), err)
	}
	var cases []testCase
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range archive.Files {
			if name, ok := strings.CutSuffix(section.Name, ".json"); ok {
				cases = append(cases, testCase{
					strings.TrimSuffix(filepath.Base(file), ".txtar") + "/" + name, strings.TrimSpace(string(section.Data)),
				})
			}
		}
	}
	return cases
}

// cases returns the base and what becomes of it with each value of each key
// below the path. Wrong types are tried once for each key of each plugin.
func (s schema) cases(t *testing.T, prefix, base, path string, tried map[string]bool) []testCase {
	t.Helper()
	base = set(t, set(t, base, "cniVersion", `"1.0.0"`), "name", `"net"`)
	cases := []testCase{{prefix + s.name, base}}
	plugin := unmarshal[struct{ Type string }](t, json.RawMessage(s.base)).Type
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		values := s.values[key]
		if id := plugin + " " + key; !tried[id] {
			tried[id] = true
			values += "," + wrongTypes
		}
		where := path + key
		if key == "cniVersion" || key == "name" {
			where = key
		}
		for _, value := range unmarshal[[]json.RawMessage](t, json.RawMessage("["+values+"]")) {
			cases = append(cases, testCase{prefix + s.name + ": " + key + "=" + string(value), set(t, base, where, string(value))})
		}
	}
	return cases
}

// set puts a JSON value to a path of a JSON text; what misses on the way is made.
func set(t *testing.T, text, path, value string) string {
	t.Helper()
	out, err := json.Marshal(setIn(t, json.RawMessage(text), strings.Split(path, "."), json.RawMessage(value)))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(out)
}

func setIn(t *testing.T, text json.RawMessage, path []string, value json.RawMessage) any {
	t.Helper()
	if len(path) == 0 {
		return value
	}
	if index, err := strconv.Atoi(path[0]); err == nil {
		var list []any
		raws := unmarshal[[]json.RawMessage](t, text)
		for i := range max(len(raws), index+1) {
			switch {
			case i == index && i < len(raws):
				list = append(list, setIn(t, raws[i], path[1:], value))
			case i == index:
				list = append(list, setIn(t, nil, path[1:], value))
			default:
				list = append(list, raws[i])
			}
		}
		return list
	}
	members := make(map[string]any)
	for key, raw := range unmarshal[map[string]json.RawMessage](t, text) {
		members[key] = raw
	}
	inner, _ := members[path[0]].(json.RawMessage)
	members[path[0]] = setIn(t, inner, path[1:], value)
	return members
}

func unmarshal[T any](t *testing.T, text json.RawMessage) T {
	t.Helper()
	var out T
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return out
}
