#!/usr/bin/env bash
# Makes the ISO of a site in DIR and prints its path: iso.sh SITE BUILDER DIR; BUILDER is the image layout of a builder, which is
# made where there is none, of the hardware flavour. AIRSHIPCTL names the program.
set -euo pipefail
site=$1 builder=$(realpath -m "$2") dir=$(realpath -m "$3") emulated=()
[[ -z ${AIRSHIPCTL:-} ]] || airshipctl=$(realpath "$AIRSHIPCTL")
cd "$(dirname "$0")/../.."
airshipctl=${airshipctl:-target/release/airshipctl}
[[ -e $builder/index.json ]] || scripts/builder/build.sh --flavour hardware "$builder" >&2
mkdir -p "$dir/$site"
"$airshipctl" image load --rootfs-cache "$dir/cache" "$builder" >&2
conf=$(<tests/fixtures/example-site/isogen.yaml)
architecture=$(sed -nE 's/.*"architecture": "([a-z0-9]+)".*/\1/p' "$builder/index.json")
if [[ $architecture != $(dpkg --print-architecture) ]]; then
  # a name means the image for this host, a digest the one for whatever platform
  conf=${conf/container:/container:$'\n'  image: localhost/isogen-builder@$(sed -E 's/.*"digest": "([a-z0-9:]+)".*/\1/' "$builder/index.json")}
  words=$(BUILDER_ARCHITECTURE=$architecture scripts/builder/architecture.sh)
  [[ -z $words ]] || mapfile -t emulated <<<"$words"
fi
echo "${conf/volume: \/srv\/isogen:\/config/volume: \"$dir/$site:/config\"}" >"$dir/$site.yaml"
"${emulated[@]}" "$airshipctl" bootstrap isogen --rootfs-cache "$dir/cache" --conf "$dir/$site.yaml" "tests/fixtures/$site-site/documents"
