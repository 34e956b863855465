# The front door. Every target does its own set-up: a machine with Rust, Go, make and a C compiler is enough.
# Binaries of the control plane are built once, from Go modules, into the user's cache folder.

CARGO ?= cargo
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pim-operator/tools
CARGO_DENY_VERSION = 0.20.2
CARGO_DENY = $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny
export CARGO_TERM_PROGRESS_WHEN ?= never

.PHONY: help demo test test-clients bench crds chart docs image fmt tools

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 \t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo: ## Play the story: operator, real API server and Graph simulator on loopback (KEEP=1 stays up)
	$(CARGO) run --locked --package pim-harness --bin demo

test: tools ## Everything CI runs: format, lints, dependencies, unit, property and integration tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	$(CARGO_DENY) --all-features --locked check licenses bans sources
	$(CARGO) test --locked --workspace --test programs
	$(CARGO) test --locked --workspace

test-clients: ## Microsoft's Graph SDK for Python, unmodified, against the simulator; says when it is skipped, and why
	@CARGO="$(CARGO)" tests/clients/run

bench: ## Counted benchmarks, and a million cases of the fence's laws; writes target/bench/results.json (CASE=name runs one)
	$(CARGO) run --locked --release --package pim-harness --bin bench -- $(CASE)
	PIM_LAWS=10 $(CARGO) test --locked --lib --package pim-operator pim::boundary::laws

tools: $(CARGO_DENY)

$(CARGO_DENY):
	@echo "building cargo-deny $(CARGO_DENY_VERSION) into $(TOOLS), once"
	$(CARGO) install --locked --version $(CARGO_DENY_VERSION) --root $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny

crds: ## Regenerate crds/ from the types, the chart's copies, and the field reference
	$(CARGO) run --locked --quiet -- crds --output-dir crds
	cp crds/*.yaml charts/pim-operator/files/crds/
	$(MAKE) docs

docs: ## Regenerate docs/reference from schemas and command line, and docs/conditions.md from the vocabulary
	UPDATE=1 $(CARGO) test --locked --test docs generated

chart: crds ## Regenerate what the chart copies and the table in its README
	UPDATE=1 $(CARGO) test --locked --test chart generated

image: ## Build the container image without a container engine: target/image/pim-operator.oci.tar, with an SBOM
	$(CARGO) build --locked --release --package pim-operator --bin pim-operator
	hack/image $${CARGO_TARGET_DIR:-target}/release/pim-operator target/image

fmt: ## Format the code
	$(CARGO) fmt --all
