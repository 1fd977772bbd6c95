// Package conformance judges the patches of package talos by Talos' own code:
// every layout of talos/testdata is applied to machine configs that a Talos
// minor generates, and the result must load and validate there.
//
// A build has one version of Talos' machinery, so each minor is a module of its
// own beside this one, which replaces machinery and calls [Run]. This module
// itself tests the version that the library is built with.
package conformance
