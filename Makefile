# Everything is done by these. `make test` is what CI runs.

CARGO ?= cargo

.PHONY: demo test check unit sdk packages clients bench figures crash fuzz install-tools

demo: ## a living fleet and the exporter on this machine; prints where to look
	$(CARGO) run --quiet --example demo

test: install-tools check unit sdk packages ## everything that must hold

check:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet

unit: ## four at a time: the integration tests wait more than they work
	RUST_TEST_THREADS=4 $(CARGO) test --workspace

sdk: ## the official Python SDK against the simulator, and its credentials package against the exporter
	$(CARGO) build --quiet -p simulator
	tests/sdk/run

packages: ## deploy/, docs/, .github/ and cargo-deny; fetches the tools where it can, and says what it skipped
	$(CARGO) build --quiet
	deploy/check --install

# Which clients scrape, by the beginning of their names; all of them unless said.
CLIENTS ?=

clients: ## real scrapers and parsers on the demo's fleet, in every format; a table of what each has
	tests/clients/run $(CLIENTS)

# What make bench measures: decode, record, forgetting, states, process, scrape, formats, scopes, empty; all of them unless said.
SUBJECT ?=

# So many times the release binary is killed; at least a hundred times as many results settle meanwhile.
KILLS ?= 500

crash: ## the long run of the crash tests
	CRASH_KILLS=$(KILLS) $(CARGO) test --release --test it crash -- --nocapture --test-threads=1

# How long each fuzz target runs, and which; all of them unless said.
SECONDS ?= 60
TARGETS ?=

fuzz: ## inputs that nobody thought of; tests/fuzz/README.md says what must hold
	SECONDS_EACH=$(SECONDS) tests/fuzz/run $(TARGETS)

bench: ## speed and memory, beside what others take for the same, and a table of targets
	benches/peers/install
	ulimit -n 20000; $(CARGO) bench --bench figures -- $(SUBJECT)

figures: ## figures that take long: load, sizes, times; printed
	ulimit -n 20000; $(CARGO) test --release --test it -- --ignored --nocapture --test-threads=1

install-tools:
	tests/install-tools
