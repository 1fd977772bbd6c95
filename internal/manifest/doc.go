// Package manifest reads and writes streams of Kubernetes objects as YAML.
//
// [Parse] is strict: what it cannot keep it refuses, so that nothing of a
// manifest is lost in silence. [Format] is canonical: the same objects give
// the same bytes, whoever wrote them and however they were indented.
// What Format prints, Parse reads back to equal objects.
package manifest
