package nad

import (
	"slices"
	"strconv"
	"strings"
)

// listKeys are the keys of a list that are read by the runtime, and those of
// a plugin that the runtime puts in.
var (
	listKeys    = []string{"disableCheck", "disableGC", "loadOnlyInlinedPlugins", "cniVersions"}
	runtimeKeys = []string{"args", "runtimeConfig", "prevResult", "name", "cniVersion", "plugins"}
)

const keysSource = "encoding/json, with which every plugin reads its configuration"

// lintKeys reports keys that are taken in silence.
func (r *reading) lintKeys(out *report) {
	if r.both {
		out.warn(configPath+".plugins", "plugins-ignored", "has no effect beside type: Multus runs the one plugin", "remove type and what belongs to it, or plugins", keysSource)
	}
	for _, n := range r.notes {
		switch n.kind {
		case otherCase:
			out.warn(n.path, "key-case", "is read, but only because letter case does not count", "write it as documented", keysSource)
		case duplicateKey:
			out.warn(n.path, "duplicate-key", "is there twice; the last one counts", "remove one", keysSource)
		default:
			warnUnknown(out, n)
		}
	}
}

func warnUnknown(out *report, n note) {
	inList := n.schema == networkSchema
	switch {
	case inList && containsFold(listKeys, n.key), strings.HasPrefix(n.key, "cni.dev/"):
		return
	case inList:
		meaning := "remove it"
		if owners := ownersOf(n.key); len(owners) > 0 || containsFold([]string{"capabilities", "dns", "ipam"}, n.key) {
			meaning = "put it into an element of plugins"
		}
		out.warn(n.path, "list-key", "has no effect beside plugins", meaning, keysSource)
		return
	case containsFold(runtimeKeys, n.key) && !n.inIPAM():
		return
	}
	out.warn(n.path, "unknown-key", "is not known to the plugin, which ignores it", meaningOf(n.schema, n.key), keysSource)
}

var networkSchema = schemaFor[Network]()

func (n note) inIPAM() bool { return strings.Contains(n.path, ".ipam.") }

// meaningOf guesses what an unknown key was meant to be.
func meaningOf(s *schema, key string) string {
	if s != nil {
		best, least := "", 3
		for _, known := range s.keys {
			if d := likeness(key, known.name); d < least {
				best, least = known.name, d
			}
		}
		if best != "" {
			return "did you mean " + strconv.Quote(best) + "?"
		}
	}
	if owners := ownersOf(key); len(owners) > 0 {
		return "it is a key of " + strings.Join(owners, ", ")
	}
	return "remove it"
}

// likeness is 0 for keys that differ in the way they are written, up to 2 for
// keys that may be meant, and 3 for others.
func likeness(a, b string) int {
	plain := strings.NewReplacer("_", "", "-", "", " ", "")
	a, b = strings.ToLower(plain.Replace(a)), strings.ToLower(plain.Replace(b))
	if len(a) > 40 {
		return 3
	}
	shorter, longer := a, b
	if len(a) > len(b) {
		shorter, longer = b, a
	}
	if a == b {
		return 0
	}
	if len(shorter) >= 4 && (strings.HasPrefix(longer, shorter) || strings.HasSuffix(longer, shorter)) {
		return 1
	}
	if d := distance(a, b); d <= len(shorter)/4 {
		return min(d, 2)
	}
	return 3
}

// distance is the number of letters to insert, remove or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// ownersOf returns the plugins that know the key, sorted.
func ownersOf(key string) []string {
	var owners []string
	for _, name := range sortedKeys(pluginKinds) {
		if schemaOf(pluginKinds[name].config).knows(key) {
			owners = append(owners, name)
		}
	}
	for _, name := range sortedKeys(ipamTypes) {
		if schemaOf(ipamTypes[name]).knows(key) {
			owners = append(owners, "ipam "+name)
		}
	}
	owners = slices.DeleteFunc(owners, func(name string) bool { return strings.HasPrefix(name, "cnv-") })
	if len(owners) > 8 {
		return nil
	}
	return owners
}
