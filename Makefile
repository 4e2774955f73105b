.DEFAULT_GOAL := help
.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

.PHONY: test
test: ## all tests of all modules, in four minutes
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
ci: ## everything that must hold before main moves, in half an hour
	.ci/run

.PHONY: crawl
crawl: ## three processes crawl a local site under one limit
	go run ./examples/crawler

.PHONY: bench
bench: ## measure everything side by side, a quarter of an hour; writes benchmarks/results
	cd benchmarks && go run ./cmd/report -out results -readme ../README.md

.PHONY: bench-short
bench-short: ## run each benchmark once; is the table still the same?
	cd benchmarks && go run ./cmd/report -short -compare results

.PHONY: soak
soak: ## the long runs: 9,000 connections, 100 simulated days of faults, 10,000 histories, 500 kills, 10 minutes of faults on etcd
	BERTH_SOAK=60s go test -run '^TestSoak$$' -v -timeout 10m ./dflockd/server
	BERTH_TABLE_STEPS=1000000000 go test -run '^TestTableDoesWhatTheModelDoes$$' -v -timeout 2h ./dflockd/internal/locktable
	BERTH_SOAK_DAYS=100 BERTH_HISTORIES=10000 BERTH_KILLS=500 go test -v -timeout 12h ./internal/stacktest
	BERTH_SWEEP=600 go test -run '^TestLimitHolds' -v -timeout 1h ./engines/etcd/etcdtest

.PHONY: release
release: ## make a release of main, up to what is to be pushed: VERSION=v0.2.0, and CHECKED=yes if .ci/run was green just now
	go run ./internal/release cut $(if $(CHECKED),-checked) $(VERSION)

.PHONY: binaries
binaries: ## build the archives of a release into dist: VERSION=v0.2.0
	go run ./internal/release build $(VERSION)
