#!/usr/bin/env bash
# Passes the tests on a fresh Debian 12 with a Rust toolchain; installs what they need.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
cargo test --release --locked
