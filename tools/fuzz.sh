#!/bin/bash
# Each fuzz target under libFuzzer for FUZZ_SECONDS (600 when not set), starting from its committed inputs; or only the
# targets named as arguments. What it finds lies in target/fuzz/NAME: `corpus` are inputs that reached new code,
# `crash-*` are finds. It needs a C++ compiler and no other tool: coverage comes from flags of the stable compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$HOME/.cargo/bin:$PATH

seconds=${FUZZ_SECONDS:-600}
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
crate=testing/fuzz/libfuzzer

# The workspace's own versions of everything.
cp Cargo.lock "$crate/Cargo.lock"
passes=(-Cpasses=sancov-module --cfg fuzzing)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    passes+=("-Cllvm-args=-sanitizer-coverage-$option")
done
# Naming the target keeps the flags away from build scripts. One unit, or symbols of counters are lost in between.
RUSTFLAGS="${passes[*]} -Ccodegen-units=1" cargo build --quiet --release --target "$host" \
    --manifest-path "$crate/Cargo.toml" --target-dir "$out/build"
program=$out/build/$host/release/target

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cargo run --quiet -p fuzz -- --list)
failed=()
for target in "${targets[@]}"; do
    folder=$out/$target
    mkdir -p "$folder/corpus"
    echo "fuzz: $target for $seconds s"
    # A whole cloud starts with the first input of some targets: they take long for it.
    if ! KILONOVA_FUZZ_TARGET=$target "$program" -max_total_time="$seconds" -timeout=120 -rss_limit_mb=2048 \
        -max_len=65536 -print_final_stats=1 -verbosity=0 -artifact_prefix="$folder/" \
        "$folder/corpus" "testing/fuzz/corpus/$target"; then
        failed+=("$target")
    fi
done
[ ${#failed[@]} -eq 0 ] || { echo "fuzz: failed: ${failed[*]}; the inputs lie in $out" >&2; exit 1; }
