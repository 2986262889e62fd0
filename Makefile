# The chores of the project. `make` alone lists them.

# release, or debug for a quicker build.
PROFILE ?= release
# Everything of the cloud that `make up` starts lies here.
STATE ?= var

export PROFILE STATE
export PATH := $(HOME)/.cargo/bin:$(PATH):/usr/sbin:/sbin

BINARY = $(or $(CARGO_TARGET_DIR),target)/$(PROFILE)/kilonova
ROOT = $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help up down clean-cloud test fuzz soak check docs bench conformance conformance-policies

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 30

up: ## a running cloud with a first server; everything of it lies in var/
	@tools/up.sh

down: ## end the cloud, stop its servers, remove its networks; data stays
	@if [ -x $(BINARY) ] && [ -d $(STATE) ]; then $(ROOT) env KILONOVA_STATE_PATH=$(abspath $(STATE)) $(BINARY) down; fi
	@rm -f $(STATE)/kilonova.pid

clean-cloud: down ## the same, and delete all of its data
	@if [ -e $(STATE)/kilonova.lock ]; then $(ROOT) rm -rf $(STATE); fi

test: ## all tests: three database engines, message broker, live guests
	@tools/setup.sh run build test
	@tools/test.sh

fuzz: ## each fuzz target for FUZZ_SECONDS (600); see testing/fuzz/src/lib.rs
	@tools/fuzz.sh

# Random trials of each workflow on each engine.
ROUNDS ?= 500

soak: ## the journal under torture: ROUNDS (500) random trials of each workflow, and walks of ten times as many steps
	KILONOVA_TORTURE_ROUNDS=$(ROUNDS) cargo xtask services -- cargo test -p workflow -p testing -- whatever whoever wherever --nocapture

check: ## format, lints, import rules, sizes, generated documents, licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo xtask tidy
	@tools/counts.sh --check
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --log-level error check bans licenses sources; \
	else echo "check: cargo-deny is not installed, licences were not looked at: cargo install --locked cargo-deny"; fi

docs: ## rewrite generated documents; look at the difference
	cargo xtask tidy --fix
	@tools/counts.sh

bench: ## measure speed and size on the simulated hypervisor; see docs/performance.md
	cargo run --release --quiet -p bench

conformance: ## Tempest's smoke tests against the cloud of `make up`
	@tools/setup.sh clients
	@tools/conformance.sh

conformance-policies: ## the default rules beside those of the real services' packages
	@tools/setup.sh clients
	@tools/policies.sh
