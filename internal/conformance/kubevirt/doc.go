// Package kubevirt holds package kubevirt against the code of KubeVirt v1.9.0:
// its admission, its names of pod interfaces, and what it says of updates and
// migrations. It has tests only.
package kubevirt
