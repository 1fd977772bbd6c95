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
// are joined in the error, each a *field.Error. More than 100 plugins and more
// than 16 MiB are refused. Whether plugins accept what is read: see [Lint].
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
	both      bool    // type and plugins in one object
	ownName   bool    // the text has a name
	bad       []bool  // of the plugins: it has values of a wrong type
	badSource bool    // nothing could be read
	steps     [8]step // where a path begins, most of which are no longer
}

// configPath is where a NAD has its configuration.
const configPath = "spec.config"

func readDefinition(def *netattdefv1.NetworkAttachmentDefinition) *reading {
	var r *reading
	if def.Spec.Config == "" {
		r = &reading{}
	} else {
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
	r := &reading{}
	r.path = append(r.steps[:0], step{key: path})
	r.network.Source = text
	config, ok := newTree(text)
	if !ok {
		line, reason := syntaxError(text)
		r.fail(line, reason)
		return r
	}
	if !config.isObject() {
		r.fail(shorten(config.text()), "must be a JSON object")
		return r
	}
	var plugins tree
	hasPlugins := false
	for m := range config.inside() {
		if m.key() == "plugins" {
			plugins, hasPlugins = m, true
		}
	}
	before := len(r.errs)
	plugin := r.stringOf(config, "type")
	if !hasPlugins || plugin != "" {
		r.both = hasPlugins
		r.network.CNIVersion = r.stringOf(config, "cniVersion")
		r.network.Name = r.stringOf(config, "name")
		r.plugin(plugin, config, before, "type", "cniVersion", "name")
	} else {
		r.network.List = true
		r.object(config, reflect.ValueOf(&r.network).Elem(), "plugins", "type")
		r.list(plugins)
	}
	r.ownName = r.network.Name != ""
	return r
}

// syntaxError returns the line that is no JSON and why.
func syntaxError(text string) (line, reason string) {
	err := whyNoTree(text)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return shorten(text), err.Error()
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

func (r *reading) list(plugins tree) {
	r.push("plugins")
	defer r.pop()
	if !plugins.isArray() {
		r.wrongType(plugins, "an array")
		r.badSource = true
		return
	}
	switch n := plugins.count(); {
	case n == 0:
		r.errs = append(r.errs, field.Required(field.NewPath(r.at()), "at least one plugin; Multus panics"))
		r.badSource = true
	case n > most:
		r.errs = append(r.errs, field.TooMany(field.NewPath(r.at()), n, most))
		r.badSource = true
		return
	default:
		r.network.Plugins, r.bad = make([]Plugin, 0, n), make([]bool, 0, n)
	}
	for element := range plugins.inside() {
		r.pushIndex(len(r.bad))
		if element.isObject() {
			before := len(r.errs)
			r.plugin(r.stringOf(element, "type"), element, before, "type")
		} else {
			r.network.Plugins = append(r.network.Plugins, Raw{})
			r.bad = append(r.bad, true)
			r.wrongType(element, "an object; Multus panics on null")
		}
		r.pop()
	}
}

// plugin reads one plugin; errors since before are its own.
func (r *reading) plugin(name string, t tree, before int, skip ...string) {
	config := newPlugin(name)
	r.object(t, config, skip...)
	r.network.Plugins = append(r.network.Plugins, config.Interface().(Plugin))
	r.bad = append(r.bad, len(r.errs) > before)
}

// objectOf names a NAD in messages, as describe does.
func objectOf(def *netattdefv1.NetworkAttachmentDefinition) string {
	if def.Namespace == "" {
		return strings.TrimSpace("NetworkAttachmentDefinition " + def.Name)
	}
	return "NetworkAttachmentDefinition " + def.Namespace + "/" + def.Name
}
