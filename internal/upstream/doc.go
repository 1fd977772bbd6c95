// Package upstream keeps the embedded manifests of Multus equal to upstream's.
//
// Upstream ships its thick manifest inside its Go module, so the go command
// can fetch every release of it and verify it against the public checksum
// database. [Build] turns the releases that a [Lock] names into canonical YAML,
// one file for all releases whose objects are the same, and [Check] proves that
// a directory still holds exactly that. The command around it is
// internal/cmd/genmanifests.
//
// Three releases cannot be fetched that way: the module of v4.0.0 is not
// served, and the checksum database has no entry for v4.0.1 and v4.2.1. The
// lock names their git tag instead of a module and the verified release whose
// file has the same sha256; it claims no more than that.
package upstream
