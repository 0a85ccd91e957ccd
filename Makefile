# `make` lists the targets. Everything a target needs beyond Go it installs or builds itself;
# `make test` on a bare Debian also installs Chromium and PostgreSQL (see .ci/test.sh).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN       := .build/belfry
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GOLANGCI  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME  ?= 60s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start a demo server on http://127.0.0.1:8080 with sample jobs
	go run ./cmd/belfry serve --demo

.PHONY: build
build: ## build a static binary into .build/belfry
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/belfry

.PHONY: test
test: ## everything a change can break: checks, Go tests on both databases, browser tests
	@.ci/test.sh

.PHONY: e2e
e2e: ## only the browser tests (SPEC=jobs.spec.ts for one file)
	@.ci/test.sh e2e $(SPEC)

.PHONY: lint
lint: ## golangci-lint, pinned (the first run builds it: two minutes)
	go run $(GOLANGCI) run

.PHONY: bench
bench: ## load the real binary and print rates, latencies and memory for this machine
	go run ./e2e/load

.PHONY: bench-live
bench-live: build ## the numbers of the live view: 100 MB, 50,000 lines a second, 1,000 drops, 500 viewers, and in a browser
	@test -x node_modules/.bin/playwright || npm ci --no-progress
	BELFRY_BIN=$(BIN) go run ./e2e/load -only live,live-large,live-fast,live-drops,live-viewers
	BELFRY_BIN=$(BIN) BELFRY_BENCH=1 node_modules/.bin/playwright test --config e2e/playwright.config.ts --project=desktop -g 'in a browser|as soon as it is written|show soon'

KILLS ?= 200

.PHONY: kill
kill: ## kill the server under load KILLS (200) times, and look after each restart
	BELFRY_TEST_KILLS=$(KILLS) go test -count=1 -v -timeout 30m -run '^TestKillingAtRandomInstants$$' ./cmd/belfry

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s)
	@.ci/fuzz.sh $(FUZZTIME)

.PHONY: generate
generate: ## generate the templ code and format the sources
	go tool templ fmt views
	go tool templ generate -path views
	go tool gofumpt -w cmd handlers views scheduler db migrations static e2e

.PHONY: vendor
vendor: ## copy the browser libraries from npm into static/vendor
	npm ci
	.ci/vendor.sh

.PHONY: verify
verify: ## are generated files, go.mod, formatting and vendored files what they should be?
	@.ci/verify.sh
