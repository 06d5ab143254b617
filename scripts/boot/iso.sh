#!/usr/bin/env bash
# Makes the ISO of a site in DIR and prints its path: iso.sh SITE BUILDER DIR; BUILDER is the image layout of a builder, which is
# made where there is none, of the hardware flavour. AIRSHIPCTL names the program.
set -euo pipefail
site=$1 builder=$(realpath -m "$2") dir=$(realpath -m "$3")
[[ -z ${AIRSHIPCTL:-} ]] || airshipctl=$(realpath "$AIRSHIPCTL")
cd "$(dirname "$0")/../.."
airshipctl=${airshipctl:-target/release/airshipctl}
[[ -e $builder/index.json ]] || scripts/builder/build.sh --flavour hardware "$builder" >&2
mkdir -p "$dir/$site"
"$airshipctl" image load --rootfs-cache "$dir/cache" "$builder" >&2
conf=$(<tests/fixtures/example-site/isogen.yaml)
echo "${conf/volume: \/srv\/isogen:\/config/volume: \"$dir/$site:/config\"}" >"$dir/$site.yaml"
"$airshipctl" bootstrap isogen --rootfs-cache "$dir/cache" --conf "$dir/$site.yaml" "tests/fixtures/$site-site/documents"
