#!/usr/bin/env bash
# Makes the ISO of a site in DIR and prints its path: iso.sh SITE BUILDER DIR; BUILDER is the image layout of a builder.
# AIRSHIPCTL names the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
site=$1 builder=$2 dir=$3 airshipctl=${AIRSHIPCTL:-target/release/airshipctl}
mkdir -p "$dir/$site"
volume=$(realpath "$dir/$site")
"$airshipctl" image load --rootfs-cache "$dir/cache" "$builder" >&2
conf=$(<tests/fixtures/example-site/isogen.yaml)
echo "${conf/volume: \/srv\/isogen:\/config/volume: \"$volume:/config\"}" >"$dir/$site.yaml"
"$airshipctl" bootstrap isogen --rootfs-cache "$dir/cache" --conf "$dir/$site.yaml" "tests/fixtures/$site-site/documents"
