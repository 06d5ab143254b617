#!/usr/bin/env bash
# Kubernetes on a node that boots from an ISO, all of it offline: test-kubernetes.sh [container] [control-plane]
#   container      the image of the `kubernetes` flavour; user-data runs a container from an image that came with the medium
#   control-plane  kubeadm makes a control plane of one node, from Debian's source package: builds for half an hour
# Both without an argument. What was built stays in target/kubernetes, as do the serial logs; AIRSHIPCTL names the program.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$PWD/target/kubernetes
[[ $# != 0 ]] || set -- container control-plane
for level; do
  [[ $level =~ ^(container|control-plane)$ ]] || { sed -n '2,5s/^# *//p' "$0" >&2 && exit 2; }
done
scripts/setup.sh kubernetes
row() { printf '%-14s %-18s %8s %8s %8s\n' "$@"; }
mib() { echo "$(($(du -sb "$1" | cut -f 1) >> 20)) MiB"; }

# what is waited for on the serial console, LABEL=REGEX
signs() {
  case $1 in
    container) echo 'container ended=^node: \d+ s: container ended' ;;
    control-plane) printf '%s\n' 'images imported=^node: \d+ s: images' 'kubeadm ended=^node: \d+ s: kubeadm ended' \
      'node Ready=^node: \d+ s: waited for Ready' 'pod ended=^node: \d+ s: all shown' ;;
  esac
}
one() { # LEVEL
  local recipe iso log=$dir/$1.log memory=2048 waited
  [[ $1 == container ]] || memory=6144
  recipe=$(scripts/kubernetes/recipe.sh "$1" "$dir")
  scripts/builder/build.sh -c "$recipe" "$dir/builder-$1" >&2
  iso=$(scripts/boot/iso.sh "$1" "$dir/builder-$1" "$dir/isos")
  mapfile -t waited < <(signs "$1")
  rm -f "$log"
  BOOT_MEMORY=$memory BOOT_TIMEOUT=${BOOT_TIMEOUT:-5400} scripts/kubernetes/timed.py "$log" "${waited[@]}" -- \
    scripts/boot/machine.sh "$iso" bios-cd example "$log" >"$dir/$1.times" || tail -n 30 "$log" >&2
  scripts/kubernetes/checks.sh "$log" "$1" | tee "$dir/$1.checks" || failed=1
  echo "$1: builder image $(mib "$dir/builder-$1"), ISO $(mib "$iso"), $(tail -n 1 "$dir/$1.checks") checks passed" >>"$dir/table"
  awk -v level="$1" '{ cpu = $NF; wall = $(NF - 1); guest = $(NF - 2); NF -= 3; print level "|" $0 "|" guest "|" wall "|" cpu }' "$dir/$1.times" |
    while IFS='|' read -ra cells; do row "${cells[@]}"; done >>"$dir/table"
}
failed=0
mkdir -p "$dir" && row level until 'guest s' 'wall s' 'CPU s' >"$dir/table"
for level; do one "$level"; done
cat "$dir/table"
exit $failed
