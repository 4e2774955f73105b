.DEFAULT_GOAL := help
.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

.PHONY: test
test: ## all tests of all modules, in four to five minutes
	go test work

.PHONY: race
race: ## the same with the race detector
	.ci/run race

.PHONY: gate
gate: ## break each rule of the code: does its test notice?
	.ci/run gate

.PHONY: model
model: ## explore the model of the protocol completely, in ten minutes; needs spin and gcc
	BERTH_MODEL=1 go test -count=1 -v -timeout 60m ./internal/model

.PHONY: lint
lint: ## gofmt, vet for each system, staticcheck
	.ci/run format vet staticcheck

.PHONY: ci
ci: ## everything that must hold before main moves, in forty minutes
	.ci/run

.PHONY: crawl
crawl: ## three processes crawl a local site under one limit
	go run ./examples/crawler

.PHONY: bench
bench: ## measure everything side by side, half an hour; writes benchmarks/results
	cd benchmarks && go run ./cmd/report -out results -readme ../README.md

.PHONY: bench-short
bench-short: ## run each benchmark once; is the table still the same?
	cd benchmarks && go run ./cmd/report -short -compare results

SOAK ?= 30m
.PHONY: soak
soak: ## the random tests for as long as SOAK says, 30m by default; writes the table of docs/evidence.md
	go run ./internal/stacktest/soak -for $(SOAK) -write

.PHONY: uncovered
uncovered: ## list what no test of client, server and cores takes, in some minutes
	go run ./internal/stacktest/uncovered

.PHONY: release
release: ## make a release of main, up to what is to be pushed: VERSION=v0.2.0, and CHECKED=yes if .ci/run was green just now
	go run ./internal/release cut $(if $(CHECKED),-checked) $(VERSION)

.PHONY: binaries
binaries: ## build the archives of a release into dist: VERSION=v0.2.0
	go run ./internal/release build $(VERSION)
