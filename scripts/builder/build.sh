#!/usr/bin/env bash
# Makes the reference ISO-builder image as an OCI image layout, without Docker, as root or as an ordinary user: build.sh --help
# Layers made earlier from the same recipe are used again; of each kind those used last are kept.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/options.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/settings.sh"
layers=$BUILDER_CACHE/builder-layers debs=$BUILDER_CACHE/debs
mkdir -p "$layers" "$debs" || wrong "packages and layers cannot be kept in $BUILDER_CACHE" 'name another directory in BUILDER_CACHE'
exec 9>"$layers/lock"
flock 9
# what a killed one left goes too
rm -rf "$layers"/new.*
work=$layers/new.$$ new=''
mkdir -m 700 "$work"
trap 'rm -rf "$work" ${new:+"$new"}' EXIT
# shellcheck source-path=SCRIPTDIR
. "$here/jobs.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/layers.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/place.sh"

recipe configure "${configure[@]}" "$work"
# shellcheck source=/dev/null
. "$work/settings"
words=$("$here/architecture.sh") foreign=()
[[ -z $words ]] || mapfile -t foreign <<<"$words"
take_place
"$here/apt-sources.sh" "$work"
# what concerns all layers, the live root only, those that are compressed
grep -E 'SUITE|ARCHITECTURE' "$work/settings" >"$work/common"
grep -E 'SQUASHFS|INITRD|UNITS' "$work/settings" >"$work/node"
grep LAYER "$work/settings" >"$work/layer"
take_lock
for root in live tools boot; do recipe names "$work/builder.lock" "$root" >"$work/$root.names"; done
common=$BUILDER_SUITE.$BUILDER_ARCHITECTURE
layer tools "$layers/tools.$common" "$here/rootfs.sh" "$work"/{common,layer,tools.names}
layer live "$layers/live.$common.$BUILDER_FLAVOUR" "$here"/{live-hook,rootfs,boot}.sh "$here"/*.cfg "$work"/{common,node,live.names,boot.names,files.tar}
layer script "$layers/script.$common.$BUILDER_FLAVOUR" "$here"/build_iso/*.py "$work"/{layer,builder.lock,recipe.json}
"$here/image_layout.py" "$new/image" "${image[@]}"
put_in_place
echo "$out"
