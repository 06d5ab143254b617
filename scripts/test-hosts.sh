#!/usr/bin/env bash
# Prepares the states of a host that it can, and shows in each that a run does what `airshipctl doctor` has said it would:
# test-hosts.sh [STATE...], as root. $AIRSHIPCTL names the executable.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $EUID == 0 ]] || { echo "test-hosts.sh: preparing states of a host takes root" >&2 && exit 2; }
program=$(realpath "${AIRSHIPCTL:-target/release/airshipctl}")
scripts/setup.sh test
dir=$(mktemp -d) && export AIRSHIP_HOSTS=$dir
made=()
trap 'for user in "${made[@]}"; do userdel "$user"; done; rm -rf "$dir"' EXIT
# shellcheck source=scripts/hosts/states.sh
. scripts/hosts/states.sh

chmod 755 "$dir"
mkdir -m 1777 "$dir/said"
cp "$program" "$dir/airshipctl"
cp -r tests/fixtures/example-site/documents scripts/hosts "$dir"
python3 scripts/hosts/image.py "$dir/layout"
for user in root "$single" "$subid"; do
  [[ $user == root ]] || { useradd --no-create-home --shell /bin/sh "$user" && made+=("$user"); }
  sed -i "/^$user:/d" /etc/subuid /etc/subgid
  [[ $user != "$subid" ]] || echo "$user:3200000:65536" | tee -a /etc/subuid >>/etc/subgid
  mkdir -p "$dir/$user/home" "$dir/$user/volume" "$dir/$user/state"
  sed "s|/srv/isogen|$dir/$user/volume|; s|^container:|&\n  image: localhost/hosts:1|" \
    tests/fixtures/example-site/isogen.yaml >"$dir/$user/isogen.yaml"
  chown -R "$user:" "$dir/$user"
  as "$user" load >"$dir/said/load.log"
done

failed=0 count=0
for line in "${states[@]}"; do
  read -r state users <<<"$line"
  [[ $# == 0 || " $* " == *" $state "* ]] || continue
  for user in $users; do
    count=$((count + 1))
    # what is mounted in there goes with it
    unshare --mount --propagation private bash "$dir/hosts/enter.sh" "$state" "${!user}" >"$dir/said/$state-${!user}.log" 2>&1 || :
    python3 scripts/hosts/compare.py "$dir/said/$state-${!user}" "$state" "$user" || failed=$((failed + 1))
  done
done
echo "test-hosts.sh: in $((count - failed)) states doctor and run agree, in $failed they do not"
[[ $failed == 0 && $count != 0 ]]
