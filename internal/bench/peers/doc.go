// Package peers measures package multus beside libraries that render and apply
// manifests: kustomize, fluxcd/pkg/ssa and siderolabs/go-kubernetes, which Talos
// uses. They weigh 30 times what the rest of the benchmarks does, so they are a
// module of their own. The results are in ../results/peers.txt; write them again
// with
//
//	go test -run '^$' -bench . -benchmem -count 10 . > ../results/peers.txt
package peers
