package cilium

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	// backup is what the agent adds to the name of a file that it takes away.
	backup = ".cilium_bak"
	// formerConflist is what Cilium wrote before 1.14; every agent renames it.
	formerConflist = "05-cilium.conf"
)

// ConfDir predicts which files are in a node's directory of CNI
// configurations, /etc/cni/net.d, once an agent with these settings has started
// beside files, which are contents by name. The names come sorted. Contents
// matter only where Cilium adds itself to another network, which it looks for.
//
// It is what the agent of Cilium 1.14 to 1.20 does: an agent that writes no
// conflist, or has none to write, touches nothing; any other writes its own,
// renames 05-cilium.conf of older versions and, if it is exclusive, every file
// that ends in .conf, .conflist or .json. Directories stay.
func (s Settings) ConfDir(files map[string]string) []string {
	after := maps.Clone(files)
	if after == nil {
		after = map[string]string{}
	}
	if s.writes(files) {
		after[s.Conflist] = ""
		for _, name := range slices.Sorted(maps.Keys(after)) {
			if name != s.Conflist && (name == formerConflist || s.Exclusive && isConfiguration(name)) {
				delete(after, name)
				after[name+backup] = ""
			}
		}
	}
	return slices.Sorted(maps.Keys(after))
}

// writes reports whether the agent gets to write its conflist.
func (s Settings) writes(files map[string]string) bool {
	switch {
	case s.Conflist == "":
		return false
	case s.ReadConf != "":
		return true // it copies that file
	case s.ChainingTarget != "":
		return s.target(files) != ""
	}
	return slices.Contains([]string{"", "none", "flannel", "portmap"}, strings.ToLower(s.ChainingMode))
}

// target names the file with the network that Cilium adds itself to, "" where
// there is none.
func (s Settings) target(files map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == s.Conflist || !isConfiguration(name) && path.Ext(name) != backup {
			continue
		}
		network := map[string]any{}
		if json.Unmarshal([]byte(files[name]), &network) != nil {
			continue
		}
		if called, ok := network["name"].(string); ok && (s.ChainingTarget == "*" || s.ChainingTarget == called) {
			return name
		}
	}
	return ""
}

// isConfiguration reports whether a CNI runtime reads a file of that name.
func isConfiguration(name string) bool {
	return slices.Contains([]string{".conf", ".conflist", ".json"}, path.Ext(name)) && !strings.Contains(name, "/")
}
