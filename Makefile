# The commands of everyday work. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One profile for every test and for the binary they run, so that nothing is compiled twice.
PROFILE ?= ci
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
BINARY := $(TARGET_DIR)/release/python-sandbox
PREFIX ?= /usr/local
# More arguments of `docker build`, such as --build-arg; see docs/deployment.md.
IMAGE_ARGS ?=
SANDBOX_IMAGE_ARGS ?=

.PHONY: help run prerequisites build install images test test-long fuzz fuzz-long lint generate

help: ## Lists these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# Findings of doctor do not stop the start: the service says the same, and runs nothing where a promise cannot be kept.
run: prerequisites build ## Builds, prepares the Python runtime, runs doctor, serves on http://127.0.0.1:8000
	$(BINARY) setup
	-$(BINARY) doctor
	exec $(BINARY) serve

# Only what is missing is installed, and only where apt-get is there to do it.
prerequisites:
	@scripts/prerequisites

build: ## Builds the release binary
	cargo build --release --locked --package python-sandbox

# What was not built by this user, such as by `sudo make install`, is built before, by `make build`.
install: ## Copies the release binary to $(PREFIX)/bin; PREFIX=~/.local for one user
	@[ -x $(BINARY) ] || { echo 'Run `make build` first.' >&2; exit 1; }
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/python-sandbox

# The third takes the program out of the first, so that both have the same guest agent.
images: ## Builds the container images of the service, and the one that programs run in
	docker build --target service -t python-sandbox-service $(IMAGE_ARGS) .
	docker build -t python-sandbox-native $(IMAGE_ARGS) .
	docker build -t python-sandbox -f sandbox-image/Dockerfile $(SANDBOX_IMAGE_ARGS) .

test: ## Everything: format, lints, all tests, the API against its own description
	@PROFILE=$(PROFILE) scripts/test

test-long: ## The slow stages: most of CPython's own tests, some of numpy's and pandas's, more stock hosts
	@PROFILE=$(PROFILE) scripts/test long

fuzz: ## Runs each fuzz target for FUZZ_SECONDS, 10 unless set
	@scripts/fuzz

fuzz-long: ## Runs each fuzz target for an hour
	@FUZZ_SECONDS=3600 scripts/fuzz

lint: ## Only format and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --profile $(PROFILE) --locked -- -D warnings

generate: ## Writes the files that are made from the table of settings
	UPDATE_GOLDEN=1 cargo test --profile $(PROFILE) --package settings document
