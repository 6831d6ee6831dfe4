# Everyday commands. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One profile for all tests and the binary that they run, so that nothing is compiled twice.
PROFILE ?= ci
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
BINARY := $(TARGET_DIR)/release/python-sandbox
PREFIX ?= /usr/local
# Additional arguments of `docker build`, such as --build-arg; see docs/deployment.md.
IMAGE_ARGS ?=
SANDBOX_IMAGE_ARGS ?=

.PHONY: help run prerequisites build install images test test-long fuzz fuzz-long lint generate

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# Findings of doctor do not stop this: the service reports the same, and runs nothing if it cannot guarantee isolation.
run: prerequisites build ## Build, prepare the Python runtime, run doctor, serve on http://127.0.0.1:8000
	$(BINARY) setup
	-$(BINARY) doctor
	exec $(BINARY) serve

# Installs only what is missing, and only with apt-get.
prerequisites:
	@scripts/prerequisites

build: ## Build the release binary
	cargo build --release --locked --package python-sandbox

# Does not build, so that `sudo make install` does not build as root: run `make build` first.
install: ## Copy the release binary to $(PREFIX)/bin; PREFIX=~/.local for one user
	@[ -x $(BINARY) ] || { echo 'Run `make build` first.' >&2; exit 1; }
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/python-sandbox

# The third copies the program from the first, so that both have the same guest agent.
images: ## Build the container images of the service, and the one that programs run in
	docker build --target service -t python-sandbox-service $(IMAGE_ARGS) .
	docker build -t python-sandbox-native $(IMAGE_ARGS) .
	docker build -t python-sandbox -f sandbox-image/Dockerfile $(SANDBOX_IMAGE_ARGS) .

test: ## Run everything: format, lints, all tests, the API against its own description
	@PROFILE=$(PROFILE) scripts/test

test-long: ## Run the slow stages: most of CPython's own tests, some of numpy's and pandas's, more stock hosts
	@PROFILE=$(PROFILE) scripts/test long

fuzz: ## Run each fuzz target for FUZZ_SECONDS, by default 10
	@scripts/fuzz

fuzz-long: ## Run each fuzz target for an hour
	@FUZZ_SEED=0 FUZZ_SECONDS=3600 scripts/fuzz

lint: ## Run only format and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --profile $(PROFILE) --locked -- -D warnings

generate: ## Write the files that are generated from the tables of settings and metrics, and from the API's routes
	UPDATE_GOLDEN=1 cargo test --profile $(PROFILE) --package settings --package api --package telemetry --lib document
