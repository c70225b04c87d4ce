# Everything here needs Go and nothing else, but for test-race, which needs gcc.
# `make help` lists the targets.

SHELL       := /bin/bash -euo pipefail
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X main.version=$(VERSION)
FUZZTIME    ?= 20s
BENCH       ?= .
BENCHTIME   ?= 1s
COUNT       ?= 1
SUSTAIN     ?= 1m
PROFILE     ?=
TESTFLAGS   ?=

# Names of product packages; the tests from outside live in a module of their own.
PACKAGES    := ./...
E2E         := cmd/e2e
TOOLS       := .ci/tools
BIN         := $(CURDIR)/bin

export CGO_ENABLED ?= 0
export MPCD := $(BIN)/mpcd
export MPCCTL := $(BIN)/mpcctl

.PHONY: help build test lint unit e2e test-race test-long test-netns bench bench-compare bench-bars fuzz openapi demo up clean FORCE

help: ## lists the targets
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

build: ## makes bin/mpcd and bin/mpcctl, static binaries
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/mpcd ./cmd/mpcctl

test: lint unit e2e ## all checks that need only Go: lint, unit tests, end-to-end tests

lint: bin/tools ## formatting, vet, staticcheck, import rules, sizes
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	go vet -tags long,netns,faults $(PACKAGES)
	go -C $(E2E) vet -tags long,netns,faults ./...
	go -C $(TOOLS) vet ./...
	bin/tools/rules
	cd $(E2E) && $(BIN)/tools/rules
	bin/tools/staticcheck -tags long,netns,faults $(PACKAGES)
	cd $(E2E) && $(BIN)/tools/staticcheck -tags long,netns,faults ./...

unit: ## tests of every package
	go test $(TESTFLAGS) -timeout 20m $(PACKAGES)
	go -C $(TOOLS) test ./...

e2e: build ## real processes through the public HTTP API
	go -C $(E2E) test $(TESTFLAGS) -count=1 -timeout 20m ./...

# Packages with tests under virtual time. Their race runs get one processor: Go 1.26 gives all
# timers of a synctest bubble one race context, and two threads in it crash the detector.
VIRTUAL      = $(sort $(shell go list -f '{{range .TestImports}}{{if eq . "testing/synctest"}}{{$$.ImportPath}} {{end}}{{end}}{{range .XTestImports}}{{if eq . "testing/synctest"}}{{$$.ImportPath}} {{end}}{{end}}' $(PACKAGES)))

test-race: ## unit tests under the race detector; needs gcc
	CGO_ENABLED=1 go test -race -cpu 1 -timeout 40m $(VIRTUAL)
	CGO_ENABLED=1 go test -race -timeout 40m $(filter-out $(VIRTUAL),$(shell go list $(PACKAGES)))

# The malicious matrix runs last: the last line is its result. Everything that it says is in
# bin/matrix.log, also what was running if a goroutine of a library should panic.
MATRIX       = ^TestMaliciousMatrix$$
NOISE        = ^(=== |PASS|ok )|^ *--- PASS|_test\.go:[0-9]+: (starts: |[0-9]+ attacks, )

test-long: build ## the large committees, the malicious matrix and whatever else takes minutes
	go test -tags long -timeout 60m -skip '$(MATRIX)' $(PACKAGES)
	go -C $(E2E) test -tags long -count=1 -timeout 60m ./...
	@go test -tags long -timeout 60m -count=1 -v -run '$(MATRIX)' ./protocol/protocoltest/ | tee bin/matrix.log | grep --line-buffered -vE '$(NOISE)'

test-netns: build ## users' devices behind NAT, in network namespaces; needs root, iproute2 and nftables
	go test -tags netns -count=1 -timeout 10m ./p2p/natns/
	go -C $(E2E) test -tags netns -count=1 -timeout 10m -run TestBehindNAT .

# The benchmarks from outside choose how often they do a thing: one iteration is a sample.
# PROFILE=folder keeps a CPU profile of each process and benchmark, TESTFLAGS=-short makes
# small samples.
BENCHFLAGS   = -run '^$$' -bench '$(BENCH)' -count $(COUNT) -timeout 4h $(TESTFLAGS)

bench: build ## benchmarks as lines for benchstat; BENCH=regexp chooses, COUNT=6 repeats, PROFILE=folder
	go test $(BENCHFLAGS) -benchtime $(BENCHTIME) $(PACKAGES) | sed -uE '/^(PASS|ok|\?)/d'
	PROFILE=$(abspath $(PROFILE)) go -C $(E2E) test $(BENCHFLAGS) -benchtime 1x . -args -sustain $(SUSTAIN) | sed -uE '/^(PASS|ok)/d'

# A line of one run is many operations, so that ratios are shown also without repetitions;
# ALPHA=0.05 shows only those that are significant, and needs COUNT=6 or so.
ALPHA       ?= 1

bench-compare: ## ratios of two outputs of make bench: OLD=a.txt NEW=b.txt
	@test -n '$(OLD)' -a -n '$(NEW)' || { echo 'usage: make bench-compare OLD=a.txt NEW=b.txt'; exit 2; }
	@go -C $(TOOLS) tool benchstat -alpha $(ALPHA) old='$(abspath $(OLD))' new='$(abspath $(NEW))'

bench-bars: ## an output of make bench beside what is promised: IN=a.txt
	@test -n '$(IN)' || { echo 'usage: make bench-bars IN=a.txt'; exit 2; }
	@go -C $(TOOLS) run ./bars '$(abspath $(IN))'

fuzz: ## every fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

openapi: ## writes coordinator/openapi.yaml and PROBLEMS.md from the code
	go generate ./coordinator

demo: build ## a cluster on this machine makes two keys and signs with them
	go -C $(E2E) build -o $(BIN)/demo ./demo
	@exec bin/demo

up: build ## a cluster on this machine until Ctrl-C; see .run/cluster.json
	go -C $(E2E) build -o $(BIN)/up ./up
	@exec bin/up -dir .run

bin/tools: FORCE
	go -C $(TOOLS) build -o $(BIN)/tools/ ./rules honnef.co/go/tools/cmd/staticcheck

clean: ## removes what was built and the cluster of `make up`
	rm -rf bin .run
