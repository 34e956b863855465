# Cases to measure, such as `make bench CASE=create_1000`; all of them by default.
CASE ?=

.PHONY: bench
bench: ## Measure the operator against its bars; writes target/bench/results.json
	cargo run --release --quiet --package pim-harness --bin bench -- $(CASE)
