package image_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/multus/image"
)

func TestSBOM(t *testing.T) {
	modules := []image.BOMModule{
		{Path: "github.com/Masterminds/semver", Version: "v1.2.3+incompatible", Sum: "h1:AAAA=", Licences: []string{"/usr/share/licenses/a/LICENSE", "/usr/share/licenses/a/NOTICE"}},
		{Path: "std", Version: "go1.26.8"},
	}
	content, err := image.SPDX("multus-cni v4.3.0 linux/arm64", "v4.3.0", modules)
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/sbom.txtar", "spdx.json", content)

	// What SPDX asks of a document: identifiers are unique and of certain
	// letters, and relationships are between what there is.
	var doc struct {
		SPDXID        string
		Packages      []struct{ SPDXID string }
		Relationships []struct{ SPDXElementID, RelatedSPDXElement string }
	}
	if err := json.Unmarshal(content, &doc); err != nil {
		t.Fatal(err)
	}
	identifier, known := regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`), map[string]bool{doc.SPDXID: true}
	for _, p := range doc.Packages {
		if known[p.SPDXID] || !identifier.MatchString(p.SPDXID) {
			t.Errorf("identifier %q", p.SPDXID)
		}
		known[p.SPDXID] = true
	}
	if len(doc.Relationships) != len(doc.Packages) {
		t.Errorf("%d relationships of %d packages", len(doc.Relationships), len(doc.Packages))
	}
	for _, r := range doc.Relationships {
		if !known[r.SPDXElementID] || !known[r.RelatedSPDXElement] {
			t.Errorf("relationship %v", r)
		}
	}

	other, err := image.SPDX("multus-cni v4.3.0 linux/arm64", "v4.3.0", modules[1:])
	if err != nil {
		t.Fatal(err)
	}
	namespace := regexp.MustCompile(`"documentNamespace": "[^"]+"`)
	if string(namespace.Find(content)) == string(namespace.Find(other)) {
		t.Errorf("two documents have the %s", namespace.Find(other))
	}
}
