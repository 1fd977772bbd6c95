package talos

import (
	"fmt"
	"slices"

	"github.com/siderolabs/talos/pkg/machinery/config/config"
	"go.yaml.in/yaml/v4"
)

// apply returns the documents that the patch is merged into.
func (e edits) apply(chunks []chunk, documents []config.Document) ([]config.Document, error) {
	var kept []config.Document
	for i, d := range documents {
		switch {
		case d == nil:
			continue
		case e.documents[documentID(d)] && chunks[i].wire.Kind != "":
			if _, unknown := d.(opaque); unknown && !chunks[i].understood() {
				return nil, fmt.Errorf("document %d: %s: its apiVersion, or a key in it, is not known here, so the patch does not replace or remove it; remove it first if nothing in it is needed", i, chunks[i].object())
			}
			continue
		case chunks[i].wire.Kind == "":
			edited, err := edit(d, e.legacy)
			if err != nil {
				return nil, fmt.Errorf("document %d: %w", i, err)
			}
			d = edited
		case e.said[documentID(d)] || e.bare[documentID(d)]:
			keys := []string{"addresses", "routes"}
			if _, unknown := d.(opaque); unknown && e.said[documentID(d)] {
				return nil, fmt.Errorf("document %d: %s: has keys of a newer Talos that a patch cannot be merged with", i, chunks[i].object())
			}
			if e.said[documentID(d)] {
				keys = append(keys, "mtu", "routeMetric", "ignoreHostname")
			}
			edited, err := edit(d, func(root *yaml.Node) bool { return remove(root, keys...) })
			if err != nil {
				return nil, fmt.Errorf("document %d: %w", i, err)
			}
			d = edited
		}
		kept = append(kept, d)
	}
	return kept, nil
}

// edit changes a document as Talos prints it, which has no aliases, and loads
// it again. A document that change leaves alone is returned as it is.
func edit(d config.Document, change func(root *yaml.Node) bool) (config.Document, error) {
	text, err := encodeDocument(d)
	if err != nil {
		return nil, err
	}
	root, err := readNode(text)
	if err != nil {
		return nil, redact(err, false)
	}
	if root == nil || !change(root) {
		return d, nil
	}
	if text, err = encode(root); err != nil {
		return nil, redact(err, false)
	}
	edited, err := readChunks(text)
	if err != nil {
		return nil, err
	}
	return edited[0].load(true)
}

// legacy edits the document without a kind.
func (e edits) legacy(root *yaml.Node) (changed bool) {
	interfaces := lookup(root, "machine", "network", "interfaces")
	if interfaces != nil {
		interfaces.Content = slices.DeleteFunc(interfaces.Content, func(entry *yaml.Node) bool {
			touched, empty := e.device(entry)
			changed = changed || touched
			return touched && empty
		})
		if len(interfaces.Content) == 0 {
			changed = remove(lookup(root, "machine", "network"), "interfaces") || changed
		}
	}
	if e.cni {
		changed = remove(lookup(root, "cluster", "network"), "cni") || changed
	}
	if manifests := lookup(root, "cluster", "inlineManifests"); manifests != nil {
		before := len(manifests.Content)
		manifests.Content = slices.DeleteFunc(manifests.Content, func(entry *yaml.Node) bool {
			name := lookup(entry, "name")
			return name != nil && slices.Contains(e.manifests, name.Value)
		})
		changed = changed || len(manifests.Content) != before
	}
	return changed
}

// device edits an entry of machine.network.interfaces. It is empty if nothing
// but its name is left and the patch does not fill it again, or if the patch
// replaces it as a whole.
func (e edits) device(entry *yaml.Node) (touched, empty bool) {
	var d device
	_ = entry.Decode(&d) // Talos printed it
	if d.DeviceSelector != nil && e.merged[d.key()] {
		return true, true
	}
	touched = remove(entry, e.keys[d.key()]...)
	if vlans := lookup(entry, "vlans"); vlans != nil {
		before := len(vlans.Content)
		i := -1
		vlans.Content = slices.DeleteFunc(vlans.Content, func(vlan *yaml.Node) bool {
			i++
			if name := vlanName(d.Interface, d.VLANs[i].VLANID); e.bare["vlan "+name] {
				touched = remove(vlan, portKeys()...) || touched
			}
			return slices.Contains(e.vlans, vlanName(d.Interface, d.VLANs[i].VLANID))
		})
		touched = touched || len(vlans.Content) != before
		if len(vlans.Content) == 0 {
			remove(entry, "vlans")
		}
	}
	return touched, len(entry.Content) <= 2 && !e.merged[d.key()]
}

// lookup follows keys into mappings.
func lookup(node *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		var found *yaml.Node
		if node != nil && node.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(node.Content); i += 2 {
				if node.Content[i].Value == key {
					found = node.Content[i+1]
				}
			}
		}
		node = found
	}
	return node
}

// remove deletes keys of a mapping and reports whether one was there.
func remove(node *yaml.Node, keys ...string) (changed bool) {
	if node == nil || node.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(node.Content); {
		if slices.Contains(keys, node.Content[i].Value) {
			node.Content = slices.Delete(node.Content, i, i+2)
			changed = true
			continue
		}
		i += 2
	}
	return changed
}
