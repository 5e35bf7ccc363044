# Every target is one line of Go tooling; tools are pinned in tools/go.mod, away from the product's dependencies.
.DEFAULT_GOAL := help
.PHONY: help run build test accept race fuzz sim sim-long soak lint generate verify-generate bench clean

export CGO_ENABLED = 0
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
LDFLAGS := -s -w -X grange/internal/node.version=$(VERSION)
LINTER  := .tools/bin/golangci-lint
FUZZTIME ?= 20s
DURATION ?= 10m
SEEDS    ?= 20000

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program: bin/grange
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/grange ./cmd/grange

run: build ## Start a store with a bucket and a key ready, and tell how to use it
	@tools/run.sh bin/grange

test: ## Install what the tests need, and run them all
	scripts/test-deps
	go vet ./... && go vet -tags accept ./test/accept
	go test -timeout 20m ./...
	scripts/accept.sh

accept: ## Drive the built program with other people's clients, in full
	scripts/accept.sh --full

race: ## Run the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 40m ./...

fuzz: ## Fuzz every decoder for FUZZTIME each
	tools/fuzz.sh $(FUZZTIME)

sim: ## Run the simulated cluster with the seeds of a test run
	go test -count=1 ./internal/sim

sim-long: ## Run the simulated cluster with SEEDS new seeds
	go test -count=1 -timeout 0 ./internal/sim -seeds $(SEEDS) -from $(shell date +%s)

soak: build ## Load a store for DURATION with everything at once, and check that it stays well
	tools/soak.sh bin/grange $(DURATION)

lint: $(LINTER) ## Check the style and the walls between the packages
	$(LINTER) run ./...
	go test -count=1 ./internal/lint

$(LINTER): tools/go.mod
	cd tools && go build -o ../$(LINTER) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

generate: .tools/bin/protoc-gen-go ## Write all generated files again
	PATH="$(CURDIR)/.tools/bin:$$PATH" tools/generate.sh

.tools/bin/protoc-gen-go: tools/go.mod
	cd tools && go build -o ../$@ google.golang.org/protobuf/cmd/protoc-gen-go

verify-generate: .tools/bin/protoc-gen-go ## Tell whether the generated files are what make generate writes
	PATH="$(CURDIR)/.tools/bin:$$PATH" tools/verify-generate.sh

bench: ## Run the benchmarks beside the code; see docs/benchmarks.md for the store as a whole
	go test -run '^$$' -bench . -benchmem ./...

clean: ## Remove what was built
	rm -rf bin .tools/bin
