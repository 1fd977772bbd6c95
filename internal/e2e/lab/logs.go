package lab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Logs returns the end of every program's log, those of the nodes' services and of Multus included.
func (c *Cluster) Logs() string {
	var b strings.Builder
	if c.server != nil {
		b.WriteString(c.server.Logs())
	}
	for _, n := range c.nodes {
		b.WriteString(n.Logs())
	}
	return b.String()
}

// Logs returns the end of each log on the node, which may be stopped.
func (n *Node) Logs() string {
	var b strings.Builder
	files := []string{filepath.Join(n.dir, "noded.log")}
	for _, pattern := range []string{"*.log", "pods/kube-system_*/*/*.log"} {
		found, err := filepath.Glob(filepath.Join(n.root(), "var/log", pattern))
		if err != nil {
			return err.Error()
		}
		files = append(files, found...)
	}
	for _, file := range files {
		name, _ := filepath.Rel(n.dir, file)
		fmt.Fprintf(&b, "--- %s: %s\n%s", n.name, name, tail(file))
	}
	return b.String()
}

// tail returns the end of a file.
func tail(file string) string {
	const most = 16 << 10
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error() + "\n"
	}
	if len(content) > most {
		content = content[len(content)-most:]
		content = append([]byte("...\n"), content[bytes.IndexByte(content, '\n')+1:]...)
	}
	return string(content)
}
