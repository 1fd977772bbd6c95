# make help lists the targets. They need Go, git and, for race, a C compiler.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# internal/e2e tests on the API server that internal/e2e/node builds and on nodes
# whose programs come from internal/e2e/labnode, each module in
# internal/conformance against somebody else's code. The modules of one Talos
# minor each hold a version and a line of code.
CONFORMANCE := $(patsubst %/go.mod,%,$(wildcard internal/conformance/*/go.mod))
PROGRAMS := internal/e2e/node $(patsubst %/go.mod,%,$(wildcard internal/e2e/labnode/go.mod internal/e2e/labnode/*/go.mod))
MODULES := . internal/bench internal/bench/peers internal/e2e $(CONFORMANCE) $(PROGRAMS) internal/tools
LINTED := internal/bench internal/bench/peers internal/e2e internal/tools $(filter-out internal/conformance/talos1.%,$(CONFORMANCE))

TOOL := go tool -modfile=$(CURDIR)/internal/tools/go.mod
LINT := $(TOOL) golangci-lint
PLATFORMS := linux/amd64 linux/arm64 darwin/arm64 windows/amd64

# Extra flags for go test: make test TESTFLAGS='-run Render -v'; those for the
# tests of internal/e2e alone: make test E2EFLAGS=-race
TESTFLAGS ?=
E2EFLAGS ?=
RACE := -race -shuffle=on
FUZZTIME ?= 10s
BENCHFLAGS ?= -benchmem

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## run all tests, also on a real API server and, as root, on real nodes; the first run builds these, which takes minutes
	go test -timeout 30m $(TESTFLAGS) ./...
	@$(MAKE) --no-print-directory conformance e2e

.PHONY: conformance
conformance: ## hold what we write against the code that reads it: every Talos minor, the CNI plugins as root
	@for module in $(CONFORMANCE); do \
		echo "== $$module"; \
		(cd $$module && go test -timeout 30m $(TESTFLAGS) ./...); \
	done

.PHONY: images
images: ## build and check images of the releases that the tests leave out, too; minutes of processor time for each
	cd internal/conformance/image && go test -v -timeout 120m . -all

.PHONY: e2e
e2e: build-e2e ## run the tests on a real API server and, as root, on real nodes
	cd internal/e2e && go test -p 1 -timeout 60m $(TESTFLAGS) $(E2EFLAGS) ./...

.PHONY: build-e2e
build-e2e: ## build Kubernetes, containerd, Multus and the rest that the e2e tests run
	@echo "== internal/e2e: building Kubernetes and what a node needs from Go modules: minutes the first time, nothing later"
	cd internal/e2e && go run ./buildnode
	@if [ "$$(id -u)" = 0 ]; then \
		cd internal/e2e && go run ./cmd/lab -build -cni flannel -multus v4.3.0,v4.2.4,v4.1.4,v4.0.2; \
	else \
		echo "not root: the tests on real nodes will be skipped"; \
	fi

.PHONY: faults
faults: build-e2e ## interrupt installs and uninstalls on real nodes in every way, as root; long
	cd internal/e2e && go test -run '^TestEveryFault$$' -timeout 120m -v $(TESTFLAGS) ./lab -faults

# On emulated processors a test takes 10 to 30 times as long, so this runs what the
# kernel decides and nothing else.
.PHONY: vm
vm: ## run what this kernel may be unable to in a virtual machine with Debian's: all configurations with VLAN, ipvlan, dummy and VRF, pods on them, cgroup v2; long
	@cd internal/e2e && go run ./cmd/lab -build
	@bin=$$(mktemp -d); trap 'rm -rf "$$bin"' EXIT; \
	echo "== virtual machines"; \
	(cd internal/e2e && go build -o "$$bin/" ./cmd/vm && go test -count=1 -timeout 30m ./vm -boot); \
	echo "== internal/conformance/cni in a virtual machine"; \
	(cd internal/conformance/cni && CGO_ENABLED=0 go build -o "$$bin/plugins/" tool && \
		go test -count=1 -timeout 60m -v -run '^Test(Lint|SecondPod)$$' -exec "$$bin/vm -memory 1536" . -linktypes -plugins "$$bin/plugins"); \
	echo "== internal/e2e/lab in a virtual machine"; \
	(cd internal/e2e && go test -count=1 -timeout 60m -v -run '^TestLinkTypes$$' -exec "$$bin/vm -memory 4096" ./lab)

.PHONY: race
race: race-unit ## run the tests in random order with the race detector
	@$(MAKE) --no-print-directory e2e E2EFLAGS='$(RACE)'

.PHONY: race-unit
race-unit: ## race without the tests on a real API server and on real nodes
	go test -timeout 30m $(RACE) $(TESTFLAGS) ./...

.PHONY: cover
cover: ## print the coverage of each package by the tests of this module
	go test -cover ./... | awk '{ sub(/github.com\/multihome\/multihome/, "."); print }'

.PHONY: lint
lint: ## run the linters, and go fix without changing anything
	$(LINT) config verify
	$(LINT) run ./...
	@for module in $(LINTED); do \
		echo "== $$module"; \
		(cd $$module && $(LINT) run --config $(CURDIR)/.golangci.yml ./...); \
	done
	go fix -diff ./...

.PHONY: fmt
fmt: ## format all Go files
	$(LINT) fmt

.PHONY: fmt-check
fmt-check: ## fail if a Go file is not formatted
	$(LINT) fmt --diff

.PHONY: vet
vet: ## vet everything on this platform, and type-check it for the others
	@for module in . $(LINTED); do \
		echo "== $$module"; \
		(cd $$module && go vet ./...); \
	done
	@bin=$$(mktemp -d); trap 'rm -rf "$$bin"' EXIT; \
	(cd internal/tools && go build -o "$$bin/" ./typecheck); \
	"$$bin/typecheck" $(PLATFORMS)

.PHONY: generate
generate: ## write the generated files again
	go generate ./...

.PHONY: golden
golden: ## rewrite the golden files with what the tests get; read the diff
	go test $$(go list -f '{{range .XTestImports}}{{if eq . "github.com/multihome/multihome/internal/golden"}}{{$$.ImportPath}}{{end}}{{end}}' ./...) -update

.PHONY: fuzz
fuzz: ## search with every fuzz target for FUZZTIME (10s)
	@grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do \
		for target in $$(grep -oE '^func Fuzz\w+' "$$file" | cut -d' ' -f2); do \
			echo "== $$target in $$(dirname "$$file")"; \
			(cd "$$(dirname "$$file")" && go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s .); \
		done; \
	done

.PHONY: bench
bench: build-e2e ## run the benchmarks; compare two outputs with: go tool -modfile=internal/tools/go.mod benchstat OLD NEW
	go test -run '^$$' -bench . $(BENCHFLAGS) ./...
	cd internal/bench && go test -bench . $(BENCHFLAGS) ./... # and the test of sizes
	cd internal/bench/peers && go test -bench . $(BENCHFLAGS) ./... # and the test of requests
	cd internal/e2e && go test -run '^$$' -bench . $(BENCHFLAGS) ./...

.PHONY: apidiff
apidiff: ## compare the exported API with the last tag
	.ci/apidiff

.PHONY: vuln
vuln: ## look for known vulnerabilities (needs the vulnerability database)
	$(TOOL) govulncheck ./...

.PHONY: tidy
tidy: ## tidy the go.mod of every module
	@for module in $(MODULES); do echo "== $$module"; (cd $$module && go mod tidy); done

.PHONY: tidy-check
tidy-check: ## fail if a go.mod is not tidy
	@for module in $(MODULES); do echo "== $$module"; (cd $$module && go mod tidy -diff); done

.PHONY: check
check: ## everything that CI runs
	.ci/run

.PHONY: clean
clean: ## remove what the targets leave behind; caches stay
	rm -f coverage.out *.test
