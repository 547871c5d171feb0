# Each target is one honest command. `make demo` shows the main job, `make test` runs every test of every language.

CARGO ?= cargo
FUZZ_SECONDS ?= 30
# The settings of the Python package's build hold for all, so that nothing is built twice.
export PYO3_BUILD_EXTENSION_MODULE := 1
# Which measurements, e.g. BENCH=peergraph; BENCH="--runs 3" for medians.
BENCH ?=
# Which rows; all if empty.
HOSTILE ?=
# Capabilities of tests/conformance.txt that must have a test.
PROVEN := G1-G25,G28,G29,G34-G37,G39-G44,G46,G47,R1-R8,R10,R11,R17,R19-R21,R23,R24,E1-E24,I1-I12,M1-M31,X1-X4
# And those that each finished binding must have a test of.
EVERYWHERE := E1-E24,X1-X3
FINISHED := python,node,kotlin,swift

.PHONY: demo test bench hostile sim-nightly conformance check lint docs fuzz python node kotlin swift packages

demo:
	$(CARGO) run --release --locked --quiet -p peergraph-examples --bin demo

test: check lint docs
	$(CARGO) test --locked --workspace
	$(CARGO) run --locked --quiet -p peergraph-examples --bin demo
	$(MAKE) --no-print-directory python
	$(MAKE) --no-print-directory node
	$(MAKE) --no-print-directory kotlin
	$(MAKE) --no-print-directory swift
	$(MAKE) --no-print-directory fuzz
	$(CARGO) run --locked --quiet -p peergraph-tests --bin conformance -- --require $(PROVEN) --everywhere $(FINISHED) $(EVERYWHERE)

# Beside iroh, iroh-gossip and iroh-docs, in one run: minutes, and to be read rather than passed.
bench:
	cd core/benches && $(CARGO) run --release --locked --quiet -- $(BENCH)
	bindings/python/bench/run.sh
	cd bindings/node && npm ci --silent && node scripts/build.mjs --profile dist && cd bench && npm ci --silent && npm start --silent
	bindings/kotlin-swift/kotlin/bench.sh
	bindings/kotlin-swift/swift/bench.sh

# What a hostile process costs a victim and three honest processes, attack by attack: half an hour and more, on Linux. HOSTILE=b2 is the rows
# whose names begin so; PEERGRAPH_WRITE_HOSTILE=1 writes the table into SECURITY.md. `make test` has a short form.
hostile:
	$(CARGO) run --locked --quiet -p peergraph-tests --bin hostile -- run $(HOSTILE)

# What takes too long for `make test`, which has a short form of each: a million histories of the authority model, a removal among
# a million records, the cost of doing nothing in groups of up to 1,000 nodes. About an hour; PEERGRAPH_SEED begins elsewhere.
sim-nightly:
	$(CARGO) test --release --locked -p peergraph --no-default-features --features sim --lib -- --ignored --nocapture

# The engine and all below it must build alone: no network, no clock, no disk. And the measurements must build.
check:
	$(CARGO) check --locked -p peergraph --no-default-features
	cd core/benches && $(CARGO) clippy --locked --quiet --all-targets -- -D warnings

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --exclude peergraph-node -- -D warnings
	# Built for tests, what napi's macros make is not used by anybody.
	$(CARGO) clippy --locked --workspace -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --workspace

# Every decoder, and sequences of frames into an engine. Works on a stable toolchain.
FUZZ_TARGETS := record message frame text stored engine group
fuzz:
	command -v cargo-fuzz >/dev/null || $(CARGO) install --locked --quiet cargo-fuzz
	set -e; for target in $(FUZZ_TARGETS); do \
		(cd core && RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -print_funcs=0 -verbosity=0 -print_final_stats=1); \
	done

# The Python package: built, put into .venv, checked and tested.
python:
	bindings/python/check.sh

# The npm package: its native half built, checked and tested.
node:
	bindings/node/check.sh

# The Kotlin library by Maven, and the Swift package; Swift itself comes from Debian, into a cached folder, where there is none.
kotlin swift:
	bindings/kotlin-swift/check.sh $@

# What goes to the package indexes, built and tried in empty environments: minutes.
packages:
	bindings/python/package.sh
	cd bindings/node && npm ci --silent && node scripts/build.mjs --profile dist && node scripts/try-packages.mjs

conformance:
	@$(CARGO) run --locked --quiet -p peergraph-tests --bin conformance -- --require $(PROVEN) --everywhere $(FINISHED) $(EVERYWHERE)
