package image_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multihome/multihome/multus/image/internal/toymodule"
)

const (
	toyVersion  = "v4.3.0"
	multusPath  = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
	pluginsPath = "github.com/containernetworking/plugins"
)

// toys are modules with the names of Multus and the plugins, and nearly nothing
// in them.
type toys struct {
	sums    map[string][2]string
	toolbox map[string]string
}

// newToys serves them to the builds of this test. Their programs print, by the
// runtime's own println: fmt would take the most time of the test.
func newToys(tb testing.TB) toys {
	tb.Helper()
	proxy := toymodule.New(tb)
	dep := proxy.Add(tb, "example.com/dep", "v1.2.3", `
-- go.mod --
module example.com/dep

go 1.21
-- LICENSE --
The licence of dep.
-- third_party/COPYING.md --
The licence of what dep has copied.
-- testdata/LICENSE --
Not linked.
-- dep.go --
package dep

const Text = "dep"
`)
	sums := toymodule.Sums("example.com/dep", "v1.2.3", dep)
	commands := func(module string, paths string) string {
		var files strings.Builder
		for path := range strings.FieldsSeq(paths) {
			fmt.Fprintf(&files, `-- %s/main.go --
package main

import "%s/pkg/multus"

func main() { println("%s", multus.Version()) }
`, path, module, path)
		}
		return files.String()
	}
	module := func(path, paths string) string {
		return `
-- go.mod --
module ` + path + `

go 1.21

require example.com/dep v1.2.3
-- go.sum --
` + sums + `-- LICENSE --
The licence.
-- NOTICE --
The notice.
-- pkg/multus/multus.go --
package multus

import "example.com/dep"

var version = "unknown"

func Version() string { return dep.Text + " " + version }
` + commands(path, paths)
	}
	return toys{
		sums: map[string][2]string{
			multusPath:  proxy.Add(tb, multusPath, toyVersion, module(multusPath, "cmd/multus-daemon cmd/multus-shim cmd/install_multus cmd/passthru-cni cmd/cert-approver")),
			pluginsPath: proxy.Add(tb, pluginsPath, "v1.9.1", module(pluginsPath, "plugins/main/macvlan plugins/meta/tuning plugins/ipam/static plugins/sample")),
		},
		toolbox: map[string]string{
			"go.mod":  "module multihome.invalid/toolbox\n\ngo 1.21\n",
			"main.go": "package main\n\nfunc main() { println(\"toolbox\") }\n",
		},
	}
}
