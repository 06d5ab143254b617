#!/usr/bin/env bash
# Runs the tests of the path as ordinary users, one with subordinate ids and one without: test-users.sh [TEST...], as root.
# The users are made for it, and `cargo test --release` has to have been run.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $EUID == 0 ]] || { echo "test-users.sh: making users takes root" >&2 && exit 2; }
names=("$@")
[[ $# != 0 ]] || names=(airgap builders canary container_commands crash doctor drivers hostile image_caches isogen isogen_faults isolation kill
  ladder lifecycle loop run_errors volume)
rooted=0 made=()
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
  rooted=$((rooted + $(grep -c '^only as root: ' "$dir/said" || :)))
  rm -rf "$dir"
  return $status
}
executable() { # NAME: the test's executable, as cargo says
  cargo test --release --locked --no-run --message-format=json --test "$1" 2>/dev/null |
    sed -n 's/.*"name":"'"$1"'".*"executable":"\([^"]*\)".*/\1/p'
}

user airship-single none
user airship-subid 3000000:65536
mapfile -t tests < <(for test in "${names[@]}"; do executable "$test"; done)
[[ ${#tests[@]} == "${#names[@]}" ]] || { echo "test-users.sh: no such test among ${names[*]}" >&2 && exit 2; }
for name in airship-single airship-subid; do
  echo "== as $name"
  as_user "$name" "${tests[@]}"
done
echo "test-users.sh: passed; $rooted tests did not apply to a user"
