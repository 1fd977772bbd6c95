package multus_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/internal/manifest"
	"github.com/multihome/multihome/multus"
)

// FuzzConfig: whatever a Config says, Render gives a Bundle or an error, as
// Validate does, and what it gives can be printed and read.
func FuzzConfig(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("got %d seeds and error %v", len(files), err)
	}
	for _, file := range files {
		f.Add(golden.Section(f, golden.Archive(f, file), "config.json"))
	}
	f.Add([]byte(`{"version":"v4.0.2","image":"a:v4.9.9-thick","resources":{"daemon":{"limitMemory":"1e30","requestCPU":"-0"}}}`))
	f.Add([]byte(`{"registry":"a.b/c","archImages":{"arm64":"x"},"tolerations":[{}],"daemon":{"delegates":[null],"logOptions":{},"socketDir":"/host/run/.multus"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var config multus.Config
		if json.Unmarshal(data, &config) != nil {
			return
		}
		invalid := config.Validate()
		bundle, err := multus.Render(config)
		if (err == nil) != (invalid == nil) || (err == nil) == (bundle == nil) {
			t.Fatalf("Validate: %v; Render: a bundle: %t, and error %v", invalid, bundle != nil, err)
		}
		if err != nil {
			return
		}
		printed, err := bundle.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if objects, err := manifest.Parse(printed); err != nil || len(objects) != len(bundle.Objects()) {
			t.Fatalf("%d objects of %d, error %v:\n%s", len(objects), len(bundle.Objects()), err, printed)
		}
		checkBundle(t, bundle)
	})
}
