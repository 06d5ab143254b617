#!/usr/bin/env bash
# Passes the tests on a fresh Debian 12 with a Rust toolchain; installs what they need. As root it also runs them
# as a user with subordinate ids and as one without, makes an ISO with the real builder, and boots it.
set -euo pipefail
cd "$(dirname "$0")/.."
passed=0
step() {
  echo "== $1"
  shift
  "$@" || { echo "failed: $*" >&2 && echo "test.sh: $passed passed, 1 failed" && exit 1; }
  passed=$((passed + 1))
}
scripts/setup.sh test
step "the scripts" shellcheck --external-sources scripts/*.sh scripts/builder/*.sh scripts/hosts/*.sh scripts/boot/*.sh scripts/kubernetes/*.sh .ci/run
step "the builder script" python3 -m unittest discover tests/builder
# fuzz tests begin where the sources say: elsewhere after each change, and the same again without one; a developer's begin anywhere
seed=$(find src tests -name '*.rs' -print0 | LC_ALL=C sort -z | xargs -0 cat | cksum)
step "the tests" env AIRSHIP_FUZZ_SEED="${seed%% *}" AIRSHIP_FUZZ_SECONDS=60 cargo test --release --locked
step "the tests with libFuzzer" scripts/fuzz.sh
step "kustomizations beside kustomize" env AIRSHIPCTL=target/release/airshipctl scripts/test-kustomize.sh
if [[ $EUID == 0 ]]; then
  step "the path as ordinary users" scripts/test-users.sh
  step "what doctor says of hosts" scripts/test-hosts.sh
fi
step "the builder and the example site" scripts/demo.sh
step "the node boots from its ISO" scripts/boot-test.sh target/demo/volume/ephemeral.iso bios-cd
echo "test.sh: $passed passed, 0 failed"
