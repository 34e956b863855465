.PHONY: demo

# The story of a few grants, on a real API server and against the Graph simulator: nothing leaves this machine.
# KEEP=1 leaves everything running afterwards, for a look around.
demo:
	@cargo run -p pim-harness --bin demo
