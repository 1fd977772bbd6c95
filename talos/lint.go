package talos

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/config/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/container"

	"github.com/multihome/multihome"
)

// LintNetwork returns what Talos would reject in the network configuration of
// a machine config, and what it would accept without a word though it does not
// work: errors first. Both forms are read, in one config too. Documents of
// kinds that machinery does not know are reported and not judged; a config that
// is not YAML is a finding. No finding quotes a value that may be secret. Of a
// config with more than 1000 links the first 1000 are judged.
func LintNetwork(machineConfig []byte) []multihome.Finding {
	var l linter
	chunks := l.read(machineConfig, nil)
	l.machine(chunks)
	sortFindings(l.findings)
	return l.findings
}

// LintPatch returns what a strategic merge patch, such as [Patch.YAML] or a
// file for talosctl, does to a machine config when it is applied the way
// talosctl does it: why Talos rejects it, what of [LintNetwork] it brings that
// was not there before, and whether it takes the node off its network.
// [Patch.Apply] avoids some of these by moving addresses and by replacing
// instead of appending; to judge it, lint its result.
func LintPatch(machineConfig, patch []byte) []multihome.Finding {
	var before, after linter
	chunks := before.read(machineConfig, nil)
	before.machine(chunks)
	unreadable := slices.ContainsFunc(before.findings, func(f multihome.Finding) bool { return f.Code == "talos/unreadable" })
	if patched, ok := after.merge(chunks, unreadable, patch); ok {
		var merged linter
		changed := merged.read(patched, nil)
		merged.machine(changed)
		for _, f := range merged.findings {
			if !before.seen[f] {
				after.findings = append(after.findings, f)
			}
		}
		after.lostLinks(modelOf(chunks), modelOf(changed))
	}
	sortFindings(after.findings)
	return after.findings
}

// remedyValidate is for what is not quoted here.
const remedyValidate = "correct it; talosctl validate --mode metal shows the values"

// linter collects findings.
type linter struct {
	findings []multihome.Finding
	seen     map[multihome.Finding]bool
}

func (l *linter) add(severity multihome.Severity, code, object, path, message, remedy, source string) {
	f := multihome.Finding{
		Code: "talos/" + code, Severity: severity, Object: object, Path: path, Message: message, Remedy: remedy, Source: source,
	}
	if l.seen == nil {
		l.seen = make(map[multihome.Finding]bool)
	}
	if !l.seen[f] {
		l.seen[f] = true
		l.findings = append(l.findings, f)
	}
}

// about adds a finding on a key of a view.
func (l *linter) about(v view, severity multihome.Severity, code, key, message, remedy, source string) {
	l.add(severity, code, v.object, v.at(key), message, remedy, source)
}

// read splits a stream and reports what Talos would not load, by load or, if
// that is nil, as a machine config.
func (l *linter) read(stream []byte, load func(chunk) (config.Document, error)) []chunk {
	if err := CheckSize(stream, MaxSize); err != nil {
		l.add(multihome.SeverityError, "size", "", "", err.Error(), "apply large manifests after the bootstrap", "siderolabs/talos #7482")
		return nil
	}
	chunks, err := readChunks(stream)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			l.add(multihome.SeverityError, "unreadable", "", "", line, "correct the YAML; templates are linted after they are filled in", "siderolabs/talos configloader")
		}
	}
	newer := newerThanMachinery(chunks)
	if load == nil {
		load = func(c chunk) (config.Document, error) { return c.load(newer) }
	}
	seen := make(map[string]bool)
	for _, c := range chunks {
		if c.node == nil {
			continue
		}
		loaded, err := load(c)
		switch _, unknown := loaded.(opaque); {
		case err != nil:
			l.rejected(c, err)
		case unknown:
			l.add(multihome.SeverityInfo, "unknown-kind", c.object(), "kind", "this kind, or a key in it, is not known here and was not judged", "check that the node's Talos knows it", "siderolabs/talos registry")
		}
		if id := c.object(); seen[id] && c.wire.Patch == "" {
			l.add(multihome.SeverityError, "duplicate-document", id, "name", "there are two documents of this kind and name, which Talos rejects", "keep one", "siderolabs/talos container.New")
		} else {
			seen[id] = true
		}
	}
	return chunks
}

// rejected explains why Talos does not load a document, as well as possible.
func (l *linter) rejected(c chunk, err error) {
	const source = "siderolabs/talos configloader"
	message := strings.TrimPrefix(err.Error(), c.object()+": ")
	switch {
	case c.legacy != nil && lookup(c.node, "machine", "interfaces") != nil:
		l.add(multihome.SeverityError, "network-key", c.object(), "machine.interfaces",
			"interfaces is a key of machine.network, so Talos rejects the config", "write machine: network: interfaces:", "siderolabs/talos #10219")
	case slices.ContainsFunc(c.wire.Addresses, func(a address) bool { return a.plain }):
		l.add(multihome.SeverityError, "address-form", c.object(), "addresses",
			"an address is a mapping in a document, so Talos rejects a plain string", "write - address: "+c.wire.Addresses[0].Address, "siderolabs/talos network.AddressConfig")
	case c.wire.Patch != "":
		l.add(multihome.SeverityError, "patch", c.object(), "$patch", "this is a patch and not a part of a machine config", "lint it with the config that it is for: LintPatch", source)
	case c.foreign():
		l.add(multihome.SeverityError, "no-kind", "document "+itoa(c.index), "kind",
			"this is neither a machine config nor a document with apiVersion and kind", "lint what Talos gets: the output of talhelper and other generators, not their input; network: belongs below machine:", source)
	default:
		l.add(multihome.SeverityError, "rejected", c.object(), "", "Talos rejects the document: "+message, remedyValidate, source)
	}
}

// merge applies a patch as talosctl does and reports why it cannot.
func (l *linter) merge(chunks []chunk, unreadable bool, patch []byte) (patched []byte, ok bool) {
	if trimmed := bytes.TrimSpace(patch); len(trimmed) > 0 && (trimmed[0] == '[' || bytes.HasPrefix(trimmed, []byte("- "))) {
		l.add(multihome.SeverityError, "json-patch", "patch", "",
			"Talos refuses a JSON patch for a config of several documents, which every config since v1.12 is", "write a strategic merge patch", "siderolabs/talos configpatcher")
		return nil, false
	}
	pieces := l.read(patch, func(c chunk) (config.Document, error) {
		if _, err := configpatcher.LoadPatch(c.text); err != nil {
			return c.load(false)
		}
		return nil, nil
	})
	documents, err := loadAll(chunks, newerThanMachinery(chunks))
	known, conflict := container.New(slices.DeleteFunc(documents, func(d config.Document) bool { return d == nil })...)
	if err != nil || conflict != nil || unreadable {
		l.add(multihome.SeverityError, "machine-config", "machine config", "", "Talos rejects the config before it is patched", "lint it alone and correct it", "siderolabs/talos configloader")
		return nil, false
	}
	if slices.ContainsFunc(l.findings, func(f multihome.Finding) bool { return f.Severity == multihome.SeverityError }) {
		return nil, false
	}
	if !slices.ContainsFunc(pieces, func(c chunk) bool { return c.node != nil }) {
		l.add(multihome.SeverityError, "empty-patch", "patch", "", "the patch is empty, so talosctl reads it as a JSON patch and refuses it for a config of several documents", "leave it out", "siderolabs/talos configpatcher")
		return nil, false
	}
	out, object, err := mergePieces(known, pieces)
	if err != nil {
		l.add(multihome.SeverityError, "rejected", object, "", "Talos rejects the patch: "+redact(err, true).Error(), remedyValidate, "siderolabs/talos configpatcher")
		return nil, false
	}
	return out, true
}

// mergePieces merges the documents of a patch, and prints the result. Of an
// error it returns the document, too.
func mergePieces(known *container.Container, pieces []chunk) (merged []byte, object string, err error) {
	defer recovered(&err)
	in := configpatcher.WithConfig(known)
	for _, c := range pieces {
		if c.node == nil {
			continue
		}
		p, err := configpatcher.LoadPatch(c.text)
		if err != nil {
			continue // a kind that is not known
		}
		if in, err = configpatcher.Apply(in, []configpatcher.Patch{p}); err != nil {
			return nil, c.object(), err
		}
	}
	provider, err := in.Config()
	if err != nil {
		return nil, "patch", err
	}
	var out bytes.Buffer
	for _, d := range provider.Documents() {
		if _, unused := d.(interface{ ApplyTo(config.Document) error }); unused {
			continue // a delete that found nothing, which machinery cannot print
		}
		text, err := encodeDocument(d)
		if err != nil {
			return nil, "patch", err
		}
		fmt.Fprintf(&out, "---\n%s\n", bytes.TrimPrefix(text, []byte("---\n")))
	}
	return out.Bytes(), "", nil
}

// lostLinks compares how the node was reached with how it will be.
func (l *linter) lostLinks(before, after model) {
	const source = "siderolabs/talos #12654, Container.RunDefaultDHCPOperators"
	switch {
	case before.documented() || !after.documented():
	case !after.reachable():
		if slices.ContainsFunc(l.findings, func(f multihome.Finding) bool { return f.Code == "talos/unreachable" }) {
			return
		}
		l.add(multihome.SeverityError, "unreachable", "patch", "",
			"with the first document for a link Talos stops DHCP and link-up on all others, and no link has an address after this patch",
			"add a DHCPv4Config, or a LinkConfig with addresses, for the link by which the node is reached", source)
	case !before.reachable():
		l.add(multihome.SeverityWarning, "implicit-dhcp", "patch", "",
			"with the first document for a link Talos stops DHCP and link-up on all links that no document names",
			"check that the link by which the node is reached is among those with an address, and use talosctl patch --mode=try", source)
	}
}

// lint looks at what the patch itself says.
func (p Patch) lint() []multihome.Finding {
	var l linter
	m := p.model()
	l.links(m)
	if p.form == FormDocuments && p.primary == "" && m.documented() {
		l.add(multihome.SeverityWarning, "implicit-dhcp", "patch", "primaryLink",
			"with the first document for a link Talos stops DHCP and link-up on all other links of the node",
			"set PrimaryLink to the link by which the node is reached, or make sure that its config names that link; try it with talosctl patch --mode=try",
			"siderolabs/talos #12654, Container.RunDefaultDHCPOperators")
	}
	for _, v := range m.views {
		if v.isMaster() && p.primary != "" && slices.Contains(v.ports, p.primary) {
			l.about(v, multihome.SeverityWarning, "primary-moves", v.portsKey,
				"the link by which the node is reached becomes a port, and "+v.name+" takes over its addresses",
				"apply it with talosctl patch --mode=try, which reverts it if the node cannot be reached", "siderolabs/talos networking documentation")
		}
	}
	return l.findings
}
