.DEFAULT_GOAL := help
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

.PHONY: test
test: ## all tests of all modules
	go test work

.PHONY: race
race: ## the same with the race detector
	go test -race -timeout 30m work

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go vet work
	go run $(STATICCHECK) ./...

.PHONY: ci
ci: ## everything that must hold before main moves
	.ci/run

.PHONY: crawl
crawl: ## three processes crawl a local site under one limit
	go run ./examples/crawler
