package nad

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Network is what a NAD says: its plugins, in the order in which they run. It
// is what [Parse] returns, and what builds a NAD where the functions of the
// plugins do not say enough.
type Network struct {
	// Name is the name of the network and of the NAD that Definition makes.
	Name string `json:"name,omitzero"`
	// CNIVersion is the version of the CNI specification that the plugins are
	// spoken to in. "" in a new network is the newest that all of its plugins
	// are known to understand.
	CNIVersion string `json:"cniVersion,omitzero"`
	// ResourceName is what the kubelet allocates for each pod. "" is nothing.
	ResourceName ResourceName `json:"-"`
	// Plugins are the plugins. A NAD without configuration has none: Multus then
	// looks for a file with the network's name on the node.
	Plugins []Plugin `json:"-"`
	// List writes a list of plugins also where there is only one.
	List bool `json:"-"`
	// Extra are further keys of a list, with their JSON values: those that are
	// not known here, disableCheck, disableGC, cniVersions.
	Extra map[string]json.RawMessage `json:"-"`
	// Source is the text that was read. Config returns it as long as it says
	// the same as the rest.
	Source string `json:"-"`
}

// Chain returns a network of one or more plugins that work on one interface:
// the first makes it, the others follow. All problems are joined in the error,
// each a *field.Error: everything that makes a plugin refuse its configuration.
func Chain(name string, plugins ...Plugin) (*netattdefv1.NetworkAttachmentDefinition, error) {
	return Network{Name: name, Plugins: plugins}.Definition()
}

// Definition returns the network as a NAD without a namespace. All problems are
// joined in the error, each a *field.Error: everything that makes a plugin
// refuse its configuration. What is accepted and likely wrong is for [Lint] to
// say.
func (n Network) Definition() (*netattdefv1.NetworkAttachmentDefinition, error) {
	wrap := func(err error) error { return fmt.Errorf("network %s: %w", n.Name, err) }
	if len(n.Plugins) == 0 {
		return nil, wrap(field.Required(field.NewPath("plugins"), "at least one plugin"))
	}
	text, err := n.Config()
	if err != nil {
		return nil, wrap(err)
	}
	read := readConfig(text, "")
	if read.network.Name == "" {
		read.network.Name = n.Name // Multus puts in the name of the NAD
	}
	read.network.ResourceName = n.ResourceName
	errs := read.errs
	for _, note := range read.notes {
		// In what was read the last one counts; in what is written it comes from Extra.
		if note.kind == duplicateKey && text != n.Source {
			errs = append(errs, field.Duplicate(field.NewPath(note.path), note.key))
		}
	}
	if len(errs) == 0 {
		found := &report{zeros: read.zeros, nulls: read.nulls}
		read.judge(found, "")
		errs = slices.Concat(found.errs, validateName(read.network.Name))
	}
	if err := join(errs); err != nil {
		return nil, wrap(err)
	}
	def := &netattdefv1.NetworkAttachmentDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: netattdefv1.SchemeGroupVersion.String(), Kind: "NetworkAttachmentDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: n.Name},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: text},
	}
	if n.ResourceName != "" {
		def.Annotations = map[string]string{ResourceNameAnnotation: string(n.ResourceName)}
	}
	return def, nil
}

// Config returns the text for spec.config, or for a file in /etc/cni/net.d: the
// Source if nothing was changed since it was read, else JSON with the fields in
// their order. It checks nothing but that it can be written. Without plugins it
// is "".
func (n Network) Config() (string, error) {
	plugins := make([]Plugin, len(n.Plugins))
	for i, p := range n.Plugins {
		if plugins[i] = deref(p); plugins[i] == nil {
			return "", field.Required(field.NewPath("plugins").Index(i), "must not be nil")
		}
	}
	n.Plugins = plugins
	if n.Source != "" {
		read := readConfig(n.Source, "").network
		if read.Name == "" {
			read.Name = n.Name // Multus puts in the name of the NAD
		}
		before, errBefore := read.encode()
		now, errNow := n.encode()
		if errBefore == nil && errNow == nil && bytes.Equal(before, now) {
			return n.Source, nil
		}
	} else if n.CNIVersion == "" {
		n.CNIVersion = chooseVersion(n.Plugins)
	}
	if len(n.Plugins) == 0 {
		return "", nil
	}
	for i, p := range n.Plugins {
		if bridge, ok := p.(BridgeConfig); ok {
			n.Plugins[i] = bridge.explicit()
		}
	}
	text, err := n.encode()
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = json.Indent(&b, text, "", "  ")
	return b.String(), err
}

// encode writes the network as it is.
func (n Network) encode() ([]byte, error) {
	e := &encoder{}
	e.buf.WriteByte('{')
	for _, pair := range [][2]string{{"cniVersion", n.CNIVersion}, {"name", n.Name}} {
		if pair[1] != "" {
			e.key(pair[0])
			e.string(pair[1])
		}
	}
	if len(n.Plugins) == 1 && !n.List {
		for _, name := range sortedKeys(n.Extra) {
			e.key(name)
			e.raw(name, n.Extra[name])
		}
		e.plugin(reflect.ValueOf(n.Plugins[0]))
	} else {
		rest := n
		rest.Name, rest.CNIVersion = "", ""
		e.fields(reflect.ValueOf(rest))
		e.key("plugins")
		e.value(reflect.ValueOf(n.Plugins))
	}
	e.buf.WriteByte('}')
	return e.buf.Bytes(), e.err
}

// deref returns the value of a plugin that may be given as a pointer, or nil.
func deref(p Plugin) Plugin {
	v := reflect.ValueOf(p)
	if v.Kind() != reflect.Pointer {
		return p
	}
	if v.IsNil() {
		return nil
	}
	value, _ := reflect.TypeAssert[Plugin](v.Elem())
	return value
}
