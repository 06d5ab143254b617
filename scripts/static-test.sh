#!/usr/bin/env bash
# Builds the program static and makes an ISO with it on a host that has nothing else. As root, after demo.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
program=target/static/airshipctl
mkdir -p target/static
cargo rustc --release --locked --bin airshipctl -- -C target-feature=+crt-static
cp target/release/airshipctl "$program"
cargo build --release --locked
ldd "$program" 2>&1 | grep -E 'statically linked|not a dynamic executable'
ls -l target/release/airshipctl "$program"
python3 tests/bare/run.py "$PWD/$program" target/builder-image 6543
