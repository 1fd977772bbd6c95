package talos

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/siderolabs/talos/pkg/machinery/config/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/container"
)

// Apply returns the machine config with the patch applied. Applying it again
// changes nothing: what the patch says of a link, a manifest or a setting
// replaces what the config says of it, and what it cannot say of a physical
// link and its DHCP stays. So does everything else, in its order. Documents that
// are not touched keep their text and comments, those that are come back as
// Talos prints them. Documents of kinds that machinery does not know are kept;
// one that the patch would replace or remove, unread, is an error.
//
// The addressing of a link that becomes a port moves to its bridge or bond:
// addresses, routes and DHCP where the patch gives the bridge none, and VIPs.
//
// The config must be UTF-8 and load as strictly as Talos loads it; the error
// names the document and the key and never quotes a value of the config, which
// is why it does not wrap its cause. A result above 32 MiB is a *SizeError.
func (p Patch) Apply(machineConfig []byte) ([]byte, error) {
	if err := CheckSize(machineConfig, MaxSize); err != nil {
		return nil, err
	}
	out, err := p.apply(machineConfig)
	if err != nil {
		return nil, err
	}
	if err := CheckSize(out, MaxSize); err != nil {
		return nil, err
	}
	return out, nil
}

func (p Patch) apply(machineConfig []byte) (out []byte, err error) {
	defer recovered(&err)
	chunks, err := readChunks(machineConfig)
	if err != nil {
		return nil, fmt.Errorf("machine config: %w", err)
	}
	config := modelOf(chunks)
	if config.truncated {
		return nil, errors.New("machine config: has more than " + itoa(maxViews) + " links, which is not the config of a node")
	}
	p, err = p.choose(config)
	if err != nil {
		return nil, err
	}
	if p, err = p.resolve(config); err != nil {
		return nil, err
	}
	before, err := loadAll(chunks, p.version.contract != nil && p.version.newerThanMachinery() || newerThanMachinery(chunks))
	if err != nil {
		return nil, fmt.Errorf("machine config: %w", err)
	}
	kept, err := p.edits(config).apply(chunks, before)
	if err != nil {
		return nil, fmt.Errorf("machine config: %w", err)
	}
	after, err := p.merge(kept)
	if err != nil {
		return nil, err
	}
	out, err = render(chunks, before, after)
	if err != nil {
		return nil, fmt.Errorf("machine config: %w", err)
	}
	return out, nil
}

// loadAll decodes the documents of all chunks, nil where a chunk has none.
func loadAll(chunks []chunk, newer bool) ([]config.Document, error) {
	documents := make([]config.Document, len(chunks))
	var errs []error
	for i, c := range chunks {
		if c.node == nil {
			continue
		}
		var err error
		if documents[i], err = c.load(newer); err != nil {
			errs = append(errs, fmt.Errorf("document %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	present := slices.DeleteFunc(slices.Clone(documents), func(d config.Document) bool { return d == nil })
	if _, err := container.New(present...); err != nil {
		return nil, redact(err, true)
	}
	return documents, nil
}

// recovered turns a panic of machinery into an error: it trusts what it has
// loaded more than a machine config from anywhere deserves.
func recovered(err *error) {
	if recover() != nil {
		*err = errors.New("machine config: Talos' machinery cannot process it")
	}
}

// merge adds the patch to the documents.
func (p Patch) merge(documents []config.Document) ([]config.Document, error) {
	known, err := container.New(documents...)
	if err != nil {
		return nil, fmt.Errorf("machine config: %w", redact(err, true))
	}
	var opaques []config.Document
	in := configpatcher.WithConfig(known)
	var values []any
	if !p.legacy.isZero() {
		values = append(values, p.legacy)
	}
	for _, d := range p.documents {
		if d.Patch == "" {
			values = append(values, d)
		}
	}
	for _, value := range values {
		text, err := encode(value)
		if err != nil {
			return nil, fmt.Errorf("patch: %w", err)
		}
		chunks, err := readChunks(text)
		if err != nil {
			return nil, fmt.Errorf("patch: %w", err)
		}
		loaded, err := chunks[0].load(false)
		if err != nil {
			return nil, fmt.Errorf("patch: %w", err)
		}
		if _, unknown := loaded.(opaque); unknown {
			opaques = append(opaques, loaded)
			continue
		}
		patch, err := configpatcher.LoadPatch(text)
		if err != nil {
			return nil, fmt.Errorf("patch: %w", redact(err, true))
		}
		if in, err = configpatcher.Apply(in, []configpatcher.Patch{patch}); err != nil {
			return nil, fmt.Errorf("patch: %s: %w", chunks[0].object(), redact(err, true))
		}
	}
	provider, err := in.Config()
	if err != nil {
		return nil, fmt.Errorf("patch: %w", redact(err, true))
	}
	return append(provider.Documents(), opaques...), nil
}

// render writes the documents in the order of the chunks, new ones last.
func render(chunks []chunk, before, after []config.Document) ([]byte, error) {
	var out bytes.Buffer
	emit := func(text []byte) {
		if out.Len() > 0 {
			if !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
				out.WriteByte('\n')
			}
			if !bytes.HasPrefix(text, []byte("---")) {
				out.WriteString("---\n")
			}
		}
		out.Write(text)
	}
	used := make([]bool, len(after))
	places := make(map[string]int, len(after))
	for j, d := range after {
		places[documentID(d)] = j
	}
	for i, c := range chunks {
		if before[i] == nil {
			emit(c.text)
			continue
		}
		j, kept := places[documentID(before[i])]
		if !kept {
			continue // deleted
		}
		used[j] = true
		old, err := encodeDocument(before[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.object(), err)
		}
		text, err := encodeDocument(after[j])
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", c.object(), err)
		case bytes.Equal(old, text):
			emit(c.text)
		case bytes.HasPrefix(c.text, []byte("---")):
			emit(append([]byte("---\n"), text...))
		default:
			emit(text)
		}
	}
	for j, d := range after {
		if !used[j] {
			text, err := encodeDocument(d)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", documentID(d), err)
			}
			emit(text)
		}
	}
	return out.Bytes(), nil
}
