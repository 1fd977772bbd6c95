// Package image tells whether an image of Multus runs on every node's
// architecture before a node pulls it, copies images to a registry of the
// user's own, and builds an image where there is none.
package image
