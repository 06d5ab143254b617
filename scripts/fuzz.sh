#!/usr/bin/env bash
# Runs the targets of tests/fuzz with libFuzzer for $AIRSHIP_FUZZ_SECONDS each (60), where cargo-fuzz and a nightly
# toolchain are installed; without them the fuzz tests of `cargo test` are all there is, and this says so.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo +nightly fuzz --version >/dev/null 2>&1 || { echo "fuzz.sh: no nightly toolchain with cargo-fuzz; cargo test has the same with mutations of its own" && exit 0; }
for target in tests/fuzz/targets/*.rs; do
  cargo +nightly fuzz run --fuzz-dir tests/fuzz "$(basename "$target" .rs)" -- -max_total_time="${AIRSHIP_FUZZ_SECONDS:-60}" -max_len=65536
done
