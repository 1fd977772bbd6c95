package nad

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Parse returns what a NAD says. Plugins and keys that are not known here are
// kept: [Network.Config] gives the text back. A single configuration, a list of
// plugins and no configuration at all are understood.
//
// Keys are read as the plugins read them, by the rules of encoding/json: letter
// case does not count, null is as good as nothing, of duplicate keys the last
// one counts. All values of a wrong type, and what is no configuration at all,
// are joined in the error, each a *field.Error. More than 100 plugins are
// refused. Whether plugins accept what is read: see [Lint].
func Parse(def *netattdefv1.NetworkAttachmentDefinition) (*Network, error) {
	if def == nil {
		return nil, errors.New("network attachment definition: must not be nil")
	}
	read := readDefinition(def)
	if err := join(read.errs); err != nil {
		return nil, fmt.Errorf("%s: %w", objectOf(def), err)
	}
	return &read.network, nil
}

// ParseConfig is [Parse] for the text of a configuration, such as a file in
// /etc/cni/net.d.
func ParseConfig(text []byte) (*Network, error) {
	read := readConfig(string(text), "")
	if err := join(read.errs); err != nil {
		return nil, err
	}
	return &read.network, nil
}

// A reading is a network and what was noticed while it was read.
type reading struct {
	decoder
	network   Network
	both      bool     // type and plugins in one object
	ownName   bool     // the text has a name
	paths     []string // of the plugins
	bad       []bool   // plugins with values of a wrong type
	badSource bool     // nothing could be read
}

// configPath is where a NAD has its configuration.
const configPath = "spec.config"

func readDefinition(def *netattdefv1.NetworkAttachmentDefinition) *reading {
	r := &reading{}
	if def.Spec.Config != "" {
		r = readConfig(def.Spec.Config, configPath)
	}
	if r.network.Name == "" {
		r.network.Name = def.Name // as Multus does
	}
	r.network.ResourceName = ResourceName(def.Annotations[ResourceNameAnnotation])
	return r
}

// readConfig reads a text whose fields are to be found below the path.
func readConfig(text, path string) *reading {
	r := &reading{decoder: decoder{path: append(make([]step, 0, 8), step{key: path})}}
	r.network.Source = text
	if !json.Valid([]byte(text)) {
		line, reason := syntaxError(text)
		r.fail(line, reason)
		return r
	}
	text = text[skipSpace(text, 0):]
	if text[0] != '{' {
		r.fail(shorten(text), "must be a JSON object")
		return r
	}
	all := members(text)
	var plugins *member
	for i, m := range all {
		if m.key == "plugins" {
			plugins = &all[i]
		}
	}
	before := len(r.errs)
	plugin := r.typeOf(all)
	switch {
	case plugins == nil || plugin != "":
		r.both = plugins != nil
		r.only(all, "cniVersion", reflect.ValueOf(&r.network.CNIVersion).Elem())
		r.only(all, "name", reflect.ValueOf(&r.network.Name).Elem())
		r.plugin(plugin, all, path, before, "type", "cniVersion", "name")
	default:
		r.network.List = true
		r.members(all, reflect.ValueOf(&r.network).Elem(), "plugins", "type")
		r.list(plugins.value)
	}
	r.ownName = r.network.Name != ""
	return r
}

// syntaxError returns the line that is no JSON and why.
func syntaxError(text string) (line, reason string) {
	err := json.Unmarshal([]byte(text), new(json.RawMessage))
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return shorten(text), fmt.Sprintf("must be JSON: %v", err)
	}
	offset := max(0, min(int(syntax.Offset)-1, len(text)))
	line = text[strings.LastIndexByte(text[:offset], '\n')+1:]
	line, _, _ = strings.Cut(line, "\n")
	hint := ""
	if offset < len(text) && (text[offset] == '#' || text[offset] == '/') {
		hint = ", which has no comments"
	}
	return shorten(strings.TrimSpace(line)), fmt.Sprintf("must be JSON%s: line %d: %v", hint, strings.Count(text[:offset], "\n")+1, err)
}

func (r *reading) fail(value any, reason string) {
	r.badSource = true
	r.errs = append(r.errs, field.Invalid(field.NewPath(r.at()), value, reason))
}

func (r *reading) list(plugins string) {
	r.push("plugins")
	defer r.pop()
	if plugins[0] != '[' {
		r.wrongType(plugins, "an array")
		r.badSource = true
		return
	}
	values := elements(plugins)
	if len(values) == 0 {
		r.errs = append(r.errs, field.Required(field.NewPath(r.at()), "at least one plugin; Multus panics"))
		r.badSource = true
	}
	if len(values) > most {
		r.errs = append(r.errs, field.TooMany(field.NewPath(r.at()), len(values), most))
		r.badSource = true
		return
	}
	for i, value := range values {
		r.pushIndex(i)
		if value[0] != '{' {
			r.paths, r.bad = append(r.paths, r.at()), append(r.bad, true)
			r.network.Plugins = append(r.network.Plugins, Raw{})
			r.wrongType(value, "an object; Multus panics on null")
		} else {
			before := len(r.errs)
			all := members(value)
			r.plugin(r.typeOf(all), all, r.at(), before, "type")
		}
		r.pop()
	}
}

// plugin reads one plugin; errors since before are its own.
func (r *reading) plugin(name string, all []member, path string, before int, skip ...string) {
	config := newPlugin(name)
	r.members(all, config, skip...)
	r.network.Plugins = append(r.network.Plugins, config.Interface().(Plugin))
	r.paths = append(r.paths, path)
	r.bad = append(r.bad, len(r.errs) > before)
}

// objectOf names a NAD in messages.
func objectOf(def *netattdefv1.NetworkAttachmentDefinition) string {
	return describe(def)
}
