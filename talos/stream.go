package talos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/config/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
	"github.com/siderolabs/talos/pkg/machinery/config/container"
	"github.com/siderolabs/talos/pkg/machinery/config/encoder"
	"go.yaml.in/yaml/v4"
)

// chunk is one document of a machine config with the text that it came as,
// comments included. A chunk may hold no document at all.
type chunk struct {
	index  int
	text   []byte
	node   *yaml.Node // nil without a document
	wire   document
	legacy *legacyConfig // of the document without a kind
}

// split cuts a stream of documents at its "---" lines. A line of that kind
// always starts a document in YAML, whatever it stands in.
func split(stream []byte) [][]byte {
	var parts [][]byte
	start, content := 0, false
	offset := 0
	for line := range bytes.Lines(stream) {
		marker := bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0)
		if marker && content {
			parts = append(parts, stream[start:offset])
			start, content = offset, false
		}
		offset += len(line)
		text := bytes.TrimSpace(line)
		if marker {
			text = bytes.TrimSpace(line[3:])
		}
		if len(text) > 0 && text[0] != '#' && line[0] != '%' {
			content = true
		}
	}
	if start < len(stream) {
		parts = append(parts, stream[start:])
	}
	return parts
}

// readChunks reads a machine config as far as it is YAML. What is not is in
// the error, without its text; the other chunks are there.
func readChunks(stream []byte) ([]chunk, error) {
	// Talos reads it, but its documents cannot be told apart by their bytes.
	if bytes.HasPrefix(stream, []byte("\xff\xfe")) || bytes.HasPrefix(stream, []byte("\xfe\xff")) {
		return nil, errors.New("is UTF-16, as PowerShell writes it; save it as UTF-8")
	}
	var chunks []chunk
	var errs []error
	for _, text := range split(stream) {
		c := chunk{index: len(chunks), text: text}
		node, err := readNode(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("document %d: %w", c.index, redact(err, false)))
			chunks = append(chunks, c)
			continue
		}
		c.node = node
		if node != nil {
			// A field of an unexpected type is left out; the loader reports it.
			_ = node.Decode(&c.wire)
			if c.wire.Kind == "" {
				c.legacy = &legacyConfig{}
				_ = node.Decode(c.legacy)
			}
		}
		chunks = append(chunks, c)
	}
	return chunks, errors.Join(errs...)
}

// readNode returns the mapping that the text holds, nil if there is none.
func readNode(text []byte) (found *yaml.Node, err error) {
	defer func() {
		// As machinery does, which trusts the parser as little.
		if reason := recover(); reason != nil {
			err = errors.New("not readable as YAML")
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		if len(node.Content) == 0 || node.Content[0].Tag == "!!null" {
			continue
		}
		switch {
		case found != nil:
			return nil, errors.New("more than one document")
		case node.Content[0].Kind != yaml.MappingNode:
			return nil, errors.New("not a mapping")
		}
		found = node.Content[0]
	}
}

// object names the chunk in errors and findings.
func (c chunk) object() string {
	if c.wire.Kind == "" {
		return "v1alpha1.Config"
	}
	return c.wire.object()
}

// load decodes the chunk as strictly as Talos. A kind that this version of
// machinery does not know is kept as it is; so is a document with keys that it
// does not know, if newer says that the config is for a Talos after it.
func (c chunk) load(newer bool) (config.Document, error) {
	provider, err := configloader.NewFromBytes(c.text)
	if err != nil {
		if c.wire.Kind != "" && c.wire.APIVersion != "" && (unknownKind(err) || newer && unknownKeys(err)) {
			return opaque{c}, nil
		}
		if c.foreign() {
			return nil, errors.New("neither a machine config nor a document with apiVersion and kind")
		}
		return nil, fmt.Errorf("%s: %w", c.object(), redact(err, c.harmless()))
	}
	documents := provider.Documents()
	if len(documents) != 1 {
		return nil, fmt.Errorf("%s: not a document of a machine config", c.object())
	}
	if path := nullEntry(c.node, ""); path != "" {
		return nil, fmt.Errorf("%s: %s is null; remove the entry", c.object(), path)
	}
	return documents[0], nil
}

// understood reports whether this package knows all that the document says,
// also where the linked machinery does not know its kind.
func (c chunk) understood() bool {
	switch {
	case c.wire.APIVersion != newDocument("", "").APIVersion:
		return false
	case c.wire.Kind == kindFlannel || c.wire.Kind == kindProxy:
		return true // whatever they say, a patch turns them off
	}
	decoder := yaml.NewDecoder(bytes.NewReader(c.text))
	decoder.KnownFields(true)
	return decoder.Decode(&document{}) == nil
}

// nullEntry returns the path of an entry without content in a list: machinery
// loads such a config and panics when it merges or validates it.
func nullEntry(node *yaml.Node, at string) string {
	for i, item := range node.Content {
		path := at
		switch {
		case node.Kind == yaml.MappingNode && i%2 == 0:
			continue
		case node.Kind == yaml.MappingNode:
			path = strings.TrimPrefix(at+"."+node.Content[i-1].Value, ".")
		case node.Kind == yaml.SequenceNode:
			path = at + "[" + itoa(i) + "]"
			if item.Tag == "!!null" || item.Kind == yaml.AliasNode && item.Alias.Tag == "!!null" {
				return path
			}
		}
		if found := nullEntry(item, path); found != "" {
			return found
		}
	}
	return ""
}

// foreign reports whether the chunk is no part of a machine config at all, such
// as the input of a generator.
func (c chunk) foreign() bool {
	return c.wire.Kind == "" && lookup(c.node, "machine") == nil && lookup(c.node, "cluster") == nil
}

// unknownKind reports whether the registry of machinery, whose error is not
// exported, lacks the kind.
func unknownKind(err error) bool { return strings.HasSuffix(err.Error(), ": not registered") }

// unknownKeys reports whether all that is wrong with a document is a key.
func unknownKeys(err error) bool { return strings.Contains(err.Error(), keysMarker) }

// newerThanMachinery reports whether a config is for a Talos that may know more
// than machinery: by the version it installs, or by a kind that is not known.
func newerThanMachinery(chunks []chunk) bool {
	if v, ok := installed(modelOf(chunks)); ok && v.newerThanMachinery() {
		return true
	}
	return slices.ContainsFunc(chunks, func(c chunk) bool {
		if c.node == nil || c.wire.Kind == "" {
			return false
		}
		loaded, err := c.load(false)
		_, unknown := loaded.(opaque)
		return err == nil && unknown
	})
}

// harmless reports whether the document holds no secrets.
func (c chunk) harmless() bool {
	switch c.wire.Kind {
	case kindLink, kindBridge, kindBond, kindVLAN, kindAlias, kindDHCPv4, kindDHCPv6, kindVIP, kindHostname:
		return true
	}
	return false
}

// opaque is a document of a kind that machinery does not know, carried through.
type opaque struct{ chunk chunk }

// Clone returns o, which is never changed.
func (o opaque) Clone() config.Document { return o }

// Kind of the document.
func (o opaque) Kind() string { return o.chunk.wire.Kind }

// APIVersion of the document.
func (o opaque) APIVersion() string { return o.chunk.wire.APIVersion }

// Name of the document.
func (o opaque) Name() string { return o.chunk.wire.Name }

// documentID is what strategic merge tells documents apart by.
func documentID(d config.Document) string {
	id := d.Kind()
	if named, ok := d.(config.NamedDocument); ok && named.Name() != "" {
		id += "/" + named.Name()
	}
	return id
}

// encodeDocument prints one document without comments.
func encodeDocument(d config.Document) ([]byte, error) {
	if o, ok := d.(opaque); ok {
		return o.chunk.text, nil
	}
	c, err := container.New(d)
	if err != nil {
		return nil, err
	}
	return c.EncodeBytes(encoder.WithComments(encoder.CommentsDisabled))
}
