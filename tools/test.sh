#!/bin/bash
# All tests, as `make test` and continuous integration run them. Arguments go to `cargo test`.
#
# The three database engines and the message broker run beside them (`cargo xtask services`), on loopback and in
# temporary folders. Tests with guests and networks want root; a test that lacks a right or a program says "skipped" and
# passes. With CI set, or KILONOVA_TEST_NO_SKIPS=1, it fails (crates/foundation/skips).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin

[ "$(id -u)" = 0 ] || echo "test: not root: tests with network namespaces are skipped, or fail where nothing may be"
# The guest of the live tests, where they look for it: built once, not by the first test that wants it.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools/demo-image.sh "$target/tmp/demo-image"
export KILONOVA_TEST_DEMO_IMAGE=$target/tmp/demo-image/kilonova-demo.qcow2

# Settings of somebody's own cloud are none of the tests' business.
while read -r name; do unset "$name"; done < <(compgen -e | grep '^KILONOVA_' | grep -v '^KILONOVA_TEST_' || true)

# Compiled first, so that the servers beside do not wait for it and errors of the compiler stand alone.
cargo test --workspace --no-run --quiet
# Most tests wait more than they compute.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
exec cargo xtask services -- cargo test --workspace --no-fail-fast "$@"
