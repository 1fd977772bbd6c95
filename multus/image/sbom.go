package image

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// bom is what an image is made of.
type bom struct {
	name    string
	version string
	modules []bomModule
}

// bomModule is a Go module with code in the image, or Go's own library, "std".
type bomModule struct {
	path, version, sum string
	licences           []string // where their texts are in the image
}

// The types below are an SPDX 2.3 document as JSON, as far as one is used here.
type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		DataLicense   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Creation      spdxCreation       `json:"creationInfo"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID               string         `json:"SPDXID"`
		Name             string         `json:"name"`
		Version          string         `json:"versionInfo,omitempty"`
		Purpose          string         `json:"primaryPackagePurpose"`
		Download         string         `json:"downloadLocation"`
		FilesAnalyzed    bool           `json:"filesAnalyzed"`
		LicenseConcluded string         `json:"licenseConcluded"`
		LicenseDeclared  string         `json:"licenseDeclared"`
		Copyright        string         `json:"copyrightText"`
		Comment          string         `json:"comment,omitempty"`
		References       []spdxExternal `json:"externalRefs,omitempty"`
	}
	spdxExternal struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const (
	spdxRoot  = "SPDXRef-DOCUMENT"
	spdxImage = "SPDXRef-image"
	// noAssertion: nobody has looked. The texts are in the image.
	noAssertion = "NOASSERTION"
)

// spdx writes the document. Its namespace, which must be its own, follows from
// what is in it.
func (b bom) spdx() ([]byte, error) {
	doc := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: spdxRoot, Name: b.name,
		Creation:      spdxCreation{Created: built.Format(time.RFC3339), Creators: []string{"Tool: multihome"}},
		Relationships: []spdxRelationship{{spdxRoot, "DESCRIBES", spdxImage}},
	}
	image := newPackage(spdxImage, "multus-cni", b.version)
	image.Purpose = "CONTAINER"
	doc.Packages = append(doc.Packages, image)

	toolbox := newPackage("SPDXRef-toolbox", "github.com/multihome/multihome", "")
	toolbox.LicenseDeclared, toolbox.Comment = "Apache-2.0", "the program /bin/toolbox"
	doc.add(toolbox)
	for i, m := range b.modules {
		p := newPackage(fmt.Sprintf("SPDXRef-module-%d", i+1), m.path, m.version)
		p.References = []spdxExternal{{"PACKAGE-MANAGER", "purl", m.purl()}}
		var comment []string
		if m.sum != "" {
			comment = append(comment, "go.sum "+m.sum)
		}
		if len(m.licences) > 0 {
			comment = append(comment, "licences in "+strings.Join(m.licences, ", "))
		}
		p.Comment = strings.Join(comment, "; ")
		doc.add(p)
	}
	content, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	doc.Namespace = fmt.Sprintf("https://github.com/multihome/multihome/sbom/%x", sha256.Sum256(content))
	content, err = json.MarshalIndent(doc, "", "  ")
	return append(content, '\n'), err
}

// add adds what the image contains.
func (d *spdxDocument) add(p spdxPackage) {
	d.Packages = append(d.Packages, p)
	d.Relationships = append(d.Relationships, spdxRelationship{spdxImage, "CONTAINS", p.ID})
}

func newPackage(id, name, version string) spdxPackage {
	return spdxPackage{
		ID: id, Name: name, Version: version, Purpose: "LIBRARY",
		Download: noAssertion, LicenseConcluded: noAssertion, LicenseDeclared: noAssertion, Copyright: noAssertion,
	}
}

// purl is the module's package URL: lower case, and what a URL keeps for itself
// escaped.
func (m bomModule) purl() string {
	version := m.version
	if m.path == "std" {
		version = strings.TrimPrefix(version, "go")
	}
	return "pkg:golang/" + strings.ToLower(m.path) + "@" + strings.ReplaceAll(version, "+", "%2B")
}
