#!/usr/bin/env bash
# Makes the reference ISO-builder image as an OCI image layout, without Docker: build.sh [OUT_DIR]
# As root or as an ordinary user; settings.sh says what can be set. Layers made earlier from the same recipe are used again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/settings.sh"
out=${1:-$here/../../target/builder-image}
layers=$BUILDER_CACHE/builder-layers
mkdir -p "$layers" "$(dirname "$out")"
exec 9>"$layers/lock"
flock 9

# a process group of its own, so that one signal reaches mmdebstrap and whatever it is piped into
set -m
child='' signal=TERM
stop() {
  trap '' INT TERM HUP
  # mmdebstrap takes its time to unmount and remove what it made
  [[ -z $child ]] || while kill -"$signal" -- "-$child" 2>/dev/null; do signal=0 && sleep 0.2; done
  exit "$1"
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM
trap 'rm -rf "$layers"/new.* "$out.new"' EXIT

"$here/apt-sources.sh" "$layers"
# layer NAME RECIPE...: runs NAME.sh, unless the layer is there and its recipe is the same
layer() {
  local name=$1 recipe new=$layers/new.$1
  shift
  recipe=$({ env | grep -E '^(BUILDER_(SUITE|KERNEL|SQ|EX)|SOURCE_DATE)' | sort; cat "$here/settings.sh" "$@"; } | sha256sum)
  if [[ -e $layers/$name/recipe && $(<"$layers/$name/recipe") == "$recipe" ]]; then return; fi
  echo "making layer $name" >&2
  rm -rf "$new" && mkdir "$new"
  "$here/$name.sh" "$new" "$layers" </dev/null 9>&- &
  child=$!
  wait "$child" || { child='' && echo "making layer $name: failed" >&2 && exit 1; }
  child=
  echo "$recipe" >"$new/recipe"
  rm -rf "${layers:?}/$name" && mv "$new" "$layers/$name"
}
layer tools "$here"/{tools,rootfs}.sh "$layers/apt.sources"
layer live "$here"/{live,live-hook,signed-hook,rootfs,boot}.sh "$here"/{early,grub}.cfg "$layers/apt.sources"
layer script "$here"/script.sh "$here"/build_iso/*.py
"$here/image_layout.py" "$out.new" "$layers"/{tools,live,script}
rm -rf "$out" && mv "$out.new" "$out"
echo "$out"
