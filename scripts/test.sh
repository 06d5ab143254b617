#!/usr/bin/env bash
# Passes the tests on a fresh Debian 12 with a Rust toolchain; installs what they need. As root it also runs them
# as a user with subordinate ids and as one without, makes an ISO with the real builder, and boots it.
set -euo pipefail
cd "$(dirname "$0")/.."
passed=0 rooted=0 made=()
step() {
  echo "== $1"
  shift
  "$@" || { echo "failed: $*" >&2 && echo "test.sh: $passed passed, 1 failed" && exit 1; }
  passed=$((passed + 1))
}
trap 'for name in "${made[@]}"; do userdel --remove "$name" 2>/dev/null || :; done' EXIT
user() { # NAME SUBIDS: a user as tests need one, gone at the end
  id "$1" >/dev/null 2>&1 || { useradd --create-home --shell /bin/sh "$1" && made+=("$1"); }
  sed -i "/^$1:/d" /etc/subuid /etc/subgid
  [[ $2 == none ]] || { echo "$1:$2" | tee -a /etc/subuid >>/etc/subgid; }
}
# the whole path and what can go wrong on it, where the user can reach the programs
as_user() {
  local dir test status=0 && dir=$(mktemp -d) && chmod 755 "$dir"
  cp target/release/airshipctl "${@:2}" "$dir"
  for test in "${@:2}"; do
    setpriv --reuid "$1" --regid "$1" --init-groups --reset-env env AIRSHIPCTL="$dir/airshipctl" \
      sh -c 'cd && exec "$@"' sh "$dir/$(basename "$test")" 2>&1 | tee -a "$dir/said" || status=1
  done
  rooted=$((rooted + $(grep -c '^only as root: ' "$dir/said")))
  rm -rf "$dir"
  return $status
}
executable() { # NAME: the test's executable, as cargo says
  cargo test --release --locked --no-run --message-format=json --test "$1" 2>/dev/null |
    sed -n 's/.*"name":"'"$1"'".*"executable":"\([^"]*\)".*/\1/p'
}

scripts/setup.sh test
step "the scripts" shellcheck --external-sources scripts/*.sh scripts/builder/*.sh .ci/run
step "the builder script" python3 -m unittest discover tests/builder
step "the tests" env AIRSHIP_FUZZ_SECONDS=60 cargo test --release --locked
if [[ $EUID == 0 ]]; then
  user airship-single none
  user airship-subid 3000000:65536
  names=(airgap crash drivers image_caches isogen isogen_faults kill volume)
  mapfile -t tests < <(for test in "${names[@]}"; do executable "$test"; done)
  [[ ${#tests[@]} == "${#names[@]}" ]]
  for name in airship-single airship-subid; do step "the path as $name" as_user "$name" "${tests[@]}"; done
fi
step "the builder and the example site" scripts/demo.sh
step "the node boots from its ISO" scripts/boot-test.sh target/demo/volume/ephemeral.iso bios-cd
echo "test.sh: $passed passed, 0 failed ($rooted tests did not apply to a user and passed as root)"
