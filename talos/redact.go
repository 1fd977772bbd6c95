package talos

import (
	"errors"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// keysMarker begins the list of keys and values that a document should not have.
const keysMarker = "unknown keys found during decoding:\n"

// redact returns an error that says what is wrong without the values of a
// machine config, which holds the keys of a cluster: the cause is not wrapped,
// since its text quotes them. Harmless documents keep what is in double quotes.
func redact(err error, harmless bool) error {
	text := err.Error()
	if _, keys, found := strings.Cut(text, keysMarker); found {
		return errors.New("unknown keys: " + strings.Join(keyPaths(keys), ", "))
	}
	text = regexp.MustCompile("(?s)`.*?`").ReplaceAllString(text, "a value")
	if !harmless {
		text = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"|'[^'\n]*\w{3}[^'\n]*'`).ReplaceAllString(text, "a value")
	}
	for _, noise := range []string{`error decoding document .*? \(line \d+\): `, `error decoding \S* ?to \*\S+: `, `\*?\bv1alpha1\.(\w+)`} {
		text = regexp.MustCompile(noise).ReplaceAllString(text, "$1")
	}
	return errors.New(strings.Join(strings.Fields(text), " "))
}

// keyPaths returns the paths of the keys in a YAML text, without their values.
func keyPaths(text string) []string {
	node, err := readNode([]byte(text))
	var paths []string
	if err != nil || node == nil {
		// Aliases of anchors elsewhere. Keys alone, as far as they are plain.
		for _, key := range regexp.MustCompile(`(?m)^[ -]*([A-Za-z<][\w<]*):`).FindAllStringSubmatch(text, 20) {
			paths = append(paths, key[1])
		}
		return paths
	}
	var walk func(string, *yaml.Node)
	walk = func(at string, node *yaml.Node) {
		switch {
		case len(paths) == 20: // enough to see what is wrong
		case node.Kind == yaml.MappingNode && len(node.Content) > 0 && strings.Count(at, ".") < 6:
			for i := 0; i+1 < len(node.Content); i += 2 {
				walk(strings.TrimPrefix(at+"."+node.Content[i].Value, "."), node.Content[i+1])
			}
		case node.Kind == yaml.SequenceNode && len(node.Content) > 0 && node.Content[0].Kind == yaml.MappingNode:
			for i, item := range node.Content {
				walk(at+"["+itoa(i)+"]", item)
			}
		default:
			paths = append(paths, at)
		}
	}
	walk("", node)
	return paths
}
