// Package size holds what importing package multus adds to a program: the
// commands bare and multus below do the same with controller-runtime's client,
// and multus calls everything of the package as well.
package size
