# What one runs here. `make test` is all that a change needs to pass on a
# developer's machine; `make check` is what CI runs.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
TARGETS  := $(foreach os,linux darwin windows freebsd,$(os)/amd64 $(os)/arm64)
FUZZTIME ?= 10s
TOOL     := go tool -modfile=$(CURDIR)/tools/go.mod

.NOTPARALLEL:
.PHONY: help test check stress peers bench unit conformance format vet tidy cross fuzz once

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 20

test: peers unit conformance ## every test, with the real peers where they are installed

check: format vet tidy cross test once fuzz ## all that CI asks for

stress: ## the stress tests at the size the project promises; minutes, and a quiet machine
	BURROW_STRESS=full go test -count=1 -timeout 60m -run Stress -v ./httpd ./engine

peers: ## install the real peers of the conformance tests (Debian, root; elsewhere: say what is missing)
	@conformance/peers/install.sh

bench: ## compare with other servers: make bench ARGS='-quick'
	cd bench && go run . $(ARGS)

unit: ## the tests of the library, the command and the load generator
	go test -race -shuffle=on ./...
	cd bench && go test -race -shuffle=on ./...

conformance: ## the tests against real peers
	cd conformance && go test -race -shuffle=on ./...

format: ## gofumpt
	@list=$$($(TOOL) gofumpt -l .); [ -z "$$list" ] || { printf '%s\n' "$$list" 'make format: run `$(TOOL) gofumpt -w .`' >&2; exit 1; }

vet: ## go vet and staticcheck, every module
	@for m in . conformance bench; do (cd $$m && echo "vet $$m" && go vet ./... && $(TOOL) staticcheck ./...); done

tidy: ## go.mod and go.sum say what is imported, and nothing else
	@for m in . tools conformance bench; do echo "tidy $$m"; (cd $$m && go mod tidy -diff); done

cross: ## build everything and type-check the tests for every platform
	@for t in $(TARGETS); do echo "cross $$t"; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 go build ./...; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 go vet ./...; done

once: ## one pass of every benchmark
	go test -run '^$$' -bench . -benchtime 1x ./...

fuzz: ## every fuzz target for FUZZTIME (10s)
	@.ci/fuzz $(FUZZTIME)
